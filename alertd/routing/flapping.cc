#include "alertd/routing/flapping.h"

namespace tocsin::routing {

using base::WallTime;

namespace {

/// A fleet that flaps as a whole: beyond so many the rest is told of as usual.
constexpr std::size_t kRecordsMax = 200'000;

}  // namespace

void Flapping::set_rules(FlapRules rules) {
  rules_ = rules;
  if (rules_.changes == 0) {
    for (auto& [alert, record] : records_) {
      due_.erase({record.due, alert});
      record.due = WallTime{};
      due_.insert({record.due, alert});
    }
  }
}

bool Flapping::changed(Fingerprint alert, WallTime before, WallTime now) {
  if (rules_.changes == 0) return false;
  const auto known = records_.find(alert);
  const bool is_new = known == records_.end();
  const bool again = before != WallTime{} && before + rules_.window > now;
  if (is_new && (!again || records_.size() >= kRecordsMax)) return false;
  Record& record = is_new ? records_[alert] : known->second;
  if (is_new) record.changes.push_back(before);
  if (record.changes.size() == rules_.changes) record.changes.erase(record.changes.begin());
  record.changes.push_back(now);
  due_.erase({record.due, alert});
  const bool was = record.flaps;
  record.flaps = was || (record.changes.size() == rules_.changes &&
                         record.changes.front() + rules_.window > now);
  // Below half: when the change that is half the number back leaves the window.
  const std::size_t half = (rules_.changes + 1) / 2;
  const std::size_t back = record.flaps ? std::min(half, record.changes.size()) : 1;
  record.due = record.changes[record.changes.size() - back] + rules_.window;
  due_.insert({record.due, alert});
  return record.flaps && !was;
}

bool Flapping::flaps(Fingerprint alert) const {
  const auto found = records_.find(alert);
  return found != records_.end() && found->second.flaps;
}

std::vector<Fingerprint> Flapping::advance(WallTime now) {
  std::vector<Fingerprint> calm;
  while (!due_.empty() && due_.begin()->first <= now) {
    const Fingerprint alert = due_.begin()->second;
    due_.erase(due_.begin());
    if (records_.at(alert).flaps) calm.push_back(alert);
    records_.erase(alert);
  }
  return calm;
}

std::optional<WallTime> Flapping::next_due() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

}  // namespace tocsin::routing
