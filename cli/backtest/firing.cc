#include "cli/backtest/firing.h"

#include <algorithm>
#include <tuple>

namespace tocsin::backtest {

model::Severity Firing::worst() const {
  model::Severity worst = severities.front().severity;
  for (const SeverityStep& step : severities) worst = std::max(worst, step.severity);
  return worst;
}

void FiringLog::take(const model::Alert& alert) {
  const Key key{std::string(alert.rule_source), alert.labels};
  auto found = open_.find(key);
  if (found != open_.end() && firings_[found->second.index].begin != alert.starts_at) {
    // The one before ended while nobody could say so.
    firings_[found->second.index].end = std::min(alert.starts_at, found->second.valid_until);
    open_.erase(found);
    found = open_.end();
  }
  if (alert.ends_at) {
    if (found == open_.end()) return;
    firings_[found->second.index].end = alert.ends_at;
    open_.erase(found);
    return;
  }
  if (found == open_.end()) {
    open_.emplace(key, Open{firings_.size(), alert.valid_until});
    firings_.push_back({std::string(alert.rule_source),
                        alert.labels,
                        std::string(alert.annotations.get("summary")),
                        alert.value,
                        alert.starts_at,
                        std::nullopt,
                        {{alert.starts_at, alert.severity}}});
    return;
  }
  found->second.valid_until = alert.valid_until;
  Firing& firing = firings_[found->second.index];
  if (firing.severities.back().severity != alert.severity) {
    firing.severities.push_back({alert.updated_at, alert.severity});
  }
}

void FiringLog::expire(base::WallTime now) {
  std::erase_if(open_, [&](const auto& entry) {
    if (entry.second.valid_until > now) return false;
    firings_[entry.second.index].end = entry.second.valid_until;
    return true;
  });
}

void FiringLog::end_all(base::WallTime at) {
  for (const auto& [key, open] : open_) firings_[open.index].end = at;
  open_.clear();
}

std::vector<Firing> FiringLog::sorted() const {
  std::vector<Firing> sorted = firings_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Firing& a, const Firing& b) {
    return std::tie(a.begin, a.rule_source, a.labels) < std::tie(b.begin, b.rule_source, b.labels);
  });
  return sorted;
}

}  // namespace tocsin::backtest
