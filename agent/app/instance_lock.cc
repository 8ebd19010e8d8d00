#include "agent/app/instance_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tocsin::agent {

base::Result<InstanceLock> InstanceLock::take(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    const int number = errno;
    return base::error(base::ErrorCode::Io, fmt::format("cannot open '{}': {}", path,
                                                        std::generic_category().message(number)));
  }
  InstanceLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  const int number = errno;
  if (number == EWOULDBLOCK) {
    return base::error(base::ErrorCode::Unavailable,
                       fmt::format("'{}' is held: another agent uses this spool", path));
  }
  return base::error(base::ErrorCode::Io, fmt::format("cannot lock '{}': {}", path,
                                                      std::generic_category().message(number)));
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

InstanceLock::~InstanceLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tocsin::agent
