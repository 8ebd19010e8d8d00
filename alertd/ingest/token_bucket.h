// A budget that refills: so much at once, and so much a second from then on.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/base/clock.h"

namespace tocsin::ingest {

/// What something costs is often known only after it is done: so it may be begun while anything is
/// left, and what it cost beyond that is a debt that is paid off first. Owner: one thread at a
/// time.
class TokenBucket {
 public:
  /// `rate` is per second, 0 for no limit; `burst` in seconds of it.
  TokenBucket(double rate, double burst) : rate_(rate), most_(rate * burst), level_(most_) {}

  bool open(base::MonotonicTime now) {
    refill(now);
    return rate_ == 0 || level_ > 0;
  }
  void charge(double cost) {
    if (rate_ > 0) level_ -= cost;
  }
  /// Until open() is true again.
  base::Duration wait() const {
    if (rate_ == 0 || level_ > 0) return base::Duration{0};
    return std::chrono::ceil<base::Duration>(std::chrono::duration<double>(-level_ / rate_));
  }

 private:
  void refill(base::MonotonicTime now) {
    if (!begun_) last_ = now;
    begun_ = true;
    if (now <= last_) return;
    level_ = std::min(most_, level_ + std::chrono::duration<double>(now - last_).count() * rate_);
    last_ = now;
  }

  double rate_;
  double most_;
  double level_;
  base::MonotonicTime last_{};
  bool begun_ = false;
};

}  // namespace tocsin::ingest
