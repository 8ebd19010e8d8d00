#include "alertd/incident/escalation.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::incident {

using base::Duration;
using base::WallTime;
using oncall::Target;

namespace {

class Resolver {
 public:
  Resolver(const PolicyStep& step, const Policy& policy, const StepWorld& world)
      : step_(step), policy_(policy), world_(world) {}

  Recipients run() {
    bool persons_meant = false;
    for (const Target& target : step_.notify) {
      switch (target.kind) {
        case Target::Kind::Receiver:
          add_receiver(target, target.name, target.channel);
          break;
        case Target::Kind::Route:
          add_receiver(target, std::string(world_.route_receiver), "");
          break;
        default:
          persons_meant = true;
          add_persons(target);
      }
    }
    result_.nobody = persons_meant && !found_person_;
    return std::move(result_);
  }

 private:
  void add_receiver(const Target& target, const std::string& name, const std::string& channel) {
    const WallTime at = timezone::next_covered(step_.hours, policy_.zone, world_.now);
    if (at > world_.now) {
      if (!step_.skip_outside) result_.later.push_back({target.to_string(), name, at});
      result_.skipped = true;
      note(target.to_string(), outside(at, policy_.zone));
      return;
    }
    note(target.to_string(), add(name, channel) ? "" : fmt::format("'{}' has no channel", name));
  }

  void add_persons(const Target& target) {
    std::vector<std::string> told;
    for (const std::string& name : world_.directory.persons_of(target, world_.now)) {
      const auto person = world_.directory.persons.find(name);
      if (person == world_.directory.persons.end()) continue;
      found_person_ = true;
      told.push_back(add_person(person->second));
    }
    note(target.to_string(), told.empty() ? "nobody" : base::join(told, ", "));
  }

  std::string add_person(const oncall::Person& person) {
    const bool important = step_.important && !person.important_receiver.empty();
    const std::string& receiver = important ? person.important_receiver : person.receiver;
    const WallTime at = timezone::next_covered(step_.hours, person.zone, world_.now);
    if (at > world_.now) {
      if (!step_.skip_outside) result_.later.push_back({person.name, receiver, at});
      result_.skipped = true;
      return fmt::format("{} ({})", person.name, outside(at, person.zone));
    }
    return add(receiver, "") ? person.name : person.name + " (no channel)";
  }

  std::string outside(WallTime at, const timezone::Zone& zone) const {
    if (step_.skip_outside) return "outside of hours";
    return "waits until " + timezone::format_local(zone, at);
  }

  bool add(const std::string& receiver, const std::string& channel) {
    const auto found = world_.receivers.find(receiver);
    if (found == world_.receivers.end()) return false;
    bool any = false;
    for (const std::string& each : found->second) {
      if (!channel.empty() && each != channel) continue;
      result_.now.insert(Address{receiver, each});
      any = true;
    }
    return any;
  }

  void note(const std::string& target, const std::string& text) {
    result_.notes.push_back(text.empty() ? target : target + ": " + text);
  }

  const PolicyStep& step_;
  const Policy& policy_;
  const StepWorld& world_;
  Recipients result_;
  bool found_person_ = false;
};

}  // namespace

std::optional<Duration> Escalation::next_delay(model::Severity worst) const {
  if (step < policy.steps.size()) return policy.steps[step].after;
  return policy.after_last(loop, worst);
}

std::string Escalation::position() const {
  return fmt::format("step {} of {}{}", step, policy.steps.size(),
                     loop > 0 ? fmt::format(", loop {}", loop + 1) : "");
}

Recipients resolve(const PolicyStep& step, const Policy& policy, const StepWorld& world) {
  return Resolver(step, policy, world).run();
}

std::optional<std::string> refused(const PolicyStep& step, model::Severity severity,
                                   std::span<const WallTime> began, WallTime now) {
  if (step.severity_min && severity < *step.severity_min) {
    return fmt::format("severity is {}, below {}", model::to_string(severity),
                       model::to_string(*step.severity_min));
  }
  if (step.alerts_min == 0) return std::nullopt;
  const auto recent =
      static_cast<std::size_t>(std::count_if(began.begin(), began.end(), [&](WallTime each) {
        return step.within.count() == 0 || each >= now - step.within;
      }));
  if (recent >= step.alerts_min) return std::nullopt;
  return fmt::format(
      "{} of {} alerts{}", recent, step.alerts_min,
      step.within.count() == 0 ? "" : " within " + base::format_duration(step.within));
}

WallTime next_digest(const Policy& policy, WallTime now) {
  const timezone::LocalTime today = timezone::day_of(policy.zone.to_local(now));
  for (int day = 0;; ++day) {
    const WallTime at = policy.zone.to_wall(today + std::chrono::days(day) +
                                            policy.digest.value_or(std::chrono::minutes(0)));
    if (at >= now || day > 2) return at;
  }
}

}  // namespace tocsin::incident
