// tocsin check: configuration and rule files, checked as a compiler does.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::cli {

struct CheckOptions {
  std::vector<std::string> paths;  ///< Files and folders, at least one.
  bool json = false;               ///< -o json: the diagnostics as one JSON array on `out`.
  bool color = false;
};

/// Checks every file and reports all errors, not only the first.
/// Returns 0 without errors (warnings do not count), 1 with errors, 2 if a path does not exist.
int run_check(const CheckOptions& options, const base::FileSystem& files, std::ostream& out,
              std::ostream& err);

}  // namespace tocsin::cli
