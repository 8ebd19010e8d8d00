#include "alertd/incident/policy_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/oncall/directory_config.h"
#include "common/base/strings.h"

namespace tocsin::incident {

using base::Duration;
using oncall::Target;

namespace {

constexpr std::size_t kPoliciesMax = 1000;
constexpr std::size_t kStepsMax = 50;
constexpr std::size_t kTargetsMax = 100;
constexpr Duration kDelayMax = std::chrono::hours(24 * 7);

using Receivers = std::map<std::string, std::vector<std::string>>;

class Reader {
 public:
  Reader(const oncall::Directory& directory, const Receivers& receivers)
      : directory_(directory), receivers_(receivers) {}

  Policies read(config::Table& root) {
    std::vector<config::Table> tables = root.tables("policy");
    if (tables.size() > kPoliciesMax) {
      root.error("policy", fmt::format("more than {} policies", kPoliciesMax));
    }
    for (config::Table& table : tables) read_policy(table);
    config::Table chosen = root.table("policies");
    for (const model::Severity severity : model::kSeverities) read_choice(chosen, severity);
    chosen.finish();
    return std::move(policies_);
  }

 private:
  void read_choice(config::Table& table, model::Severity severity) {
    const std::string_view key = model::to_string(severity);
    const std::string name = table.string(key, "");
    if (!name.empty() && !policies_.by_name.contains(name)) {
      const auto near = base::closest(name, base::keys_of(policies_.by_name));
      table.error(key, fmt::format("there is no policy '{}'", name),
                  near ? fmt::format("did you mean '{}'?", *near) : "define it under [[policy]]");
      return;
    }
    policies_.by_severity[static_cast<std::size_t>(severity)] = name;
  }

  void read_policy(config::Table& table) {
    Policy policy;
    policy.name = table.required_string("name");
    if (policy.name.size() > 100) table.error("name", "policy name is longer than 100 bytes");
    if (policies_.by_name.contains(policy.name)) {
      table.error("name", fmt::format("two policies are named '{}'", policy.name));
    }
    if (const auto name = table.optional_string("time_zone")) {
      auto zone = timezone::Zone::find(*name);
      if (zone) {
        policy.zone = *zone;
      } else {
        table.error("time_zone", zone.error().message);
      }
    }
    read_repeat(table, policy);
    policy.fallback = read_targets(table, "fallback");
    if (const auto text = table.optional_string("digest")) {
      auto time = timezone::parse_time_of_day(*text);
      if (time && *time < std::chrono::hours(24)) {
        policy.digest = *time;
      } else {
        table.error("digest", fmt::format("'{}' is not a time of the day", *text),
                    "when the one message of the day leaves, such as \"09:00\"");
      }
    }
    read_steps(table, policy);
    table.finish();
    if (!policy.name.empty()) policies_.by_name.emplace(policy.name, policy);
  }

  static void read_repeat(config::Table& table, Policy& policy) {
    config::Table repeat = table.table("repeat");
    policy.loops = static_cast<std::uint32_t>(repeat.integer("times", 0, 0, 100));
    policy.loop_every = repeat.duration("every", std::chrono::minutes(30));
    if (policy.loops > 0 && policy.loop_every < std::chrono::minutes(1)) {
      repeat.error("every", "must be at least 1m");
    }
    policy.then = repeat.duration("then", Duration(0));
    if (policy.then.count() > 0 && policy.then < std::chrono::minutes(1)) {
      repeat.error("then", "must be at least 1m, or 0s for never");
    }
    repeat.finish();
  }

  void read_steps(config::Table& table, Policy& policy) {
    std::vector<config::Table> steps = table.tables("step");
    if (steps.empty()) {
      table.error("step", fmt::format("policy '{}' is empty: nobody would be told", policy.name),
                  "add a [[policy.step]] with notify = [\"schedule:primary\"]");
    }
    if (steps.size() > kStepsMax) table.error("step", fmt::format("more than {} steps", kStepsMax));
    for (config::Table& step : steps) policy.steps.push_back(read_step(step));
    if (policy.digest && steps.size() > 1) {
      table.error("digest", "a policy with a digest has one step: those who get it");
    }
  }

  PolicyStep read_step(config::Table& table) {
    PolicyStep step;
    step.after = table.duration("after", Duration(0));
    if (step.after > kDelayMax) table.error("after", "must be at most 7d");
    step.notify = read_targets(table, "notify");
    if (table.strings("notify").empty()) {
      table.error("notify", "the step tells nobody",
                  "name targets: notify = [\"schedule:primary\", \"receiver:chat\"]");
    }
    step.important = table.boolean("important", false);
    read_hours(table, step);
    step.skip_outside = table.one_of("outside_hours", "wait", {"wait", "skip"}) == "skip";
    step.alerts_min = static_cast<std::size_t>(table.integer("alerts_min", 0, 0, 1'000'000));
    step.within = table.duration("within", Duration(0));
    if (table.has("within") && step.alerts_min == 0) {
      table.error("within", "'within' belongs to alerts_min");
    }
    if (const auto text = table.optional_string("severity")) {
      step.severity_min = model::parse_severity(*text);
      if (!step.severity_min) {
        table.error("severity", fmt::format("'{}' is none of critical, high, medium, low", *text));
      }
    }
    table.finish();
    return step;
  }

  static void read_hours(config::Table& table, PolicyStep& step) {
    step.hours = oncall::read_hours(table);
    if (table.has("outside_hours") && step.hours.empty()) {
      table.error("outside_hours", "the step has no hours and no weekdays");
    }
  }

  std::vector<Target> read_targets(config::Table& table, const char* key) {
    std::vector<Target> targets;
    for (const std::string& text : table.strings(key)) {
      auto target = oncall::parse_target(text);
      if (!target) {
        table.error(key, target.error().message);
        continue;
      }
      if (std::find(targets.begin(), targets.end(), *target) != targets.end()) {
        table.error(key, fmt::format("'{}' is named twice", text));
        continue;
      }
      check_known(table, key, *target);
      targets.push_back(std::move(*target));
    }
    if (targets.size() > kTargetsMax) {
      table.error(key, fmt::format("more than {} targets", kTargetsMax));
    }
    return targets;
  }

  void check_known(config::Table& table, const char* key, const Target& target) {
    switch (target.kind) {
      case Target::Kind::Person:
        return check_name(table, key, "person", target.name, directory_.persons);
      case Target::Kind::Team:
        return check_name(table, key, "team", target.name, directory_.teams);
      case Target::Kind::Schedule:
        return check_name(table, key, "schedule", target.name, directory_.schedules);
      case Target::Kind::Receiver:
        check_name(table, key, "receiver", target.name, receivers_);
        check_channel(table, key, target);
        return;
      case Target::Kind::Route:
        return;
    }
  }

  template <class Map>
  static void check_name(config::Table& table, const char* key, const char* what,
                         const std::string& name, const Map& known) {
    if (known.contains(name)) return;
    const auto near = base::closest(name, base::keys_of(known));
    table.error(key, fmt::format("there is no {} '{}'", what, name),
                near ? fmt::format("did you mean '{}'?", *near)
                     : fmt::format("define it under [[{}]]", what));
  }

  void check_channel(config::Table& table, const char* key, const Target& target) {
    const auto receiver = receivers_.find(target.name);
    if (target.channel.empty() || receiver == receivers_.end()) return;
    const std::vector<std::string>& channels = receiver->second;
    if (std::find(channels.begin(), channels.end(), target.channel) != channels.end()) return;
    table.error(key, fmt::format("receiver '{}' has no channel '{}'", target.name, target.channel),
                fmt::format("it has {}", channels.empty() ? "none" : base::join(channels, ", ")));
  }

  const oncall::Directory& directory_;
  const Receivers& receivers_;
  Policies policies_;
};

}  // namespace

Policies read_policies(config::Table& root, const oncall::Directory& directory,
                       const Receivers& receivers) {
  const bool written = root.has("policies") || root.has("policy");
  if (!written && !directory.empty()) return default_policies(directory);
  return Reader(directory, receivers).read(root);
}

}  // namespace tocsin::incident
