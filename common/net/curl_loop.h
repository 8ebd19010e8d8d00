// The thread behind the HTTP client: many curl transfers side by side over one multi handle, whose
// connections live on between them. Internal to common/net.
//
// One epoll for all sockets: a transfer costs what its own bytes cost, however many others wait for
// an answer, and a server that is slow holds up nobody. Threads are not woken for each request of
// many: the loop is rung for once when the task that submits them ends, and answers that come while
// three times as many are under way gather for a millisecond. What needs no more of curl than a
// connection goes on without it (plain_transfers.h).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/net/plain_transfers.h"

namespace tocsin::net {

/// Runs curl transfers. Thread: submit() from any; transfers run on the loop's own thread.
///
/// The destructor fails what waits and what runs with Cancelled, at once, and joins.
class CurlLoop {
 public:
  /// At most `in_flight_max` transfers run; `queue_max` more wait.
  CurlLoop(const base::Clock& clock, std::string name, std::size_t in_flight_max,
           std::size_t queue_max);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  void submit(std::unique_ptr<TransferJob> job) EXCLUDES(mutex_);

 private:
  struct Bell;
  struct Handle;
  struct Callbacks;
  using Jobs = std::vector<std::unique_ptr<TransferJob>>;

  void run();
  void begin_waiting(Jobs& ended) EXCLUDES(mutex_);
  bool begin(TimedJob& next, base::MonotonicTime now);
  bool begin_with_curl(TimedJob& next, base::MonotonicTime now);
  std::unique_ptr<Handle> idle_handle();
  void run_timer();
  void wait();
  void collect(Jobs& ended) EXCLUDES(mutex_);
  void collect_curls(Jobs& ended);
  bool take_connection(Handle& handle);
  std::size_t under_way() const { return busy_.size() + plain_.running(); }
  void give_up() EXCLUDES(mutex_);
  bool ready_to_report(const Jobs& ended);
  static void report(Jobs& ended);

  const base::Clock& clock_;
  const std::size_t in_flight_max_;
  const std::size_t jobs_max_;  // running and waiting
  std::atomic<bool> stopping_ = false;
  int epoll_ = -1;
  std::shared_ptr<Bell> bell_;  // Something waits, or the end.

  base::Mutex mutex_;
  std::deque<TimedJob> waiting_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;

  // Of the loop's thread.
  void* multi_ = nullptr;
  std::vector<std::unique_ptr<Handle>> busy_;
  std::vector<std::unique_ptr<Handle>> idle_;
  std::optional<base::MonotonicTime> timer_;      // When curl wants to be called.
  std::optional<base::MonotonicTime> report_at_;  // The answers that gather, at the latest.
  PlainTransfers plain_;

  base::AsioExecutor executor_;
};

}  // namespace tocsin::net
