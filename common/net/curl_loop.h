// The thread behind the HTTP client: many curl transfers side by side over one multi handle, whose
// connections live on between them. Internal to common/net.
//
// One epoll for all sockets: a transfer costs what its own bytes cost, however many others wait for
// an answer, and a server that is slow holds up nobody. What ends at one moment is reported with
// one task for each executor.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/result.h"

namespace tocsin::net {

/// Runs curl transfers. Thread: submit() from any; transfers run on the loop's own thread.
///
/// The destructor fails what waits and what runs with Cancelled, at once, and joins.
class CurlLoop {
 public:
  /// One transfer. Exactly one of finish() and fail() is called, then reply().
  class Job {
   public:
    Job(std::string origin_in, base::Duration timeout_in, base::Executor& reply_on_in)
        : origin(std::move(origin_in)), timeout(timeout_in), reply_on(reply_on_in) {}
    virtual ~Job() = default;

    /// `easy` is a CURL* with the common options set (no signals, the rest of the timeout); sets
    /// the others, which may point into this object. On the loop's thread, as the next two.
    virtual void prepare(void* easy) = 0;
    /// The transfer ended with `code`, a CURLcode.
    virtual void finish(void* easy, int code) = 0;
    virtual void fail(base::Error error) = 0;  ///< Unavailable, Timeout or Cancelled.
    /// On the executor.
    virtual void reply() = 0;

    const std::string origin;  ///< For messages.
    const base::Duration timeout;
    base::Executor& reply_on;
  };

  /// At most `in_flight_max` transfers run; `queue_max` more wait.
  CurlLoop(const base::Clock& clock, std::string name, std::size_t in_flight_max,
           std::size_t queue_max);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  void submit(std::unique_ptr<Job> job) EXCLUDES(mutex_);

 private:
  struct Handle;
  struct Callbacks;
  struct Waiting {
    std::unique_ptr<Job> job;
    base::MonotonicTime due;
  };
  using Jobs = std::vector<std::unique_ptr<Job>>;

  void run();
  void begin_waiting(Jobs& ended) EXCLUDES(mutex_);
  bool begin(Waiting& next);
  void run_timer();
  void wait();
  void collect(Jobs& ended) EXCLUDES(mutex_);
  void give_up() EXCLUDES(mutex_);
  void wake();
  static void report(Jobs& ended);

  const base::Clock& clock_;
  const std::size_t in_flight_max_;
  const std::size_t jobs_max_;  // running and waiting
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> woken_ = false;
  int epoll_ = -1;
  int bell_ = -1;  // eventfd: something waits, or the end

  base::Mutex mutex_;
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;

  // Of the loop's thread.
  void* multi_ = nullptr;
  std::vector<std::unique_ptr<Handle>> busy_;
  std::vector<std::unique_ptr<Handle>> idle_;
  std::optional<base::MonotonicTime> timer_;  // When curl wants to be called.

  base::AsioExecutor executor_;
};

}  // namespace tocsin::net
