#include "cli/backtest/pages.h"

#include <algorithm>
#include <limits>
#include <set>

#include "alertd/incident/engine.h"

namespace tocsin::backtest {
namespace {

using base::WallTime;

/// A step that is due again and again at the same moment would never end.
constexpr std::size_t kStepsMax = 10'000'000;

void count(const incident::StateChange& change, WallTime from, std::set<std::string>& incidents,
           Pages& pages) {
  for (const incident::Notification& message : change.outbox) {
    if (message.created_at < from) continue;
    ++pages.total;
    incidents.insert(message.incident.id);
    ++pages.by_channel[message.receiver + '/' + message.channel];
    ++pages.by_kind[std::string(to_string(message.kind))];
    ++pages.by_severity[message.incident.severity];
    std::set<std::string> rules;
    for (const incident::NotifiedAlert& one : message.alerts) {
      rules.emplace(one.alert.name());
    }
    for (const std::string& rule : rules) ++pages.by_rule[rule];
  }
}

}  // namespace

Pages count_simple(const SetResult& result, WallTime from, WallTime to) {
  Pages pages;
  const auto add = [&](const RuleResult& rule, const char* kind, model::Severity severity) {
    ++pages.total;
    ++pages.by_rule[rule.name];
    ++pages.by_kind[kind];
    ++pages.by_severity[severity];
  };
  for (const RuleResult& rule : result.rules) {
    for (const Firing& firing : rule.firings) {
      if (firing.begin >= from) add(rule, "firing", firing.severities.front().severity);
      if (firing.end && *firing.end <= to) {
        add(rule, "resolved", firing.severities.back().severity);
      }
    }
  }
  return pages;
}

Pages count_routed(const SetResult& result, WallTime from, WallTime to,
                   const routing::Routing& routing, const incident::IncidentSettings& settings) {
  Pages pages;
  routing::PipelineLimits limits;
  limits.alerts_max = std::numeric_limits<std::size_t>::max();
  limits.groups_max = std::numeric_limits<std::size_t>::max();
  incident::Engine engine(routing, limits, settings);
  std::set<std::string> incidents;
  WallTime now{};
  const auto step = [&](WallTime at, std::span<const model::Alert> alerts) {
    now = std::max(now, at);
    count(engine.step(now, {alerts, {}, {}}).change, from, incidents, pages);
  };
  std::size_t steps = 0;
  const auto run_until = [&](WallTime until) {
    for (auto due = engine.next_due(); due && *due <= until && steps < kStepsMax; ++steps) {
      step(*due, {});
      due = engine.next_due();
    }
  };
  for (const HandOver& hand_over : result.handed) {
    run_until(hand_over.at);
    step(hand_over.at, hand_over.alerts);
  }
  run_until(to);
  pages.incidents = incidents.size();
  return pages;
}

}  // namespace tocsin::backtest
