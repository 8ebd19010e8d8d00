// The book as a file: JSON, written whole.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "alertd/tasks/task_book.h"

namespace tocsin::tasks {

struct SavedBook {
  std::int64_t saved_ms = 0;  ///< When, by the daemon's clock: how long it was away.
  std::map<TaskKey, Task> tasks;
};

std::string encode_book(const std::map<TaskKey, Task>& tasks, base::WallTime now);
/// Errors: Corruption.
base::Result<SavedBook> decode_book(std::string_view text);

}  // namespace tocsin::tasks
