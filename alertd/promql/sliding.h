// The extreme of a window that only moves forward, over the steps of a range query.
//
// A monotonic queue: each sample enters and leaves once, so that `min_over_time(x[1d])` over a day
// of steps costs a look at each sample, not a look at a day of samples for each step. Gives the
// very bits that min_over_time() and max_over_time() give of the window.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/model/sample.h"

namespace tocsin::promql {

enum class Extreme : std::uint8_t { None, Min, Max };

class SlidingExtreme {
 public:
  SlidingExtreme(Extreme which, std::span<const model::Sample> samples)
      : which_(which), samples_(samples) {}

  /// Returns the extreme of samples [low, high), not empty; neither bound may decrease from call to
  /// call. NaN counts only if there is nothing else.
  double at(std::size_t low, std::size_t high) {
    for (; next_ < high; ++next_) {
      const double value = samples_[next_].value;
      if (std::isnan(value)) continue;
      while (waiting() && better(value, samples_[candidates_.back()].value)) candidates_.pop_back();
      candidates_.push_back(next_);
    }
    while (waiting() && candidates_[first_] < low) ++first_;
    return samples_[waiting() ? candidates_[first_] : high - 1].value;
  }

 private:
  bool waiting() const { return first_ < candidates_.size(); }
  bool better(double a, double b) const { return which_ == Extreme::Min ? a < b : a > b; }

  Extreme which_;
  std::span<const model::Sample> samples_;
  std::size_t next_ = 0;
  /// Positions; the one at first_ is the extreme, the rest follow it. At most one for each sample.
  std::vector<std::size_t> candidates_;
  std::size_t first_ = 0;
};

}  // namespace tocsin::promql
