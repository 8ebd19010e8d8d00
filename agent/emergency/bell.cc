#include "agent/emergency/bell.h"

#include <algorithm>

namespace tocsin::agent {

void Bell::alive(base::MonotonicTime now) {
  alive_at_ = now;
  if (!since_ || over_) return;
  over_ = true;
  refusals_ = 0;
  next_ = now;
}

std::optional<Ring> Bell::due(base::MonotonicTime now) const {
  if (now < next_) return std::nullopt;
  if (over_) return Ring{false, number_ + 1, *since_};
  if (since_) return Ring{true, number_ + 1, *since_};
  if (now - alive_at_ < times_.after) return std::nullopt;
  return Ring{true, 1, alive_at_};
}

void Bell::said(const Ring& ring, bool taken, base::MonotonicTime now) {
  if (!taken) {
    const unsigned doublings = std::min(refusals_, 16U);
    ++refusals_;
    next_ = now + std::min(times_.retry_max, times_.retry_min * (1U << doublings));
    return;
  }
  refusals_ = 0;
  if (ring.firing) {
    number_ = ring.number;
    since_ = ring.since;
    // It may have ended while the message was on its way.
    over_ = alive_at_ > ring.since;
    next_ = over_ ? now : now + times_.repeat;
    return;
  }
  since_.reset();
  over_ = false;
  number_ = 0;
  next_ = now;
}

}  // namespace tocsin::agent
