// The plan as text: alertd.toml for the daemon, and what happens for people.
#include <fmt/format.h>

#include "tests/sim/week/plan.h"

namespace tocsin::week {

namespace {

std::string quoted(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", word);
  }
  return "[" + text + "]";
}

std::string list(const Matchers& matchers) {
  std::string text;
  for (const Match& match : matchers) {
    text += fmt::format("{}'{}{}\"{}\"'", text.empty() ? "" : ", ", match.label,
                        match.equal ? "=" : "!=", match.value);
  }
  return "[" + text + "]";
}

std::string describe(const Matchers& matchers) {
  std::string text;
  for (const Match& match : matchers) {
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ",", match.label,
                        match.equal ? "=" : "!=", match.value);
  }
  return "{" + text + "}";
}

std::string seconds(base::Duration duration) {
  return fmt::format("\"{}\"", base::format_duration(duration));
}

void add_route(std::string& toml, const RouteSpec& route, const std::string& table) {
  const bool root = table == "route";
  toml += root ? "[route]\n" : fmt::format("[[{}]]\n", table);
  toml += fmt::format(
      "name = \"{}\"\nreceiver = \"{}\"\ngroup_by = {}\ngroup_wait = {}\n"
      "group_interval = {}\nrepeat_interval = \"4h\"\n",
      route.name, route.receiver, quoted(route.group_by), seconds(route.group_wait),
      seconds(route.group_interval));
  if (!root) toml += fmt::format("matchers = {}\n", list(route.matchers));
  if (route.continues) toml += "continue = true\n";
  if (!route.policy.empty()) toml += fmt::format("policy = \"{}\"\n", route.policy);
  if (!route.mute.empty()) toml += fmt::format("mute_time_intervals = [\"{}\"]\n", route.mute);
  for (const RouteSpec& child : route.children) add_route(toml, child, table + ".routes");
}

void add_policy(std::string& toml, const PolicySpec& policy) {
  toml += fmt::format("[[policy]]\nname = \"{}\"\ntime_zone = \"{}\"\n", policy.name,
                      name_of(policy.zone));
  if (!policy.fallback.empty()) {
    toml += fmt::format("fallback = [\"receiver:{}\"]\n", policy.fallback);
  }
  if (policy.digest_hour) toml += fmt::format("digest = \"{:02}:00\"\n", *policy.digest_hour);
  if (policy.loops > 0 || policy.then.count() > 0) {
    toml += fmt::format("repeat = {{ times = {}, every = {}, then = {} }}\n", policy.loops,
                        seconds(std::max<base::Duration>(policy.every, std::chrono::minutes(1))),
                        seconds(policy.then));
  }
  for (const StepSpec& step : policy.steps) {
    toml += fmt::format("[[policy.step]]\nafter = {}\nnotify = {}\n", seconds(step.after),
                        quoted(step.targets));
    if (!step.hours.empty()) toml += fmt::format("hours = \"{}\"\n", step.hours);
  }
}

void add_schedule(std::string& toml, const ScheduleSpec& schedule) {
  toml += fmt::format("[[schedule]]\nname = \"{}\"\ntime_zone = \"{}\"\n", schedule.name,
                      name_of(schedule.zone));
  if (schedule.notice) toml += "handover_notice = \"15m\"\n";
  toml += fmt::format("[[schedule.layer]]\npersons = {}\nrotation = \"{}h\"\nstart = \"{}\"\n",
                      quoted(schedule.persons), schedule.rotation.count(),
                      format_shown(schedule.start));
  if (!schedule.over) return;
  toml += fmt::format("[[schedule.override]]\nperson = \"{}\"\nfrom = \"{}\"\nto = \"{}\"\n",
                      schedule.over->person, base::format_rfc3339(schedule.over->begin),
                      base::format_rfc3339(schedule.over->end));
}

}  // namespace

std::string to_toml(const Config& config) {
  std::string toml = fmt::format(
      "[store]\npath = \"/alertd\"\n[rules]\npaths = []\n[notify]\nfallback = \"last\"\n"
      "[incident]\nstorm_incidents = {}\nresolve_hold = {}\n",
      config.storm_incidents, seconds(config.resolve_hold));
  for (const ReceiverSpec& receiver : config.receivers) {
    toml += fmt::format("[[receiver]]\nname = \"{}\"\n", receiver.name);
    for (const std::string& channel : receiver.channels) {
      toml += fmt::format(
          "[[receiver.webhook]]\nname = \"{}\"\nurl = \"http://hooks.test/{}/{}\"\n"
          "rate_per_minute = {}\n",
          channel, receiver.name, channel, receiver.paced ? 6 : 0);
      if (!receiver.failover.empty()) {
        toml += fmt::format("failover = \"{}\"\n", receiver.failover);
      }
    }
  }
  for (const auto& [name, zone] : config.persons) {
    toml += fmt::format("[[person]]\nname = \"{0}\"\nreceiver = \"{0}\"\ntime_zone = \"{1}\"\n",
                        name, name_of(zone));
  }
  for (const ScheduleSpec& schedule : config.schedules) add_schedule(toml, schedule);
  for (const PolicySpec& policy : config.policies) add_policy(toml, policy);
  toml += "[policies]\n";
  for (const model::Severity severity : model::kSeverities) {
    toml += fmt::format("{} = \"{}\"\n", model::to_string(severity),
                        config.by_severity[static_cast<std::size_t>(severity)]);
  }
  for (const IntervalSpec& each : config.intervals) {
    toml += fmt::format(
        "[[time_interval]]\nname = \"{}\"\ntime_zone = \"{}\"\ntimes = [\"{:02}:00-{:02}:00\"]\n",
        each.name, name_of(each.zone), each.from_hour, each.to_hour);
  }
  constexpr std::array kDays{"sunday",   "monday", "tuesday", "wednesday",
                             "thursday", "friday", "saturday"};
  for (const MaintenanceSpec& each : config.maintenances) {
    toml += fmt::format(
        "[[maintenance]]\nname = \"{}\"\nmatchers = {}\ntime_zone = \"{}\"\nweekdays = [\"{}\"]\n"
        "at = \"{:02}:00\"\nduration = \"{}h\"\n",
        each.name, list(each.matchers), name_of(each.zone),
        kDays[static_cast<std::size_t>(each.weekday)], each.hour, each.length.count());
  }
  for (const InhibitSpec& each : config.inhibits) {
    toml += fmt::format("[[inhibit]]\nsource = {}\ntarget = {}\nequal = {}\n", list(each.source),
                        list(each.target), quoted(each.equal));
  }
  add_route(toml, config.root, "route");
  return toml;
}

std::string to_string(const LabelMap& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  }
  return "{" + text + "}";
}

std::string describe(const Event& event) {
  const std::string length = base::format_duration(event.length);
  switch (event.kind) {
    case Event::Kind::Silence:
      return fmt::format(
          "silence {} for {}{}", describe(event.matchers), length,
          event.second.count() > 0 ? ", ended after " + base::format_duration(event.second) : "");
    case Event::Kind::Maintenance:
      return fmt::format("maintenance of {} for {}", describe(event.matchers), length);
    case Event::Kind::Reload:
      return fmt::format("reload: configuration {}", event.pick);
    case Event::Kind::Crash:
      return fmt::format("crash, down for {}", length);
    case Event::Kind::StoreFails:
      return fmt::format("the store fails for {}{}", length,
                         event.pick % 2 == 1 ? ", and writes all the same" : "");
    case Event::Kind::Person:
      return "a person";
    case Event::Kind::Override:
      return fmt::format("an override for {}", length);
  }
  return "";
}

std::string describe(const Plan& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.configs.size(); ++i) {
    text += fmt::format("--- configuration {}\n{}", i, to_toml(plan.configs[i]));
  }
  text += "--- alerts\n";
  for (const Life& life : plan.lives) {
    text += fmt::format("{} to {} {}", base::format_rfc3339(life.fire),
                        base::format_rfc3339(life.end), to_string(life.labels));
    for (const auto& [at, severity] : life.severities) {
      text += fmt::format(" {}@{}", model::to_string(severity), base::format_rfc3339(at));
    }
    text += '\n';
  }
  text += "--- faults\n";
  constexpr std::array kModes{"slow", "busy", "broken", "dead", "loses answers", "refuses"};
  for (const Fault& fault : plan.faults) {
    text += fmt::format("{} to {} {} {} {}\n", base::format_rfc3339(fault.from),
                        base::format_rfc3339(fault.to), fault.channel,
                        kModes[static_cast<std::size_t>(fault.mode)],
                        base::format_duration(fault.delay));
  }
  return text;
}

}  // namespace tocsin::week
