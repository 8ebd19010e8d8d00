// tocsin inventory: what was asked for.
#pragma once

#include <cstddef>

namespace tocsin::cli {

struct InventoryOptions {
  std::size_t values = 50;  ///< Kept of each label; more: the set counts as incomplete.
};

}  // namespace tocsin::cli
