// tocsin check: configuration and rule files, checked as a compiler does, and against what exists.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/time.h"

namespace tocsin::cli {

class ApiClient;

struct CheckOptions {
  enum class Format { Text, Json, Sarif, Junit };

  std::vector<std::string> paths;  ///< Files and folders, at least one (unless `list`).
  Format format = Format::Text;    ///< Text: findings to `err`, the summary to `out`.
  bool color = false;
  bool strict = false;     ///< Warnings make it fail too.
  bool load_only = false;  ///< Only what the daemon would refuse.
  bool list = false;       ///< Print the list of checks.
  std::string inventory_file;
  std::string against;  ///< URL of a server to compare with.
  std::vector<std::string> allow;
  base::Duration scrape_interval{15'000};
};

/// What the check works with; `server` answers for --against and may be null without it.
struct CheckWorld {
  const base::FileSystem& files;
  ApiClient* server = nullptr;
  std::ostream& out;
  std::ostream& err;
  const base::Clock* clock = nullptr;  ///< Null: schedules are not looked at for gaps.
};

/// Checks every file and reports all findings, not only the first.
/// Returns 0 without errors (strict: and without warnings), 1 with some, 2 if a path does not
/// exist, the inventory cannot be read or the server does not answer.
int run_check(const CheckOptions& options, const CheckWorld& world);

}  // namespace tocsin::cli
