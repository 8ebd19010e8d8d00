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
  refill(now);
  if (tokens_ < needed(critical) - 1e-9) return false;
  tokens_ -= 1;
  return true;
}

base::Duration TokenBucket::wait(base::MonotonicTime now, bool critical) {
  refill(now);
  const double missing = needed(critical) - tokens_;
  if (missing <= 1e-9) return base::Duration{0};
  return base::Duration{static_cast<std::int64_t>(std::ceil(missing / limit_.per_minute * 60'000))};
}

}  // namespace tocsin::notify
