#include "agent/collectors/mail/showq.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kWordBytesMax = 256;  // Of what we look at; longer ones are cut.
constexpr std::size_t kQueueNamesMax = 16;
constexpr std::size_t kPieceBytes = 32 << 10;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

base::Error socket_error(const std::string& path, int number) {
  char buffer[128];
  std::string message =
      fmt::format("cannot ask '{}': {}", path, strerror_r(number, buffer, sizeof buffer));
  ErrorCode code = ErrorCode::Unavailable;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::NotFound;
  if (number == EACCES || number == EPERM) {
    code = ErrorCode::PermissionDenied;
    message += "; usermod -aG postdrop tocsin-agent, and a restart of the agent, give it that";
  }
  return base::error(code, std::move(message));
}

}  // namespace

void ShowqParser::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\0');
    const std::string_view piece = bytes.substr(0, end);
    partial_.append(piece.substr(0, kWordBytesMax - std::min(kWordBytesMax, partial_.size())));
    if (end == bytes.npos) return;
    word(partial_);
    partial_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void ShowqParser::word(std::string_view text) {
  if (!name_.empty()) {
    if (name_ == "queue_name") queue_ = text;
    if (name_ == "time") {
      if (const auto seconds = base::parse_i64(base::trim(text))) {
        came_ = base::wall_time(*seconds * 1000);
      }
    }
    name_.clear();
  } else if (text.empty()) {
    end_message();
  } else {
    in_message_ = true;
    name_ = text;
  }
}

void ShowqParser::end_message() {
  if (!in_message_) return;  // The listing's own end.
  in_message_ = false;
  // Newer versions begin with a line about the protocol that is no message.
  const bool known = queues_.contains(queue_) || queues_.size() < kQueueNamesMax;
  if (!queue_.empty() && known) {
    ++messages_;
    SpoolCount& count = queues_[queue_];
    ++count.messages;
    if (came_ && (!count.oldest || *came_ < *count.oldest)) count.oldest = came_;
  }
  queue_.clear();
  came_.reset();
}

Result<std::map<std::string, SpoolCount>> read_showq(const std::string& path,
                                                     const ShowqLimits& limits,
                                                     const base::Clock& clock) {
  const base::MonotonicTime due = clock.monotonic() + limits.timeout;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return base::error(ErrorCode::InvalidArgument, "'" + path + "' is too long for a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0 ||
      ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return socket_error(path, errno);
  }
  ShowqParser parser;
  std::string piece(kPieceBytes, '\0');
  while (parser.messages() < limits.messages_max) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - clock.monotonic());
    pollfd waiting{socket.fd(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
      return base::error(ErrorCode::Timeout, fmt::format("'{}': no whole listing within {}", path,
                                                         base::format_duration(limits.timeout)));
    }
    const ssize_t got = ::read(socket.fd(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return socket_error(path, errno);
    if (got == 0) {
      if (parser.complete()) return parser.queues();
      return base::error(ErrorCode::Unavailable, "'" + path + "': the listing broke off");
    }
    parser.take(std::string_view(piece.data(), static_cast<std::size_t>(got)));
  }
  auto queues = parser.queues();
  for (auto& [queue, count] : queues) count.cut = true;
  return queues;
}

}  // namespace tocsin::agent
