#include "agent/collectors/application/datagram_sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tocsin::agent {
namespace {

constexpr int kReceiveBytes = 1 << 20;

base::Error socket_error(const std::string& what) {
  char text[128];
  return base::error(base::ErrorCode::Io, fmt::format("cannot listen on {}: {}", what,
                                                      strerror_r(errno, text, sizeof text)));
}

void prepare(int fd) {
  const int bytes = kReceiveBytes;
  const int yes = 1;
  // Less room, or losses that are not counted, are no reason to receive nothing.
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes));
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &yes, sizeof yes));
}

/// Removes the file if it is a socket that nobody listens on.
void remove_stale(const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const OwnedFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(probe.get(), generic, sizeof address) != 0 && errno == ECONNREFUSED) {
    ::unlink(address.sun_path);
  }
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

base::Result<OwnedFd> open_udp(const ListenAddress& address) {
  const std::string what = fmt::format("UDP {} port {}", address.host, address.port);
  sockaddr_storage storage{};
  socklen_t length = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(address.port);
    length = sizeof *four;
  } else if (::inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(address.port);
    length = sizeof *six;
  } else {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("cannot listen on {}: no IP address", what));
  }
  OwnedFd fd(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.open()) return socket_error(what);
  prepare(fd.get());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return socket_error(what);
  }
  return fd;
}

base::Result<OwnedFd> open_unix_datagram(const std::string& path, mode_t mode) {
  const std::string what = fmt::format("'{}'", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("the path of the socket {} is too long", what));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  remove_stale(address);
  OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.open()) return socket_error(what);
  prepare(fd.get());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), mode) != 0) {
    return socket_error(what);
  }
  return fd;
}

ssize_t receive_datagram(int fd, char* buffer, std::size_t size, std::uint32_t& lost) {
  iovec part{buffer, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint32_t))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0) return -1;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
      std::memcpy(&lost, CMSG_DATA(at), sizeof lost);
    }
  }
  return got;
}

}  // namespace tocsin::agent
