// Escalation: each step in its time, to those who are meant then.
#include <algorithm>
#include <charconv>

#include "tests/sim/week/checker_parts.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using incident::TimelineEvent;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// A step that is due is committed within this.
constexpr Duration kPunctual = minutes(2);
/// A Critical incident that nobody acknowledges is repeated so often at least.
constexpr Duration kCriticalRepeat = hours(1);

/// "step 2 of 3, loop 4: ..." as the timeline has it.
struct Position {
  std::size_t step = 0;
  std::size_t loop = 1;
};

std::optional<Position> position_of(const std::string& text) {
  const auto number = [&](const char* before) -> std::optional<std::size_t> {
    const std::size_t at = text.find(before);
    if (at == std::string::npos || at > text.find(':')) return std::nullopt;
    std::size_t value = 0;
    const char* begin = text.data() + at + std::string_view(before).size();
    if (std::from_chars(begin, text.data() + text.size(), value).ec != std::errc()) {
      return std::nullopt;
    }
    return value;
  };
  const auto step = number("step ");
  if (!step) return std::nullopt;
  return Position{*step, number("loop ").value_or(1)};
}

bool is_step(const TimelineEvent& event) {
  return event.kind == "escalated" || event.kind == "step_skipped";
}

/// After these a step may come at once, out of its turn.
bool hurries(const TimelineEvent& event) {
  static const std::set<std::string> kKinds{"nobody_on_call",
                                            "step_failed",
                                            "acknowledgement_expired",
                                            "unacknowledged_by_severity",
                                            "snooze_ended",
                                            "reopened",
                                            "policy_changed",
                                            "unmerged",
                                            "severity_raised",
                                            "severity_set",
                                            "hours_begin"};
  return kKinds.contains(event.kind);
}

/// After these the next step is not due any more, or at another time.
bool disturbs(const TimelineEvent& event) {
  static const std::set<std::string> kKinds{"acknowledged",      "unacknowledged", "resolved",
                                            "snoozed",           "merged",         "held",
                                            "escalation_paused", "digest",         "mitigated",
                                            "escalation_ended",  "alerts_resolved"};
  return hurries(event) || kKinds.contains(event.kind);
}

class StepChecker {
 public:
  StepChecker(const Index& index, Violations& found) : index_(index), found_(found) {}

  void run() {
    for (const auto& [id, events] : index_.journal.timelines) {
      id_ = id;
      const auto rows = index_.rows.find(id);
      rows_ = rows == index_.rows.end() ? nullptr : &rows->second;
      if (rows_ == nullptr || is_storm()) continue;
      check_incident(events);
      check_rows(events);
    }
  }

 private:
  bool is_storm() const {
    return std::any_of(rows_->begin(), rows_->end(), [](const Told& told) {
      return told.row->notification.incident.title.starts_with("Storm:");
    });
  }

  /// The policy that an incident begins with at `at`.
  const PolicySpec* policy_at(WallTime at, const std::string& severity) const {
    const Config& config = index_.journal.config(index_.plan, at);
    const auto parsed = model::parse_severity(severity);
    if (!parsed) return nullptr;
    std::string name = config.by_severity[static_cast<std::size_t>(*parsed)];
    if (const auto route = route_at(at); route && !route->policy.empty()) {
      name = route->policy;
    }
    return config.policy(name);
  }

  /// Policies are inherited by the routes below.
  static std::optional<RouteSpec> find(const RouteSpec& route, const std::string& name,
                                       std::string inherited) {
    if (!route.policy.empty()) inherited = route.policy;
    if (route.name == name) {
      RouteSpec found = route;
      found.policy = inherited;
      return found;
    }
    for (const RouteSpec& child : route.children) {
      if (auto found = find(child, name, inherited)) return found;
    }
    return std::nullopt;
  }

  /// The route of the incident, if it has one and it is configured at `at`.
  std::optional<RouteSpec> route_at(WallTime at) const {
    const incident::Notification& message = rows_->front().row->notification;
    if (message.group_key.starts_with("manual:")) return std::nullopt;
    return find(index_.journal.config(index_.plan, at).root, message.route, "");
  }

  void check_incident(const std::vector<TimelineEvent>& events) {
    const PolicySpec* policy = nullptr;
    std::optional<Position> last;
    std::string severity;
    WallTime since;        // the last step, or the beginning
    bool hurried = false;  // something made the next step due at once
    bool begun = true;     // its policy, unless it was told with another one from the beginning
    bool merged = false;   // it is told with another one now
    bool resolved = false;
    bool acknowledged = false;
    bool snoozed = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const TimelineEvent& event = events[i];
      if (event.kind == "opened") {
        severity = event.text.substr(0, event.text.find(':'));
        policy = policy_at(event.at, severity);
        since = event.at;
        last.reset();
      }
      if (event.kind == "policy_changed") {
        policy = index_.journal.config(index_.plan, event.at)
                     .policy(event.text.substr(event.text.rfind(' ') + 1));
      }
      if (event.kind.starts_with("severity_") && event.kind != "severity_set") {
        severity = event.text.substr(event.text.rfind(' ') + 1);
      }
      if (event.kind == "merged") merged = true;
      if (event.kind == "acknowledged") acknowledged = true;
      if (event.kind.starts_with("unack") || event.kind == "acknowledgement_expired" ||
          event.kind == "resolved") {
        acknowledged = false;
      }
      if (event.kind == "snoozed") snoozed = true;
      if (event.kind == "snooze_ended" || event.kind == "resolved") snoozed = false;
      if (event.kind == "reopened") resolved = false;
      if (event.kind == "resolved") {
        resolved = true;
        if (event.text.starts_with("with ")) merged = false;
      }
      if (event.kind == "unmerged") {
        merged = false;
        // The whole ended after it; or it is told when that ends (docs/incidents.md: not now).
        if (resolved || acknowledged || snoozed) continue;
      }
      if (event.kind == "opened" || event.kind == "policy_changed" || event.kind == "reopened" ||
          event.kind == "unmerged") {
        if (merged || (acknowledged && event.kind == "policy_changed")) continue;
        since = event.at;
        last.reset();
        hurried = false;
        if (event.kind != "opened" && !begun) {  // told with another one until now
          policy = nullptr;
          continue;
        }
        if (policy && !policy->digest_hour) {
          check_follows(events, i, policy->steps.front().after);
        }
        continue;
      }
      if (event.kind == "merged" && event.at == events.front().at) begun = false;
      begun = begun || is_step(event) || event.kind == "notified" || event.kind == "digest";
      if (hurries(event)) hurried = true;
      if (is_step(event) && !policy) {
        policy = policy_at(event.at, severity);
        hurried = true;
      }
      if (!is_step(event) || !policy) continue;
      const auto position = position_of(event.text);
      if (!position || position->step > policy->steps.size()) continue;
      if (!hurried) check_not_early(event, *policy, last, *position, since);
      if (event.kind == "escalated") check_persons(event, *policy, *position);
      last = position;
      since = event.at;
      hurried = false;
      if (const auto delay = delay_after(*policy, *position, severity)) {
        check_follows(events, i, *delay);
      }
    }
  }

  static std::optional<Duration> delay_after(const PolicySpec& policy, const Position& position,
                                             const std::string& severity) {
    if (position.step < policy.steps.size()) return policy.steps[position.step].after;
    if (position.loop <= policy.loops) {
      return std::max<Duration>(policy.every, minutes(1));
    }
    if (policy.then.count() > 0) return policy.then;
    if (severity == "critical") return kCriticalRepeat;
    return std::nullopt;
  }

  void check_not_early(const TimelineEvent& event, const PolicySpec& policy,
                       const std::optional<Position>& last, const Position& position,
                       WallTime since) {
    const Duration delay = last ? delay_after(policy, *last, "critical").value_or(Duration(0))
                                : policy.steps.front().after;
    if (event.at >= since + delay) return;
    complain(event.at, fmt::format("step {} of policy {} after {}, its time is {}", position.step,
                                   policy.name, base::format_duration(event.at - since),
                                   base::format_duration(delay)));
  }

  /// Unless something else happens, a step or a repeat follows `delay` after event number `i`.
  void check_follows(const std::vector<TimelineEvent>& events, std::size_t i, Duration delay) {
    const WallTime due = events[i].at + delay;
    if (due + kPunctual > index_.plan.end) return;
    // Persons are waited for until their hours begin.
    if (events[i].text.find("waits until") != std::string::npos) return;
    for (const Span& away : index_.away) {
      if (away.from <= due + kPunctual && away.to >= events[i].at) return;
    }
    for (std::size_t k = i + 1; k < events.size(); ++k) {
      const TimelineEvent& event = events[k];
      // What is over waits for resolve_hold before it is said to be.
      const Duration hold = index_.journal.config(index_.plan, due).resolve_hold;
      if (event.kind == "resolved" && event.at <= due + kPunctual + hold) return;
      if (event.at > due + kPunctual) continue;
      // Who is told something else at that moment is not told twice.
      const bool repeat = event.kind == "notified" && event.at >= due - seconds(1);
      if (is_step(event) || disturbs(event) || repeat) return;
    }
    if (is_quiet(due) || is_over(due)) return;
    complain(due, fmt::format("nothing follows '{}' of {}, {} later", events[i].text,
                              base::format_rfc3339(events[i].at), base::format_duration(delay)));
  }

  /// Nothing that its messages tell of fires at that time: it may flap, or wait to be told as over.
  ///
  /// An alert that routing sends elsewhere, with another severity or by a reload, has left its
  /// group as resolved (alertd/routing/README.md); the end is told when the route is not quiet any
  /// more.
  bool is_over(WallTime at) const {
    const std::set<std::string> routes = routes_of_whole();
    return std::none_of(rows_->begin(), rows_->end(), [&](const Told& told) {
      const auto& alerts = told.row->notification.alerts;
      return told.row->notification.group_key.starts_with("manual:") ||
             std::any_of(alerts.begin(), alerts.end(), [&](const auto& each) {
               const Life* life = life_of(index_.plan, labels_of(each.alert), at);
               return life != nullptr && at < life->end &&
                      (routes.empty() || is_on(routes, *life, at));
             });
    });
  }

  bool is_on(const std::set<std::string>& routes, const Life& life, WallTime at) const {
    const auto ends_at =
        leaves(index_.journal.config(index_.plan, at), life.labels, life.severity(at));
    return std::any_of(ends_at.begin(), ends_at.end(),
                       [&](const RouteSpec* route) { return routes.contains(route->name); });
  }

  /// Returns the routes of the incident and of what was merged into it; none: one of them has no
  /// messages, so it may be any.
  std::set<std::string> routes_of_whole() const {
    std::set<std::string> routes;
    const auto add = [&routes](const std::vector<Told>& rows) {
      for (const Told& told : rows) routes.insert(told.row->notification.route);
    };
    add(*rows_);
    for (const TimelineEvent& event : index_.journal.timelines.at(id_)) {
      if (event.kind != "merged_here") continue;
      const auto rows = index_.rows.find(event.text.substr(0, event.text.find(':')));
      if (rows == index_.rows.end()) return {};
      add(rows->second);
    }
    return routes;
  }

  /// Whoever was told of what was merged into it is told of the whole.
  void add_told_of_parts(WallTime at, std::set<std::string>& receivers) const {
    for (const TimelineEvent& event : index_.journal.timelines.at(id_)) {
      if (event.kind != "merged_here" || event.at > at) continue;
      const auto rows = index_.rows.find(event.text.substr(0, event.text.find(':')));
      if (rows == index_.rows.end()) continue;
      for (const Told& told : rows->second) {
        const incident::Notification& message = told.row->notification;
        if (!told.copy && told.opens && message.created_at <= at) {
          receivers.insert(message.receiver);
        }
      }
    }
  }

  /// Paused already when the step before was run, by a reload for one.
  bool is_quiet(WallTime at) const {
    bool paused = false;
    for (const TimelineEvent& event : index_.journal.timelines.at(id_)) {
      if (event.at > at) break;
      if (event.kind == "escalation_paused") paused = true;
      if (event.kind == "escalation_resumed") paused = false;
    }
    return paused;
  }

  // --- who is told

  std::set<std::string> receivers_of(const StepSpec& step, WallTime at) const {
    const Config& config = index_.journal.config(index_.plan, at);
    std::set<std::string> receivers;
    for (const std::string& target : step.targets) {
      const std::size_t colon = target.find(':');
      const std::string name = colon == std::string::npos ? "" : target.substr(colon + 1);
      if (target == "route") {
        const auto route = route_at(at);
        receivers.insert(route ? route->receiver : "(route)");
      } else if (target.starts_with("schedule:")) {
        for (const ScheduleSpec& schedule : config.schedules) {
          if (schedule.name == name)
            receivers.insert(on_call(schedule, index_.journal.overrides, at));
        }
      } else {
        receivers.insert(name);
      }
    }
    return receivers;
  }

  void check_persons(const TimelineEvent& event, const PolicySpec& policy,
                     const Position& position) {
    const StepSpec& step = policy.steps[position.step - 1];
    const std::set<std::string> meant = receivers_of(step, event.at);
    std::set<std::string> told;
    std::set<std::string> before;
    bool fallback = false;
    for (const Told& each : *rows_) {
      const incident::Notification& message = each.row->notification;
      if (each.copy || !each.opens) continue;
      if (message.created_at < event.at) before.insert(message.receiver);
      if (message.created_at != event.at) continue;
      told.insert(message.receiver);
      fallback = fallback || message.reason == incident::Reason::NobodyOnCall ||
                 message.reason == incident::Reason::StepFailed;
    }
    add_told_of_parts(event.at, before);
    // Several steps of one moment are told apart by nothing.
    const auto same = std::count_if(
        index_.journal.timelines.at(id_).begin(), index_.journal.timelines.at(id_).end(),
        [&](const TimelineEvent& other) { return is_step(other) && other.at == event.at; });
    if (same > 1) return;
    for (const std::string& receiver : meant) {
      if (told.contains(receiver) || receiver == "(route)") continue;
      if (!step.hours.empty()) continue;  // later, or not at all
      found_.push_back({event.at, "persons",
                        fmt::format("{}: step {} of policy {} does not tell {}", id_, position.step,
                                    policy.name, receiver)});
    }
    for (const std::string& receiver : told) {
      if (meant.contains(receiver) || meant.contains("(route)") || before.contains(receiver)) {
        continue;
      }
      if (fallback) continue;
      found_.push_back({event.at, "persons",
                        fmt::format("{}: step {} of policy {} tells {}, who is not meant", id_,
                                    position.step, policy.name, receiver)});
    }
  }

  /// What says that it is a step is one.
  void check_rows(const std::vector<TimelineEvent>& events) {
    for (const Told& each : *rows_) {
      const incident::Notification& message = each.row->notification;
      if (each.copy || message.reason != incident::Reason::Escalated) continue;
      const bool step = std::any_of(events.begin(), events.end(), [&](const auto& event) {
        return event.at == message.created_at &&
               (event.kind == "escalated" || event.kind == "hours_begin");
      });
      if (!step) complain(message.created_at, describe(message) + " is no step");
    }
  }

  void complain(WallTime at, const std::string& what) {
    found_.push_back({at, "steps", id_ + ": " + what});
  }

  const Index& index_;
  Violations& found_;
  std::string id_;
  const std::vector<Told>* rows_ = nullptr;
};

}  // namespace

void check_steps(const Index& index, Violations& found) {
  StepChecker(index, found).run();
}

}  // namespace tocsin::week
