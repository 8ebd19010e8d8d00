// `tocsin top series`.
#pragma once

#include <string>

namespace tocsin::cli {

struct TopOptions {
  std::string by;  ///< "metric", "label", "memory", "pair", "host" or "agent"; empty: all of them.
  int limit = 10;
};

}  // namespace tocsin::cli
