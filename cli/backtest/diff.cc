#include "cli/backtest/diff.h"

#include <algorithm>

namespace tocsin::backtest {
namespace {

using base::WallTime;
using ByLabels = std::map<model::Labels, std::vector<const Firing*>>;

ByLabels by_labels(const SetResult& result) {
  ByLabels sorted;
  for (const RuleResult& rule : result.rules) {
    for (const Firing& firing : rule.firings) sorted[firing.labels].push_back(&firing);
  }
  for (auto& [labels, firings] : sorted) {
    std::stable_sort(firings.begin(), firings.end(),
                     [](const Firing* a, const Firing* b) { return a->begin < b->begin; });
  }
  return sorted;
}

std::vector<model::Severity> severities(const Firing& firing) {
  std::vector<model::Severity> all;
  for (const SeverityStep& step : firing.severities) all.push_back(step.severity);
  return all;
}

/// Compares two firings of the same thing; nullptr in the result's place of what is missing.
class Comparer {
 public:
  Comparer(WallTime to, base::Duration tolerance, Diff& diff)
      : to_(to), tolerance_(tolerance), diff_(diff) {}

  void firings(const std::vector<const Firing*>& now, const std::vector<const Firing*>& before) {
    std::size_t n = 0;
    std::size_t b = 0;
    while (n < now.size() || b < before.size()) {
      const bool only_now =
          b == before.size() || (n < now.size() && ends_before(*now[n], *before[b]));
      const bool only_before = !only_now && (n == now.size() || ends_before(*before[b], *now[n]));
      if (only_now) {
        add({ChangeKind::New, now[n++], nullptr});
      } else if (only_before) {
        add({ChangeKind::Gone, nullptr, before[b++]});
      } else {
        pair(*now[n++], *before[b++]);
      }
    }
  }

 private:
  bool ends_before(const Firing& a, const Firing& b) const {
    return a.end.value_or(to_) + tolerance_ < b.begin;
  }

  void pair(const Firing& now, const Firing& before) {
    const base::Duration more = now.duration(to_) - before.duration(to_);
    if (more > tolerance_) return add({ChangeKind::Longer, &now, &before});
    if (more < -tolerance_) return add({ChangeKind::Shorter, &now, &before});
    if (severities(now) != severities(before)) return add({ChangeKind::Severity, &now, &before});
    if (std::chrono::abs(now.begin - before.begin) > tolerance_) {
      add({ChangeKind::Moved, &now, &before});
    }
  }

  void add(const Change& change) {
    const Firing& firing = change.now != nullptr ? *change.now : *change.before;
    ++diff_.rules[std::string(firing.rule())].changes[change.kind];
    diff_.changes.push_back(change);
  }

  const WallTime to_;
  const base::Duration tolerance_;
  Diff& diff_;
};

WallTime time_of(const Change& change) {
  return change.now != nullptr ? change.now->begin : change.before->begin;
}

}  // namespace

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::New:
      return "new";
    case ChangeKind::Gone:
      return "gone";
    case ChangeKind::Longer:
      return "longer";
    case ChangeKind::Shorter:
      return "shorter";
    case ChangeKind::Severity:
      return "severity";
    case ChangeKind::Moved:
      return "moved";
  }
  return "moved";
}

Diff compare(const SetResult& now, const SetResult& before, WallTime to, base::Duration tolerance) {
  Diff diff;
  for (const RuleResult& rule : now.rules) {
    if (!rule.alerting) continue;
    RuleDiff& sum = diff.rules[rule.name];
    sum.firings += rule.firings.size();
    for (const Firing& firing : rule.firings) sum.time += firing.duration(to);
  }
  for (const RuleResult& rule : before.rules) {
    if (!rule.alerting) continue;
    RuleDiff& sum = diff.rules[rule.name];
    sum.firings_before += rule.firings.size();
    for (const Firing& firing : rule.firings) sum.time_before += firing.duration(to);
  }
  const ByLabels all_now = by_labels(now);
  const ByLabels all_before = by_labels(before);
  Comparer comparer(to, tolerance, diff);
  for (const auto& [labels, firings] : all_now) {
    const auto other = all_before.find(labels);
    comparer.firings(firings,
                     other == all_before.end() ? std::vector<const Firing*>{} : other->second);
  }
  for (const auto& [labels, firings] : all_before) {
    if (!all_now.contains(labels)) comparer.firings({}, firings);
  }
  std::stable_sort(diff.changes.begin(), diff.changes.end(),
                   [](const Change& a, const Change& b) { return time_of(a) < time_of(b); });
  return diff;
}

}  // namespace tocsin::backtest
