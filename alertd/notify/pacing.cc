#include "alertd/notify/pacing.h"

#include <algorithm>
#include <cmath>

namespace tocsin::notify {

base::Duration retry_delay(std::uint32_t attempt, base::Duration retry_after,
                           base::Random& random) {
  base::Duration bound = 2 * kBackoffMin;
  for (std::uint32_t i = 1; i < attempt && bound < kBackoffMax; ++i) bound *= 2;
  bound = std::min(bound, kBackoffMax);
  const auto span = static_cast<std::uint64_t>((bound - kBackoffMin).count()) + 1;
  const base::Duration jittered =
      kBackoffMin + base::Duration{static_cast<std::int64_t>(random.below(span))};
  return std::max(jittered, std::min(retry_after, kRetryAfterMax));
}

void TokenBucket::refill(base::MonotonicTime now) {
  const double minutes = std::chrono::duration<double, std::ratio<60>>(now - at_).count();
  if (minutes > 0) tokens_ = std::min(limit_.burst, tokens_ + minutes * limit_.per_minute);
  at_ = now;
}

// A burst of 1 with a reserve would never let anything but Critical pass.
double TokenBucket::needed(bool critical) const {
  const double reserve = critical ? 0 : limit_.burst * limit_.critical_share;
  return std::min(1 + reserve, limit_.burst);
}

bool TokenBucket::take(base::MonotonicTime now, bool critical) {
  if (unlimited()) return true;
  refill(now);
  if (tokens_ < needed(critical) - 1e-9) return false;
  tokens_ -= 1;
  return true;
}

base::Duration TokenBucket::wait(base::MonotonicTime now, bool critical) {
  if (unlimited()) return base::Duration{0};
  refill(now);
  const double missing = needed(critical) - tokens_;
  if (missing <= 1e-9) return base::Duration{0};
  return base::Duration{static_cast<std::int64_t>(std::ceil(missing / limit_.per_minute * 60'000))};
}

double TokenBucket::rate_in(base::Duration time) const {
  return limit_.per_minute * static_cast<double>(time.count()) / 60'000.0;
}

bool CircuitBreaker::allows(base::MonotonicTime now) const {
  return state_ == State::Closed || (state_ == State::Open && probe_at_ <= now);
}

void CircuitBreaker::began(base::MonotonicTime now) {
  if (state_ == State::Open && probe_at_ <= now) state_ = State::HalfOpen;
}

void CircuitBreaker::answered() {
  state_ = State::Closed;
  failures_ = 0;
  wait_ = base::Duration{0};
}

bool CircuitBreaker::failed(base::MonotonicTime now, base::Random& random) {
  ++failures_;
  const bool was_closed = state_ == State::Closed;
  // Attempts that began before it opened may end later; they tell nothing new.
  if (state_ == State::Open || threshold_ == 0) return false;
  if (was_closed && failures_ < threshold_) return false;
  wait_ = std::min(std::max(wait_ * 2, kBreakerWaitMin), kBreakerWaitMax);
  const auto half = static_cast<std::uint64_t>(wait_.count() / 2);
  probe_at_ = now + wait_ / 2 + base::Duration{static_cast<std::int64_t>(random.below(half + 1))};
  state_ = State::Open;
  return was_closed;
}

void CircuitBreaker::abandoned() {
  if (state_ == State::HalfOpen) state_ = State::Open;
}

std::string_view to_string(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::Open:
      return "open";
    case CircuitBreaker::State::HalfOpen:
      return "half_open";
    case CircuitBreaker::State::Closed:
      break;
  }
  return "closed";
}

}  // namespace tocsin::notify
