// One agent per spool: two would interleave their records and acknowledge each other's.
#pragma once

#include <string>

#include "common/base/result.h"

namespace tocsin::agent {

/// Holds an exclusive flock(2) on a file until destroyed; the kernel gives it up with the process.
class InstanceLock {
 public:
  /// Creates `path` if missing. Errors: Unavailable (held by another process), Io,
  /// PermissionDenied.
  static base::Result<InstanceLock> take(const std::string& path);

  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&&) = delete;
  ~InstanceLock();

 private:
  explicit InstanceLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tocsin::agent
