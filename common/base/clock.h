// The clock is passed in; nothing outside common/base asks the system for the time.
#pragma once

#include "common/base/time.h"

namespace tocsin::base {

/// Source of time. Thread: any.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Returns the time people mean; may jump either way between two calls.
  virtual WallTime wall() const = 0;

  /// Returns a time that never goes back; only differences have a meaning.
  virtual MonotonicTime monotonic() const = 0;
};

/// The system's clocks.
class RealClock final : public Clock {
 public:
  WallTime wall() const override;
  MonotonicTime monotonic() const override;
};

}  // namespace tocsin::base
