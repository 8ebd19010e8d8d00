#include "alertd/app/lease_keeper.h"

#include <fmt/core.h>

namespace tocsin::alertd {
namespace {

constexpr std::string_view kComponent = "alertd/app";

}  // namespace

LeaseKeeper::LeaseKeeper(LeaseOptions options, incident::StateStore& store,
                         base::Executor& executor, base::Metrics& metrics)
    : options_(std::move(options)),
      store_(store),
      executor_(executor),
      gauge_(metrics.gauge("tocsin_alertd_lease_held",
                           "1 while this daemon decides and sends, 0 while it stands by.")),
      taken_(metrics.counter("tocsin_alertd_lease_taken_total",
                             "Times that this daemon took the lease over.")) {}

LeaseKeeper::~LeaseKeeper() {
  *alive_ = false;
}

void LeaseKeeper::start(Hooks hooks, std::function<void(base::Error)> failed) {
  executor_.post(
      [this, alive = alive_, hooks = std::move(hooks), failed = std::move(failed)]() mutable {
        if (!*alive || running_) return;
        hooks_ = std::move(hooks);
        failed_ = std::move(failed);
        running_ = true;
        ask();
      });
}

void LeaseKeeper::ask() {
  store_.acquire_lease(options_.holder, options_.term, executor_,
                       [this, alive = alive_](base::Result<incident::Lease> lease) {
                         if (*alive && running_) answered(std::move(lease));
                       });
}

void LeaseKeeper::answered(base::Result<incident::Lease> lease) {
  const auto failed = std::exchange(failed_, nullptr);
  if (!lease) {
    failures_.report("lease", lease.error().message);
    say("has no lease: " + lease.error().message);
    again(options_.poll, &LeaseKeeper::ask);
    if (failed) failed(lease.error());
    return;
  }
  failures_.clear("lease");
  const auto not_first = std::exchange(hooks_.not_first, nullptr);
  if (!lease->held) {
    const std::string text =
        fmt::format("stands by: '{}' has the lease, epoch {}", lease->holder, lease->epoch);
    if (text != describe()) base::log_info(kComponent, "{}", text);
    say(text);
    again(options_.poll, &LeaseKeeper::ask);
    if (not_first) not_first();
    return;
  }
  say(fmt::format("has the lease, epoch {}", lease->epoch));
  base::log_info(kComponent, "lease taken by '{}', epoch {}", lease->holder, lease->epoch);
  held_ = true;
  gauge_.set(1);
  taken_.increment();
  again(options_.renew, &LeaseKeeper::renew);
  hooks_.taken();
}

void LeaseKeeper::renew() {
  store_.renew_lease(options_.term, executor_,
                     [this, alive = alive_](const base::Result<incident::Lease>& lease) {
                       if (*alive && running_ && held_) renewed(lease);
                     });
}

void LeaseKeeper::renewed(const base::Result<incident::Lease>& lease) {
  if (lease) {
    failures_.clear("lease");
    again(options_.renew, &LeaseKeeper::renew);
  } else if (lease.error().code == base::ErrorCode::Cancelled) {
    base::log_warning(kComponent, "{}", lease.error().message);
    drop();
  } else {
    // The store cannot be asked, and nothing can be sent without it either. Whoever reaches it
    // first after the term has the lease; our next write shows who that was.
    failures_.report("lease", lease.error().message);
    again(options_.poll, &LeaseKeeper::renew);
  }
}

void LeaseKeeper::refused() {
  if (running_ && held_) drop();
}

void LeaseKeeper::drop() {
  base::log_warning(kComponent, "the lease is lost: standing by");
  held_ = false;
  gauge_.set(0);
  say("stands by: the lease was lost");
  hooks_.lost();
  again(options_.poll, &LeaseKeeper::ask);
}

void LeaseKeeper::stop() {
  running_ = false;
  held_ = false;
  gauge_.set(0);
  executor_.cancel(timer_);
  store_.release_lease(executor_, [](const base::Result<void>&) {});
}

void LeaseKeeper::again(base::Duration delay, void (LeaseKeeper::*what)()) {
  executor_.cancel(timer_);
  timer_ = executor_.post_after(delay, [this, alive = alive_, what] {
    if (*alive && running_) (this->*what)();
  });
}

std::string LeaseKeeper::describe() const {
  base::MutexLock lock(mutex_);
  return text_;
}

void LeaseKeeper::say(std::string text) {
  base::MutexLock lock(mutex_);
  text_ = std::move(text);
}

}  // namespace tocsin::alertd
