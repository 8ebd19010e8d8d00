// What the parts of the HTTP server share: limits and counts of all connections, and the way of an
// answer from whatever thread gives it back to its connection. Internal to http_server*.cc.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/mutex.h"
#include "common/net/http_server.h"
#include "common/net/http_text.h"

namespace tocsin::net::server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using Strand = asio::strand<asio::io_context::executor_type>;

/// A connection as the server's list knows it.
class SessionBase : public std::enable_shared_from_this<SessionBase> {
 public:
  virtual ~SessionBase() = default;
  /// Closes the connection if no request is in progress. Thread: any.
  virtual void drain() = 0;
  /// Closes the connection now. Thread: any.
  virtual void abort() = 0;
};

/// What all connections share. Owner: the server and every connection.
struct Shared {
  Shared(base::AsioExecutor& executor_in, const ServerOptions& options_in, Handler handler_in)
      : executor(executor_in),
        options(options_in),
        handler(std::move(handler_in)),
        acceptor(asio::make_strand(executor_in.io())) {}

  void count_refused(std::string_view reason) {
    if (options.metrics == nullptr) return;
    options.metrics
        ->counter("tocsin_http_refused_total",
                  "Requests and connections refused before the handler.",
                  {{"reason", std::string(reason)}})
        .increment();
  }
  void count_connections(double by) {
    if (options.metrics == nullptr) return;
    options.metrics->gauge("tocsin_http_connections", "Connections open to the HTTP server.")
        .add(by);
  }
  /// Counts `bytes` as held if they fit below the limit.
  bool hold(std::size_t bytes) {
    std::size_t now = bytes_in_flight.load();
    do {
      if (bytes > options.bytes_in_flight_max - std::min(now, options.bytes_in_flight_max)) {
        return false;
      }
    } while (!bytes_in_flight.compare_exchange_weak(now, now + bytes));
    return true;
  }

  /// Counts a connection of `peer` that has not sent a request yet; false if there are too many.
  bool join(const std::string& peer) EXCLUDES(mutex) {
    base::MutexLock lock(mutex);
    std::size_t& count = new_connections[peer];
    if (count >= options.connections_new_per_peer_max) return false;
    ++count;
    return true;
  }
  void leave(const std::string& peer) EXCLUDES(mutex) {
    base::MutexLock lock(mutex);
    const auto at = new_connections.find(peer);
    if (at != new_connections.end() && --at->second == 0) new_connections.erase(at);
  }

  base::AsioExecutor& executor;
  const ServerOptions options;
  const Handler handler;
  tcp::acceptor acceptor;
  std::atomic<std::size_t> bytes_in_flight = 0;
  std::atomic<std::size_t> refusing = 0;
  std::atomic<bool> stopping = false;
  base::Mutex mutex;
  base::Condition session_ended;
  std::shared_ptr<asio::ssl::context> tls GUARDED_BY(mutex);  // null: plain; replaced on reload
  std::set<std::shared_ptr<SessionBase>> sessions GUARDED_BY(mutex);
  std::map<std::string, std::size_t> new_connections GUARDED_BY(mutex);
};

/// Bytes of one request that count against bytes_in_flight_max; given back when destroyed.
class HeldBytes {
 public:
  explicit HeldBytes(Shared& shared) : shared_(shared) {}
  ~HeldBytes() { shared_.bytes_in_flight -= held_; }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;
  /// Makes it `total` in all; false if that does not fit.
  bool grow_to(std::size_t total) {
    if (total <= held_) return true;
    if (!shared_.hold(total - held_)) return false;
    held_ = total;
    return true;
  }

 private:
  Shared& shared_;
  std::size_t held_ = 0;
};

/// Where the answer of a handler arrives; owned by the connection's coroutine.
struct Slot {
  explicit Slot(const Strand& strand_in)
      : strand(strand_in), answered(strand_in, asio::steady_timer::time_point::max()) {}
  Strand strand;
  asio::steady_timer answered;
  std::optional<ServerResponse> response;
};

/// Open while the executor may still be used by a late Respond.
struct Gate {
  base::Mutex mutex;
  bool open GUARDED_BY(mutex) = true;
};

/// One request's right to answer; shared by the copies of a Respond.
class Answer {
 public:
  Answer(std::shared_ptr<Gate> gate, std::weak_ptr<Slot> slot)
      : gate_(std::move(gate)), slot_(std::move(slot)) {}
  ~Answer() {
    if (!given_) give(error_response(500, "internal", "the request was dropped by its handler"));
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  void give(ServerResponse response) {
    if (given_.exchange(true)) return;
    base::MutexLock lock(gate_->mutex);
    if (!gate_->open) return;
    const std::shared_ptr<Slot> slot = slot_.lock();
    if (!slot) return;
    asio::post(slot->strand, [weak = slot_, response = std::move(response)]() mutable {
      const std::shared_ptr<Slot> waiting = weak.lock();
      if (!waiting) return;
      waiting->response = std::move(response);
      waiting->answered.cancel();
    });
  }

 private:
  std::shared_ptr<Gate> gate_;
  std::weak_ptr<Slot> slot_;
  std::atomic<bool> given_ = false;
};

/// Serves one accepted connection until it ends. `strand` is the socket's.
void start_session(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Gate>& gate,
                   tcp::socket socket, const Strand& strand);

}  // namespace tocsin::net::server
