// JSON that a source keeps over restarts.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// Where a source's memory lies; a plain value.
struct StateOptions {
  std::string path;
  bool read_only = false;  ///< Of `--once`: a look must not use up what changed.
};

/// Thread: one. `files` outlives it.
class StateFile {
 public:
  StateFile(base::FileSystem& files, StateOptions options)
      : files_(files), options_(std::move(options)) {}

  /// Returns what was saved last; an empty object if nothing was.
  /// Errors: Corruption (not what save() wrote), PermissionDenied, Io, LimitExceeded (16 MiB).
  base::Result<boost::json::object> load() const;

  /// Replaces the file as a whole, unless it holds the same already. Errors: Io, PermissionDenied.
  base::Result<void> save(const boost::json::object& state);

 private:
  base::FileSystem& files_;
  StateOptions options_;
  std::string saved_;
};

/// Returns the member `name` as a number; `otherwise` if there is none.
std::int64_t integer_of(const boost::json::object& object, std::string_view name,
                        std::int64_t otherwise);
/// Returns the member `name` if it is an object, else nullptr.
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);

}  // namespace tocsin::agent
