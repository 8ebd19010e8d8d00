// Exchanges over TCP connections of our own, which live on between them.
//
// curl resolves the name and connects, as for everything; then the socket is ours (curl_loop.h). A
// request is one write, its answer one read: curl's way of doing the same costs three times as
// much, which a storm of messages and a thousand scrapes a minute both feel.
//
// As curl does: a kept connection that turns out to be closed before a byte of the answer came is
// replaced by a new one, once; none is used again that was idle for two minutes. Internal to
// common/net.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/net/transfer_job.h"

namespace tocsin::net {

/// Owner: the loop's thread.
class PlainTransfers {
 public:
  /// Watches its sockets with `epoll`, which outlives it, by their number in epoll_event::data. At
  /// most `kept_max` connections are kept for later.
  PlainTransfers(int epoll, std::size_t kept_max);
  ~PlainTransfers();
  PlainTransfers(const PlainTransfers&) = delete;
  PlainTransfers& operator=(const PlainTransfers&) = delete;

  /// Sends over a kept connection to the job's peer and takes the job; false: there is none.
  bool begin(TimedJob& job, base::MonotonicTime now);
  /// Sends over a new connection, which this closes; the socket does not block.
  void begin_on(int socket, TimedJob job);

  bool owns(int socket) const { return connections_.contains(socket); }
  /// What epoll says of a socket of ours.
  void ready(int socket, std::uint32_t events, base::MonotonicTime now);
  /// Ends what has had its time.
  void expire(base::MonotonicTime now);
  /// Returns when to call expire() next; nullopt: nothing is under way.
  std::optional<base::MonotonicTime> expires_at() const;

  std::size_t running() const { return running_; }
  /// Returns the jobs that ended since the last call; finish() was called.
  std::vector<std::unique_ptr<TransferJob>> take_ended() { return std::exchange(ended_, {}); }
  /// Returns the jobs since the last call that need a new connection; they are not running.
  std::vector<TimedJob> take_unconnected() { return std::exchange(unconnected_, {}); }
  /// Returns all jobs under way, and closes their connections.
  std::vector<std::unique_ptr<TransferJob>> give_up();

 private:
  struct Connection;
  using Connections = std::unordered_map<int, std::unique_ptr<Connection>>;

  void send(Connection& connection);
  void receive(Connection& connection, base::MonotonicTime now);
  void answered(Connection& connection, bool clean, base::MonotonicTime now);
  void broken(Connection& connection, int code, std::string_view detail);
  void keep(Connection& connection, base::MonotonicTime now);
  void watch(Connection& connection, bool writable);
  std::unique_ptr<TransferJob> take_job(Connection& connection);
  void close(Connection& connection);

  const int epoll_;
  const std::size_t kept_max_;
  Connections connections_;                                            // by socket
  std::map<std::string, std::vector<Connection*>, std::less<>> idle_;  // by peer; never empty
  std::size_t running_ = 0;
  base::MonotonicTime expires_at_{};  // Nothing under way ends earlier.
  std::string buffer_;
  std::vector<std::unique_ptr<TransferJob>> ended_;
  std::vector<TimedJob> unconnected_;
};

}  // namespace tocsin::net
