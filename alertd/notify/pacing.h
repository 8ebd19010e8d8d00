// When to try again, and how fast a channel may go.
#pragma once

#include <cstdint>

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
  /// New limits; the tokens stay.
  void set_limit(const RateLimit& limit) { limit_ = limit; }

 private:
  void refill(base::MonotonicTime now);
  double needed(bool critical) const;

  RateLimit limit_;
  double tokens_;
  base::MonotonicTime at_;
};

}  // namespace tocsin::notify
