#include "alertd/incident/policy.h"

#include <fmt/format.h>

namespace tocsin::incident {

using base::Duration;
using model::Severity;
using oncall::Target;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

/// Finds whom the default policies mean by "secondary", "lead" or "manager".
class Names {
 public:
  explicit Names(const oncall::Directory& directory) : directory_(directory) {}

  std::optional<Target> primary() const {
    if (auto named = schedule("primary")) return named;
    if (directory_.schedules.empty()) return std::nullopt;
    return Target{Target::Kind::Schedule, directory_.schedules.begin()->first, ""};
  }
  std::optional<Target> secondary() const { return any("secondary"); }
  std::optional<Target> lead() const { return any("lead"); }
  std::optional<Target> manager() const { return any("manager"); }

 private:
  std::optional<Target> schedule(const std::string& name) const {
    if (!directory_.schedules.contains(name)) return std::nullopt;
    return Target{Target::Kind::Schedule, name, ""};
  }
  std::optional<Target> any(const std::string& name) const {
    if (auto found = schedule(name)) return found;
    if (directory_.teams.contains(name)) return Target{Target::Kind::Team, name, ""};
    if (directory_.persons.contains(name)) return Target{Target::Kind::Person, name, ""};
    return std::nullopt;
  }
  const oncall::Directory& directory_;
};

void add_step(Policy& policy, Duration after, const std::optional<Target>& target) {
  if (!target) return;
  PolicyStep step;
  step.after = after;
  step.notify = {*target};
  step.important = true;
  policy.steps.push_back(std::move(step));
}

Policy start(std::string name, const std::optional<Target>& first, bool important) {
  Policy policy;
  policy.name = std::move(name);
  PolicyStep step;
  step.notify = {Target{}};
  if (first) step.notify.insert(step.notify.begin(), *first);
  step.important = important;
  policy.steps.push_back(std::move(step));
  policy.fallback = {Target{}};
  return policy;
}

std::vector<timezone::Hours> office_hours() {
  timezone::Hours office;
  office.weekdays = {true, true, true, true, true, false, false};
  office.from = hours(9);
  office.to = hours(17);
  return {office};
}

}  // namespace

std::optional<Duration> Policy::after_last(std::uint32_t loop, Severity severity) const {
  if (loop < loops) return loop_every;
  if (then.count() > 0) return then;
  if (severity == Severity::Critical) return kCriticalRepeat;
  return std::nullopt;
}

const Policy* Policies::choose(const std::string& route_policy, Severity severity) const {
  const std::string& name =
      route_policy.empty() ? by_severity[static_cast<std::size_t>(severity)] : route_policy;
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &found->second;
}

Policies default_policies(const oncall::Directory& directory) {
  const Names names(directory);
  Policy critical = start("critical", names.primary(), true);
  add_step(critical, minutes(5), names.secondary());
  add_step(critical, minutes(10), names.lead());
  add_step(critical, minutes(15), names.manager());
  critical.loops = 3;
  critical.loop_every = minutes(15);
  critical.then = hours(1);

  Policy high = start("high", names.primary(), false);
  add_step(high, minutes(15), names.secondary());
  add_step(high, minutes(30), names.lead());
  high.loops = 2;
  high.loop_every = minutes(30);
  high.then = hours(4);

  // The receiver at once; persons in their own working hours, queued until those begin.
  Policy medium = start("medium", std::nullopt, false);
  if (names.primary()) {
    PolicyStep person;
    person.notify = {*names.primary()};
    person.hours = office_hours();
    medium.steps.push_back(std::move(person));
  }
  if (names.lead()) {
    add_step(medium, hours(4), names.lead());
    medium.steps.back().important = false;
    medium.steps.back().hours = office_hours();
  }
  medium.then = hours(24);

  Policy low = start("low", std::nullopt, false);
  low.digest = hours(9);

  Policies policies;
  for (Policy* policy : {&critical, &high, &medium, &low}) {
    policies.by_name.emplace(policy->name, std::move(*policy));
  }
  for (const Severity severity : model::kSeverities) {
    policies.by_severity[static_cast<std::size_t>(severity)] = model::to_string(severity);
  }
  return policies;
}

}  // namespace tocsin::incident
