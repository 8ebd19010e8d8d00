// When to try again, and how fast a channel may go.
#pragma once

#include <cstdint>
#include <string_view>

#include "alertd/notify/receivers.h"
#include "common/base/random.h"
#include "common/base/time.h"

namespace tocsin::notify {

inline constexpr base::Duration kBackoffMin{1'000};
inline constexpr base::Duration kBackoffMax{300'000};
/// More than this a server's Retry-After is not believed.
inline constexpr base::Duration kRetryAfterMax{3'600'000};

/// Returns the wait after failed attempt number `attempt` (from 1): uniform between 1 s and an
/// upper bound that doubles from 2 s to 5 min (full jitter), at least what the server asked for.
base::Duration retry_delay(std::uint32_t attempt, base::Duration retry_after, base::Random& random);

/// Token bucket of a channel; the last part of the burst is for Critical. Thread: one.
class TokenBucket {
 public:
  TokenBucket(const RateLimit& limit, base::MonotonicTime now)
      : limit_(limit), tokens_(limit.burst), at_(now) {}

  /// Takes a token if there is one for this severity.
  bool take(base::MonotonicTime now, bool critical);
  /// Returns how long until take() would succeed; 0 if it would now.
  base::Duration wait(base::MonotonicTime now, bool critical);
  /// Returns how many messages a limit lets through in `time`.
  double rate_in(base::Duration time) const;
  bool unlimited() const { return limit_.per_minute == 0; }
  /// New limits; the tokens stay.
  void set_limit(const RateLimit& limit) { limit_ = limit; }

 private:
  void refill(base::MonotonicTime now);
  double needed(bool critical) const;

  RateLimit limit_;
  double tokens_;
  base::MonotonicTime at_;
};

inline constexpr base::Duration kBreakerWaitMin{30'000};
inline constexpr base::Duration kBreakerWaitMax{300'000};

/// Stops asking a channel that fails again and again; one message then tries whether it is back.
///
/// Closed -> Open after `threshold` failures in a row that may pass; Open -> HalfOpen when the
/// first attempt begins after 30 s (doubled with every failed probe, up to 5 min); HalfOpen ->
/// Closed by a success, -> Open by a failure. Thread: one.
class CircuitBreaker {
 public:
  enum class State { Closed, Open, HalfOpen };

  /// `threshold` 0: never opens.
  explicit CircuitBreaker(std::uint32_t threshold) : threshold_(threshold) {}

  State state() const { return state_; }
  bool closed() const { return state_ == State::Closed; }
  /// Returns whether an attempt may begin: in HalfOpen none beside the probe.
  bool allows(base::MonotonicTime now) const;
  /// When the next probe may begin; only while Open.
  base::MonotonicTime probe_at() const { return probe_at_; }
  std::uint32_t failures() const { return failures_; }

  /// An attempt begins.
  void began(base::MonotonicTime now);
  /// It was answered: delivered, or refused for good (the other side is alive).
  void answered();
  /// It failed in a way that may pass. Returns whether the breaker opened by it.
  bool failed(base::MonotonicTime now, base::Random& random);
  /// The attempt ended and says nothing about the channel.
  void abandoned();
  void set_threshold(std::uint32_t threshold) { threshold_ = threshold; }

 private:
  std::uint32_t threshold_;
  State state_ = State::Closed;
  std::uint32_t failures_ = 0;  ///< In a row.
  base::Duration wait_{0};
  base::MonotonicTime probe_at_{};
};

/// Returns "closed", "open" or "half_open".
std::string_view to_string(CircuitBreaker::State state);

}  // namespace tocsin::notify
