// When the agent rings by itself: alertd has taken nothing for so long that nobody watches this
// host.
//
// A daemon cannot tell of its own death. The agents notice it first: after `after` without a sign
// of life the bell rings, again every `repeat`, and once more when alertd is back. Pure: time comes
// in, what is to be said comes out, and is said again until somebody has taken it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/time.h"

namespace tocsin::agent {

struct BellTimes {
  base::Duration after{300'000};
  base::Duration repeat{3'600'000};
  base::Duration retry_min{10'000};  ///< Doubles up to retry_max while nobody takes the message.
  base::Duration retry_max{300'000};
};

/// What is to be said now.
struct Ring {
  bool firing = true;  ///< False: it is over.
  std::uint64_t number =
      1;  ///< Of this outage's messages, from 1; a repeat after a failure keeps it.
  base::MonotonicTime since{};  ///< The last sign of life before.
};

class Bell {
 public:
  /// `now` counts as a sign of life: a host that just started rings no earlier than `after`.
  Bell(BellTimes times, base::MonotonicTime now) : times_(times), alive_at_(now) {}

  void configure(BellTimes times) { times_ = times; }

  /// alertd answered.
  void alive(base::MonotonicTime now);

  /// Returns what to say now, if anything. The caller tells with said() what became of it before it
  /// asks again.
  std::optional<Ring> due(base::MonotonicTime now) const;

  /// `taken`: the receiver has it; otherwise it is due again after a growing pause.
  void said(const Ring& ring, bool taken, base::MonotonicTime now);

  /// Returns whether people were told of an outage that is not over.
  bool ringing() const { return since_.has_value(); }

 private:
  BellTimes times_;
  base::MonotonicTime alive_at_;
  std::optional<base::MonotonicTime> since_;  ///< The outage that was told of.
  bool over_ = false;                         ///< ... has ended, and that is not told yet.
  std::uint64_t number_ = 0;                  ///< Messages taken in this outage.
  base::MonotonicTime next_{};                ///< Nothing is said before.
  unsigned refusals_ = 0;
};

}  // namespace tocsin::agent
