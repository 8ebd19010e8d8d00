// The threads behind the mail clients: a bounded queue, and curl handles that are kept
// between jobs so that their connections live on. Internal to common/net.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/result.h"

namespace tocsin::net {

/// Runs blocking curl transfers. Thread: submit() from any; jobs run on the pool's own threads.
///
/// The destructor fails the jobs still waiting with Cancelled, aborts the running ones (within a
/// second: curl asks its progress function that often) and joins.
class CurlPool {
 public:
  /// One transfer. Exactly one of the two functions is called.
  struct Job {
    std::string origin;  ///< A handle that last spoke to the same origin is preferred.
    base::Duration timeout{0};
    /// `easy` is a CURL* with the common options set (no signals, the rest of the timeout, abort on
    /// destruction); set the others, perform. Returns what reports the result: it is called once
    /// the handle is free again, so that who hears of it finds room for the next job.
    std::function<base::Task(void* easy)> run;
    std::function<void(base::Error)> fail;  ///< Unavailable, Timeout or Cancelled.
  };

  CurlPool(const base::Clock& clock, std::string name, unsigned threads, std::size_t queue_max);
  ~CurlPool();
  CurlPool(const CurlPool&) = delete;
  CurlPool& operator=(const CurlPool&) = delete;

  void submit(Job job) EXCLUDES(mutex_);

 private:
  struct Handle;
  struct Waiting {
    Job job;
    base::MonotonicTime due;
  };

  void run_one() EXCLUDES(mutex_);
  std::unique_ptr<Handle> take_handle(const std::string& origin) EXCLUDES(mutex_);

  const base::Clock& clock_;
  const std::size_t jobs_max_;  // running and waiting
  std::atomic<bool> stopping_ = false;
  base::Mutex mutex_;
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Handle>> idle_ GUARDED_BY(mutex_);
  base::AsioExecutor executor_;
};

}  // namespace tocsin::net
