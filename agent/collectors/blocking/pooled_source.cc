#include "agent/collectors/blocking/pooled_source.h"

#include <algorithm>
#include <utility>

namespace tocsin::agent {

namespace {

/// The thread may need a moment beyond the reading's own deadline.
constexpr base::Duration kMargin{300};
/// After a bad answer at the latest.
constexpr base::Duration kAgain{60'000};
/// Rounds are not exactly an interval apart.
constexpr base::Duration kEarlyMax{1'000};

}  // namespace

PooledSource::PooledSource(std::string key, Reading reading, std::shared_ptr<CallPool> pool,
                           base::Executor& executor)
    : key_(std::move(key)),
      reading_(std::move(reading)),
      pool_(std::move(pool)),
      executor_(executor) {}

PooledSource::~PooledSource() {
  executor_.cancel(timer_);
}

void PooledSource::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  const base::MonotonicTime now = executor_.clock().monotonic();
  if (known_ && now < due_) {
    executor_.post([fill = known_, done = std::move(done), alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) done(fill);
    });
    return;
  }
  const std::uint64_t number = ++number_;
  done_ = std::move(done);
  began_ = now;
  if (out_) {
    give_up(number, "no answer: a call of an earlier round is still out");
    return;
  }
  timer_ = executor_.post_after(reading_.timeout + kMargin,
                                [this, number, alive = std::weak_ptr<int>(alive_)] {
                                  if (!alive.expired())
                                    give_up(number, "no answer within the timeout");
                                });
  out_ = true;
  pool_->run(
      [this, number, read = reading_.read, alive = std::weak_ptr<int>(alive_)]() -> base::Task {
        return [this, number, alive, answer = read()] {
          if (!alive.expired()) answered(number, answer);
        };
      });
}

void PooledSource::answered(std::uint64_t number, const Answer& answer) {
  out_ = false;
  if (number != number_ || !done_) return;  // given up before
  tell(answer);
}

void PooledSource::give_up(std::uint64_t number, const char* why) {
  if (number != number_ || !done_) return;
  tell(reading_.down(base::error(base::ErrorCode::Timeout, why)));
}

void PooledSource::tell(const Answer& answer) {
  executor_.cancel(std::exchange(timer_, 0));
  const base::Duration next = answer.good ? reading_.interval : std::min(reading_.interval, kAgain);
  due_ = began_ + next - std::min(next / 10, kEarlyMax);
  known_ = answer.fill;
  std::exchange(done_, nullptr)(known_);
}

}  // namespace tocsin::agent
