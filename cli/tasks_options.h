// tocsin tasks: what was asked for.
#pragma once

#include <string>

namespace tocsin::cli {

struct TasksOptions {
  std::string host;        ///< Empty: all.
  bool problems = false;   ///< Only those that are overdue, hung or failed.
  bool exit_code = false;  ///< 1 if any of those shown is.
};

}  // namespace tocsin::cli
