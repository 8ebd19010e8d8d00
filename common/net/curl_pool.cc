#include "common/net/curl_pool.h"

#include <curl/curl.h>

#include <utility>

#include "common/net/curl_errors.h"

namespace tocsin::net {
namespace {

int abort_when_stopping(void* stopping, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopping)->load() ? 1 : 0;
}

}  // namespace

struct CurlPool::Handle {
  Handle() : easy(curl_easy_init()) {}
  ~Handle() { curl_easy_cleanup(easy); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  CURL* easy;
  std::string origin;
};

CurlPool::CurlPool(const base::Clock& clock, std::string name, unsigned threads,
                   std::size_t queue_max)
    : clock_(clock), jobs_max_(threads + queue_max), executor_(clock, std::move(name), threads) {
  curl_global_init(CURL_GLOBAL_DEFAULT);  // counted by curl; thread-safe since 7.84
}

CurlPool::~CurlPool() {
  stopping_ = true;
  executor_.stop();
  std::deque<Waiting> rest;
  {
    base::MutexLock lock(mutex_);
    rest.swap(waiting_);
  }
  for (Waiting& waiting : rest) {
    waiting.job.fail(stopped_error(waiting.job.origin));
  }
}

void CurlPool::submit(Job job) {
  const base::MonotonicTime due = clock_.monotonic() + job.timeout;
  bool full = false;
  {
    base::MutexLock lock(mutex_);
    full = running_ + waiting_.size() >= jobs_max_;
    if (!full) waiting_.push_back(Waiting{std::move(job), due});
  }
  if (full) {
    job.fail(full_error(job.origin, jobs_max_));
    return;
  }
  executor_.post([this] { run_one(); });
}

std::unique_ptr<CurlPool::Handle> CurlPool::take_handle(const std::string& origin) {
  base::MutexLock lock(mutex_);
  if (idle_.empty()) return std::make_unique<Handle>();
  std::size_t best = idle_.size() - 1;
  for (std::size_t i = 0; i < idle_.size(); ++i) {
    if (idle_[i]->origin == origin) best = i;
  }
  std::unique_ptr<Handle> handle = std::move(idle_[best]);
  idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(best));
  return handle;
}

void CurlPool::run_one() {
  if (stopping_) return;  // the destructor fails what waits
  Waiting next;
  {
    base::MutexLock lock(mutex_);
    if (waiting_.empty()) return;
    next = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
  }
  const auto rest = std::chrono::duration_cast<base::Duration>(next.due - clock_.monotonic());
  std::unique_ptr<Handle> handle = take_handle(next.job.origin);
  base::Task report;
  if (rest <= base::Duration{0}) {
    report = [&next] { next.job.fail(queued_too_long_error(next.job.origin, next.job.timeout)); };
  } else if (handle->easy == nullptr) {
    report = [&next] { next.job.fail(no_handle_error()); };
  } else {
    curl_easy_reset(handle->easy);  // keeps connections, sessions and the name cache
    curl_easy_setopt(handle->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle->easy, CURLOPT_XFERINFOFUNCTION, abort_when_stopping);
    curl_easy_setopt(handle->easy, CURLOPT_XFERINFODATA, &stopping_);
    curl_easy_setopt(handle->easy, CURLOPT_TIMEOUT_MS, static_cast<long>(rest.count()));
    curl_easy_setopt(handle->easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(rest.count()));
    report = next.job.run(handle->easy);
    handle->origin = next.job.origin;
  }
  {
    base::MutexLock lock(mutex_);
    --running_;
    if (handle->easy != nullptr) idle_.push_back(std::move(handle));
  }
  report();
}

}  // namespace tocsin::net
