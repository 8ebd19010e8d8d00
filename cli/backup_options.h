// What `tocsin backup` and `tocsin restore` are told.
#pragma once

#include <string>

namespace tocsin::cli {

struct BackupOptions {
  enum class Action { Make, Verify };
  Action action = Action::Make;
  std::string path;  ///< A folder, or a file that ends in ".tar".
};

struct RestoreOptions {
  std::string from;
  std::string to;  ///< The data folder.
};

}  // namespace tocsin::cli
