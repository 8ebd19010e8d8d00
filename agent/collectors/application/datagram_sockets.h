// Sockets that datagrams come in by.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "agent/collectors/application/application_settings.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// Closes its descriptor.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

/// Errors: Io (taken, not ours, no such address): names the setting.
base::Result<OwnedFd> open_udp(const ListenAddress& address);

/// A socket file that nobody listens on any more is replaced; any other file is not.
base::Result<OwnedFd> open_unix_datagram(const std::string& path, mode_t mode);

/// One datagram into `buffer`. `lost` becomes the number that the kernel had no room for so far.
/// Returns its size, or -1 if none waits.
ssize_t receive_datagram(int fd, char* buffer, std::size_t size, std::uint32_t& lost);

}  // namespace tocsin::agent
