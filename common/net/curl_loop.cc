#include "common/net/curl_loop.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/check.h"
#include "common/net/curl_errors.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kEventsAtOnce = 128;
/// So many requests of one task do not wait for its end.
constexpr std::size_t kRingAt = 16;
/// Answers are reported when so many times as many, or fewer, are still under way.
constexpr std::size_t kGatherShare = 3;
constexpr base::Duration kGatherMax{1};

}  // namespace

/// Wakes the loop's thread. Thread: any. Outlives the loop while a task is to ring it.
struct CurlLoop::Bell {
  Bell() : fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Bell() { ::close(fd); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void ring() {
    if (rung.exchange(true)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
  }

  /// Rings when the executor's current task has ended; at once if this is not one of its tasks.
  static void ring_after_task(const std::shared_ptr<Bell>& bell, base::Executor& executor) {
    base::Executor* promised = nullptr;
    if (!executor.running_here()) return bell->ring();
    if (!bell->promised_by.compare_exchange_strong(promised, &executor)) {
      if (promised != &executor) bell->ring();
      return;
    }
    executor.post([bell] {
      bell->promised_by = nullptr;
      bell->ring();
    });
  }

  const int fd;
  std::atomic<bool> rung = false;  ///< And not looked after yet.
  std::atomic<base::Executor*> promised_by = nullptr;
};

struct CurlLoop::Handle {
  Handle() : easy(curl_easy_init()) {}
  ~Handle() { curl_easy_cleanup(easy); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  CURL* easy;
  std::size_t place = 0;  // In busy_.
  TimedJob now;
};

/// What curl calls.
struct CurlLoop::Callbacks {
  /// `known` is set once the socket is in the epoll.
  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void* known) {
    auto& loop = *static_cast<CurlLoop*>(user);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(loop.epoll_, EPOLL_CTL_DEL, socket, nullptr);
      return 0;
    }
    epoll_event event{};
    event.data.fd = socket;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    epoll_ctl(loop.epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
    if (known == nullptr) curl_multi_assign(loop.multi_, socket, user);
    return 0;
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) {
    auto& loop = *static_cast<CurlLoop*>(user);
    loop.timer_.reset();
    if (timeout_ms >= 0) loop.timer_ = loop.clock_.monotonic() + base::Duration(timeout_ms);
    return 0;
  }
};

CurlLoop::CurlLoop(const base::Clock& clock, std::string name, std::size_t in_flight_max,
                   std::size_t queue_max)
    : clock_(clock),
      in_flight_max_(in_flight_max),
      jobs_max_(in_flight_max + queue_max),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      bell_(std::make_shared<Bell>()),
      plain_(epoll_, in_flight_max),
      executor_(clock, std::move(name), 1) {
  TC_CHECK(in_flight_max > 0, "an HTTP client that may send nothing");
  TC_CHECK(epoll_ >= 0 && bell_->fd >= 0, "no file descriptor left for an HTTP client");
  curl_global_init(CURL_GLOBAL_DEFAULT);  // counted by curl; thread-safe since 7.84
  multi_ = curl_multi_init();
  TC_CHECK(multi_ != nullptr, "out of memory for an HTTP client");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, Callbacks::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, Callbacks::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(in_flight_max));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = bell_->fd;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_->fd, &event);
  executor_.post([this] { run(); });
}

CurlLoop::~CurlLoop() {
  stopping_ = true;
  bell_->ring();
  executor_.stop();
  give_up();
  idle_.clear();
  curl_multi_cleanup(multi_);
  ::close(epoll_);
}

void CurlLoop::submit(std::unique_ptr<TransferJob> job) {
  const base::MonotonicTime due = clock_.monotonic() + job->timeout;
  base::Executor& from = job->reply_on;
  std::size_t waiting = 0;
  {
    base::MutexLock lock(mutex_);
    if (running_ + waiting_.size() < jobs_max_) {
      waiting_.push_back(TimedJob{std::move(job), due});
      waiting = waiting_.size();
    }
  }
  if (waiting >= kRingAt) return bell_->ring();
  if (waiting > 0) return Bell::ring_after_task(bell_, from);
  job->fail(full_error(job->origin, jobs_max_));
  Jobs ended;
  ended.push_back(std::move(job));
  report(ended);
}

void CurlLoop::run() {
  Jobs ended;
  while (!stopping_) {
    begin_waiting(ended);
    run_timer();
    collect(ended);
    if (!ready_to_report(ended)) {
      wait();
      collect(ended);
    }
    if (ready_to_report(ended)) {
      report(ended);
      report_at_.reset();
    }
  }
  report(ended);
}

bool CurlLoop::ready_to_report(const Jobs& ended) {
  if (ended.empty()) return false;
  if (ended.size() * kGatherShare >= under_way()) return true;
  const base::MonotonicTime now = clock_.monotonic();
  if (!report_at_) report_at_ = now + kGatherMax;
  return now >= *report_at_;
}

void CurlLoop::begin_waiting(Jobs& ended) {
  bell_->rung = false;  // before the look: what comes after it rings again
  std::vector<TimedJob> next;
  {
    base::MutexLock lock(mutex_);
    const std::size_t room = in_flight_max_ - std::min(in_flight_max_, under_way());
    const auto end =
        waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(room, waiting_.size()));
    next.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    running_ += next.size();
  }
  if (next.empty()) return;
  const base::MonotonicTime now = clock_.monotonic();
  std::size_t failed = 0;
  for (TimedJob& each : next) {
    if (begin(each, now)) continue;
    ended.push_back(std::move(each.job));
    ++failed;
  }
  if (failed == 0) return;
  base::MutexLock lock(mutex_);
  running_ -= failed;
}

/// Returns false if it failed at once.
bool CurlLoop::begin(TimedJob& next, base::MonotonicTime now) {
  if (next.due <= now) {
    next.job->fail(queued_too_long_error(next.job->origin, next.job->timeout));
    return false;
  }
  if (next.job->plain && plain_.begin(next, now)) return true;
  return begin_with_curl(next, now);
}

std::unique_ptr<CurlLoop::Handle> CurlLoop::idle_handle() {
  if (idle_.empty()) return std::make_unique<Handle>();
  std::unique_ptr<Handle> handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

bool CurlLoop::begin_with_curl(TimedJob& next, base::MonotonicTime now) {
  TransferJob& job = *next.job;
  std::unique_ptr<Handle> handle = idle_handle();
  if (handle->easy == nullptr) {
    job.fail(no_handle_error());
    return false;
  }
  const auto rest = std::chrono::ceil<base::Duration>(next.due - now);
  curl_easy_reset(handle->easy);
  curl_easy_setopt(handle->easy, CURLOPT_NOSIGNAL, 1L);
  // Whoever gives up does not wait for a name server: the look-up's thread is left to itself.
  curl_easy_setopt(handle->easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(handle->easy, CURLOPT_TIMEOUT_MS, static_cast<long>(rest.count()));
  curl_easy_setopt(handle->easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(rest.count()));
  curl_easy_setopt(handle->easy, CURLOPT_PRIVATE, handle.get());
  curl_easy_setopt(handle->easy, CURLOPT_CONNECT_ONLY, job.plain ? 1L : 0L);
  job.prepare(handle->easy);
  if (curl_multi_add_handle(multi_, handle->easy) != CURLM_OK) {
    job.fail(base::error(base::ErrorCode::Unavailable, "out of memory for a transfer"));
    return false;
  }
  handle->now = std::move(next);
  handle->place = busy_.size();
  busy_.push_back(std::move(handle));
  return true;
}

void CurlLoop::run_timer() {
  plain_.expire(clock_.monotonic());
  if (!timer_ || *timer_ > clock_.monotonic()) return;
  timer_.reset();
  int running = 0;
  curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
}

void CurlLoop::wait() {
  int timeout_ms = -1;
  std::optional<base::MonotonicTime> at = timer_;
  if (const auto over = plain_.expires_at()) at = at ? std::min(*at, *over) : *over;
  if (report_at_) at = at ? std::min(*at, *report_at_) : *report_at_;
  if (at) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*at - clock_.monotonic());
    timeout_ms = static_cast<int>(std::clamp<std::int64_t>(rest.count(), 0, 60'000));
  }
  std::array<epoll_event, kEventsAtOnce> events{};
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  const base::MonotonicTime now = clock_.monotonic();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.fd == bell_->fd) {
      std::uint64_t rung = 0;
      [[maybe_unused]] const ssize_t got = ::read(bell_->fd, &rung, sizeof rung);
      continue;
    }
    if (plain_.owns(event.data.fd)) {
      plain_.ready(event.data.fd, event.events, now);
      continue;
    }
    int what = 0;
    if ((event.events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(multi_, event.data.fd, what, &running);
  }
}

void CurlLoop::collect(Jobs& ended) {
  const std::size_t before = ended.size();
  collect_curls(ended);
  for (auto& job : plain_.take_ended()) ended.push_back(std::move(job));
  for (TimedJob& each : plain_.take_unconnected()) {
    if (!begin_with_curl(each, clock_.monotonic())) ended.push_back(std::move(each.job));
  }
  if (ended.size() == before) return;
  base::MutexLock lock(mutex_);
  running_ -= ended.size() - before;
}

void CurlLoop::collect_curls(Jobs& ended) {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    Handle* of = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &of);
    if (code != CURLE_OK || !of->now.job->plain) {
      of->now.job->finish(easy, code, {});
      ended.push_back(std::move(of->now.job));
    } else if (!take_connection(*of)) {
      ended.push_back(std::move(of->now.job));
    }
    curl_multi_remove_handle(multi_, easy);
    std::swap(busy_[of->place], busy_.back());
    busy_[of->place]->place = of->place;
    idle_.push_back(std::move(busy_.back()));
    busy_.pop_back();
  }
}

/// Curl has connected for a plain transfer, which goes on without it. Curl closes its own
/// descriptor when the handle is removed, so ours is another one of the same socket. Returns false
/// if it failed.
bool CurlLoop::take_connection(Handle& handle) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(handle.easy, CURLINFO_ACTIVESOCKET, &socket);
  handle.now.job->connected(handle.easy);
  const int ours = socket == CURL_SOCKET_BAD ? -1 : ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (ours < 0) {
    handle.now.job->fail(no_handle_error());
    return false;
  }
  plain_.begin_on(ours, std::move(handle.now));
  return true;
}

/// Room is made before anybody hears of it: who does finds room for the next request.
void CurlLoop::report(Jobs& ended) {
  while (!ended.empty()) {
    base::Executor& reply_on = ended.front()->reply_on;
    const auto others =
        std::stable_partition(ended.begin(), ended.end(),
                              [&reply_on](const auto& job) { return &job->reply_on == &reply_on; });
    auto batch = std::make_shared<Jobs>(std::make_move_iterator(ended.begin()),
                                        std::make_move_iterator(others));
    ended.erase(ended.begin(), others);
    reply_on.post([batch] {
      for (const auto& job : *batch) job->reply();
    });
  }
}

void CurlLoop::give_up() {
  Jobs ended;
  for (const auto& handle : busy_) {
    curl_multi_remove_handle(multi_, handle->easy);
    ended.push_back(std::move(handle->now.job));
  }
  busy_.clear();
  for (auto& job : plain_.give_up()) ended.push_back(std::move(job));
  {
    base::MutexLock lock(mutex_);
    for (TimedJob& waiting : waiting_) ended.push_back(std::move(waiting.job));
    waiting_.clear();
    running_ = 0;
  }
  for (const auto& job : ended) job->fail(stopped_error(job->origin));
  report(ended);
}

}  // namespace tocsin::net
