#include "common/net/plain_transfers.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/base/check.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kReadAtOnce = 64 << 10;
constexpr std::chrono::seconds kIdleMax{118};  // curl's CURLOPT_MAXAGE_CONN

std::string failure(std::string_view what, int error) {
  return std::string(what) + " failure: " + std::generic_category().message(error);
}

bool try_again(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

struct PlainTransfers::Connection {
  int socket = -1;
  std::string peer;
  TimedJob now;  ///< Without a job: idle.
  std::size_t sent = 0;
  bool used_before = false;
  bool waits_to_write = false;
  base::MonotonicTime idle_since{};
};

PlainTransfers::PlainTransfers(int epoll, std::size_t kept_max)
    : epoll_(epoll), kept_max_(kept_max), buffer_(kReadAtOnce, '\0') {}

PlainTransfers::~PlainTransfers() {
  for (const auto& [socket, connection] : connections_) ::close(socket);
}

bool PlainTransfers::begin(TimedJob& job, base::MonotonicTime now) {
  const auto found = idle_.find(job.job->plain->peer);
  if (found == idle_.end()) return false;
  Connection& connection = *found->second.back();  // the others may get old and go
  found->second.pop_back();
  if (found->second.empty()) idle_.erase(found);
  if (now - connection.idle_since > kIdleMax) {
    close(connection);
    return begin(job, now);
  }
  if (running_ == 0 || job.due < expires_at_) expires_at_ = job.due;
  ++running_;
  connection.now = std::move(job);
  send(connection);
  return true;
}

void PlainTransfers::begin_on(int socket, TimedJob job) {
  auto made = std::make_unique<Connection>();
  Connection& connection = *made;
  connection.socket = socket;
  connection.peer = job.job->plain->peer;
  connections_.insert_or_assign(socket, std::move(made));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = socket;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  if (running_ == 0 || job.due < expires_at_) expires_at_ = job.due;
  ++running_;
  connection.now = std::move(job);
  send(connection);
}

void PlainTransfers::ready(int socket, std::uint32_t events, base::MonotonicTime now) {
  const auto found = connections_.find(socket);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if (!connection.now.job) {  // closed by the peer, or an answer to nothing
    auto& idle = idle_.find(connection.peer)->second;
    std::erase(idle, &connection);
    if (idle.empty()) idle_.erase(connection.peer);
    return close(connection);
  }
  // What comes early may be all that comes: a refusal before the request was sent whole.
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) return receive(connection, now);
  send(connection);
}

void PlainTransfers::send(Connection& connection) {
  const PlainExchange& plain = *connection.now.job->plain;
  const std::size_t whole = plain.head.size() + plain.body.size();
  while (connection.sent < whole) {
    const std::size_t of_head = std::min(connection.sent, plain.head.size());
    const std::size_t of_body = connection.sent - of_head;
    std::array<iovec, 2> parts{};
    parts[0] = {const_cast<char*>(plain.head.data()) + of_head, plain.head.size() - of_head};
    parts[1] = {const_cast<char*>(plain.body.data()) + of_body, plain.body.size() - of_body};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(connection.socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && try_again(errno)) return watch(connection, true);
    if (sent < 0) return broken(connection, CURLE_SEND_ERROR, failure("Send", errno));
    connection.sent += static_cast<std::size_t>(sent);
  }
  watch(connection, false);
}

void PlainTransfers::receive(Connection& connection, base::MonotonicTime now) {
  AnswerReader& reader = connection.now.job->plain->reader;
  while (true) {
    const ssize_t got = ::recv(connection.socket, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && try_again(errno)) return;
    if (got < 0) return broken(connection, CURLE_RECV_ERROR, failure("Recv", errno));
    if (got == 0 && !reader.began()) {
      return broken(connection, CURLE_GOT_NOTHING, "Empty reply from server");
    }
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    const auto state = bytes.empty() ? reader.closed() : reader.read(bytes);
    if (state == AnswerReader::State::Failed) {
      return broken(connection, reader.code(), reader.detail());
    }
    if (state == AnswerReader::State::Complete) {
      return answered(connection, bytes.empty(), now);
    }
    if (static_cast<std::size_t>(got) < buffer_.size()) return;
  }
}

// `clean`: nothing came after the answer.
void PlainTransfers::answered(Connection& connection, bool clean, base::MonotonicTime now) {
  const PlainExchange& plain = *connection.now.job->plain;
  const bool sent = connection.sent == plain.head.size() + plain.body.size();
  const bool keeps = clean && sent && plain.reader.keeps_connection();
  std::unique_ptr<TransferJob> job = take_job(connection);
  job->finish(nullptr, CURLE_OK, {});
  ended_.push_back(std::move(job));
  if (keeps) {
    keep(connection, now);
  } else {
    close(connection);
  }
}

void PlainTransfers::broken(Connection& connection, int code, std::string_view detail) {
  const base::MonotonicTime due = connection.now.due;
  const bool was_stale = connection.used_before && !connection.now.job->plain->reader.began() &&
                         code != CURLE_OPERATION_TIMEDOUT;
  std::unique_ptr<TransferJob> job = take_job(connection);
  if (was_stale) {
    unconnected_.push_back({std::move(job), due});
  } else {
    job->finish(nullptr, code, detail);
    ended_.push_back(std::move(job));
  }
  close(connection);
}

std::unique_ptr<TransferJob> PlainTransfers::take_job(Connection& connection) {
  --running_;
  return std::move(connection.now.job);
}

void PlainTransfers::keep(Connection& connection, base::MonotonicTime now) {
  connection.used_before = true;
  connection.sent = 0;
  connection.idle_since = now;
  idle_[connection.peer].push_back(&connection);
  if (connections_.size() - running_ <= kept_max_) return;
  // The one that was idle for longest goes: each list has its oldest first.
  const auto oldest =
      std::min_element(idle_.begin(), idle_.end(), [](const auto& a, const auto& b) {
        return a.second.front()->idle_since < b.second.front()->idle_since;
      });
  Connection& gone = *oldest->second.front();
  oldest->second.erase(oldest->second.begin());
  if (oldest->second.empty()) idle_.erase(oldest);
  close(gone);
}

void PlainTransfers::expire(base::MonotonicTime now) {
  if (running_ == 0 || now < expires_at_) return;
  std::vector<Connection*> over;
  base::MonotonicTime next = base::MonotonicTime::max();
  for (const auto& [socket, connection] : connections_) {
    if (!connection->now.job) continue;
    if (connection->now.due <= now) {
      over.push_back(connection.get());
    } else {
      next = std::min(next, connection->now.due);
    }
  }
  expires_at_ = next;
  for (Connection* connection : over) broken(*connection, CURLE_OPERATION_TIMEDOUT, {});
}

std::optional<base::MonotonicTime> PlainTransfers::expires_at() const {
  if (running_ == 0) return std::nullopt;
  return expires_at_;
}

std::vector<std::unique_ptr<TransferJob>> PlainTransfers::give_up() {
  std::vector<std::unique_ptr<TransferJob>> jobs;
  for (const auto& [socket, connection] : connections_) {
    if (connection->now.job) jobs.push_back(take_job(*connection));
    ::close(socket);
  }
  for (TimedJob& each : unconnected_) jobs.push_back(std::move(each.job));
  unconnected_.clear();
  idle_.clear();
  connections_.clear();
  return jobs;
}

void PlainTransfers::watch(Connection& connection, bool writable) {
  if (connection.waits_to_write == writable) return;
  connection.waits_to_write = writable;
  epoll_event event{};
  event.events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.fd = connection.socket;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event);
}

void PlainTransfers::close(Connection& connection) {
  const int socket = connection.socket;
  connections_.erase(socket);
  ::close(socket);
}

}  // namespace tocsin::net
