#include "cli/ruletest/history.h"

#include <fmt/core.h>

#include <filesystem>

#include "common/base/strings.h"

namespace tocsin::ruletest {

using ruler::AlertPhase;

std::string describe(const SeenAlert& alert) {
  const std::string name(alert.labels.get(model::kAlertName));
  return fmt::format(
      "{} {}{} severity={} value={}", ruler::to_string(alert.phase), name,
      model::LabelsBuilder(alert.labels).remove(model::kAlertName).build().to_string(),
      model::to_string(alert.severity), base::format_double(alert.value));
}

std::string_view to_string(SeenChange::State state) {
  switch (state) {
    case SeenChange::State::Pending:
      return "pending";
    case SeenChange::State::Firing:
      return "firing";
    case SeenChange::State::Resolved:
      return "resolved";
    case SeenChange::State::Inactive:
      break;
  }
  return "inactive";
}

std::string rule_key(const std::string& file, std::size_t line) {
  return fmt::format("{}:{}", std::filesystem::path(file).lexically_normal().string(), line);
}

void History::change(const std::string& rule, SeenChange change) {
  RuleTrace& trace = traces_[rule];
  if (change.state == SeenChange::State::Pending) trace.pending = true;
  if (change.state == SeenChange::State::Firing) trace.fired.insert(change.severity);
  if (change.state == SeenChange::State::Resolved) trace.resolved = true;
  last_[change.labels] = change.state;
  changes_.push_back(std::move(change));
}

void History::observe(const std::string& rule, base::Duration at, base::Duration interval,
                      std::vector<SeenAlert> alerts) {
  using State = SeenChange::State;
  const auto found = now_.find(rule);
  if (alerts.empty() && (found == now_.end() || found->second.empty())) return;
  std::map<model::Labels, SeenAlert> next;
  for (SeenAlert& alert : alerts) {
    if (alert.phase != AlertPhase::Inactive) next.emplace(alert.labels, std::move(alert));
  }
  std::map<model::Labels, SeenAlert>& old = now_[rule];
  for (const auto& [labels, alert] : next) {
    const auto before = old.find(labels);
    const bool known = before != old.end();
    const bool firing = alert.phase == AlertPhase::Firing;
    if (known && before->second.phase == alert.phase &&
        (!firing || before->second.severity == alert.severity)) {
      continue;
    }
    change(rule, {at, interval, labels, firing ? State::Firing : State::Pending, alert.severity});
  }
  for (const auto& [labels, alert] : old) {
    if (next.contains(labels)) continue;
    const bool fired = alert.phase == AlertPhase::Firing;
    change(rule, {at, interval, labels, fired ? State::Resolved : State::Inactive, alert.severity});
  }
  old = std::move(next);
}

std::vector<const SeenAlert*> History::active() const {
  std::vector<const SeenAlert*> all;
  for (const auto& [rule, alerts] : now_) {
    for (const auto& [labels, alert] : alerts) all.push_back(&alert);
  }
  return all;
}

std::vector<model::Labels> History::resolved() const {
  std::vector<model::Labels> all;
  for (const auto& [labels, state] : last_) {
    if (state == SeenChange::State::Resolved) all.push_back(labels);
  }
  return all;
}

}  // namespace tocsin::ruletest
