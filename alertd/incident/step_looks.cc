#include "alertd/incident/step_looks.h"

#include <algorithm>

namespace tocsin::incident {

const std::vector<std::int64_t>& NumberSet::in_order() const {
  if (!sorted_) {
    std::sort(numbers_.begin(), numbers_.end());
    numbers_.erase(std::unique(numbers_.begin(), numbers_.end()), numbers_.end());
    sorted_ = true;
  }
  return numbers_;
}

bool NumberSet::contains(std::int64_t number) const {
  const auto& numbers = in_order();
  return std::binary_search(numbers.begin(), numbers.end(), number);
}

void NumberSet::erase(std::int64_t number) {
  std::erase(numbers_, number);
}

void StepLooks::clear() {
  seen_.clear();
  first_.clear();
  next_first_ = 0;
  looking_ = false;
  more_.clear();
  more_times_.clear();
}

bool StepLooks::waits_first(std::int64_t number) const {
  const auto rest = first_.begin() + static_cast<std::ptrdiff_t>(next_first_);
  return std::binary_search(rest, first_.end(), number);
}

void StepLooks::add(std::int64_t number) {
  if (!looking_) {
    seen_.insert(number);
    return;
  }
  if (waits_first(number) || more_.contains(number)) return;
  const int before = std::binary_search(first_.begin(), first_.end(), number) ? 1 : 0;
  int& times = more_times_[number];
  if (before + times == kTimesMax) return;
  ++times;
  more_.insert(number);
  seen_.insert(number);
}

std::optional<std::int64_t> StepLooks::next() {
  if (!looking_) {
    looking_ = true;
    first_ = seen_.in_order();
  }
  const bool first = next_first_ < first_.size();
  if (first && (more_.empty() || first_[next_first_] < *more_.begin())) {
    return first_[next_first_++];
  }
  if (more_.empty()) return std::nullopt;
  return more_.extract(more_.begin()).value();
}

}  // namespace tocsin::incident
