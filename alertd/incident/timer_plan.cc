#include "alertd/incident/timer_plan.h"

namespace tocsin::incident {

void TimerPlan::set(std::int64_t number, const Entry& entry) {
  const Entry before = of(number);
  if (before == entry) return;
  if (before.due) due_.erase({*before.due, number});
  if (before.root != 0) held_.erase({before.root, number});
  if (entry == Entry()) {
    entries_.erase(number);
    return;
  }
  if (entry.due) due_.insert({*entry.due, number});
  if (entry.root != 0) held_.insert({entry.root, number});
  entries_[number] = entry;
}

TimerPlan::Entry TimerPlan::of(std::int64_t number) const {
  const auto found = entries_.find(number);
  return found == entries_.end() ? Entry() : found->second;
}

std::optional<base::WallTime> TimerPlan::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::vector<std::int64_t> TimerPlan::due_at(base::WallTime now) const {
  std::vector<std::int64_t> numbers;
  for (auto each = due_.begin(); each != due_.end() && each->first <= now; ++each) {
    numbers.push_back(each->second);
  }
  return numbers;
}

std::vector<std::int64_t> TimerPlan::held_for(std::int64_t root) const {
  std::vector<std::int64_t> numbers;
  for (auto each = held_.lower_bound({root, 0}); each != held_.end() && each->first == root;
       ++each) {
    numbers.push_back(each->second);
  }
  return numbers;
}

}  // namespace tocsin::incident
