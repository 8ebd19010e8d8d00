// A week as it will be: configurations, alerts, people, faults. Made from a seed, plain data.
//
// The daemon gets it as TOML text and as calls, the oracle as it stands here.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/model/severity.h"
#include "tests/sim/week/calendar.h"

namespace tocsin::week {

using LabelMap = std::map<std::string, std::string>;

struct Match {
  std::string label;
  std::string value;
  bool equal = true;
};
using Matchers = std::vector<Match>;

struct RouteSpec {
  std::string name;
  Matchers matchers;  ///< Of the root: none.
  std::string receiver;
  std::string policy;  ///< Empty: by severity.
  std::string mute;    ///< Name of the interval; empty: never quiet.
  bool continues = false;
  std::vector<std::string> group_by;
  base::Duration group_wait{0};
  base::Duration group_interval{0};
  std::vector<RouteSpec> children;
};

struct StepSpec {
  base::Duration after{0};
  std::vector<std::string> targets;  ///< "person:ada", "schedule:primary", "receiver:x", "route"
  std::string hours;                 ///< "09:00-17:00"; empty: always.
};

struct PolicySpec {
  std::string name;
  std::vector<StepSpec> steps;
  std::uint32_t loops = 0;
  base::Duration every{0};
  base::Duration then{0};
  std::string fallback;  ///< A receiver.
  std::optional<int> digest_hour;
  Zone zone = Zone::Utc;
};

struct OverrideSpec {
  std::string schedule;
  std::string person;
  base::WallTime begin;
  base::WallTime end;
};

struct ScheduleSpec {
  std::string name;
  Zone zone = Zone::Utc;
  std::vector<std::string> persons;
  std::chrono::hours rotation{24};
  base::WallTime start;  ///< As the local clock shows it.
  std::optional<OverrideSpec> over;
  bool notice = false;
};

struct ReceiverSpec {
  std::string name;
  std::vector<std::string> channels;
  std::string failover;  ///< "receiver/channel"; empty: none.
  bool paced = false;    ///< It takes few messages a minute.
};

/// Local times of every day.
struct IntervalSpec {
  std::string name;
  Zone zone = Zone::Utc;
  int from_hour = 0;
  int to_hour = 0;
};

struct MaintenanceSpec {
  std::string name;
  Matchers matchers;
  Zone zone = Zone::Utc;
  int weekday = 0;  ///< 0: Sunday.
  int hour = 0;
  std::chrono::hours length{1};
};

struct InhibitSpec {
  Matchers source;
  Matchers target;
  std::vector<std::string> equal;
};

struct Config {
  std::vector<ReceiverSpec> receivers;
  std::map<std::string, Zone> persons;  ///< Each has a receiver of its name.
  std::vector<ScheduleSpec> schedules;
  std::vector<PolicySpec> policies;
  std::array<std::string, 4> by_severity;  ///< Names of policies.
  RouteSpec root;
  std::vector<IntervalSpec> intervals;
  std::vector<MaintenanceSpec> maintenances;
  std::vector<InhibitSpec> inhibits;
  std::size_t storm_incidents = 0;
  base::Duration resolve_hold{0};

  const PolicySpec* policy(const std::string& name) const;
  const ReceiverSpec* receiver(const std::string& name) const;
};

/// Returns alertd.toml.
std::string to_toml(const Config& config);

/// One alert that fires once: from `fire`, which is its condition's begin and its `for`, to `end`.
struct Life {
  LabelMap labels;
  base::Duration held_for{0};  ///< The rule's `for`.
  base::WallTime fire;
  base::WallTime end;
  std::map<base::WallTime, model::Severity> severities;  ///< From when on; the first at `fire`.

  bool fires(base::WallTime at) const { return at >= fire && at < end; }
  model::Severity severity(base::WallTime at) const;
};

struct Event {
  enum class Kind {
    Silence,      ///< `matchers` for `length`; ended early after `second`, unless 0.
    Maintenance,  ///< Made by a person: `matchers` for `length`.
    Reload,       ///< Configuration number `pick`.
    Crash,        ///< Down for `length`; `pick` says in what moment, see CrashMoment.
    StoreFails,   ///< For `length`; `pick` odd: what failed was written all the same.
    Person,       ///< Something a person does: `pick` says what and to which incident.
    Override,     ///< A person takes over a schedule for `length`.
  };
  base::WallTime at;
  Kind kind = Kind::Person;
  base::Duration length{0};
  base::Duration second{0};
  std::uint64_t pick = 0;
  Matchers matchers;
};

enum class CrashMoment { Now, BeforeCommit, AfterCommit, DuringAttempt };

/// A channel that does not do what it should.
struct Fault {
  enum class Mode {
    Slow,     ///< Answers after `delay`.
    Busy,     ///< 429, come back after `delay`.
    Broken,   ///< 500.
    Dead,     ///< Never answers, takes nothing.
    LosesOk,  ///< Takes the message, and its answer is lost.
    Refuses,  ///< 400: takes it never.
  };
  std::string channel;  ///< "receiver/channel"
  base::WallTime from;
  base::WallTime to;
  Mode mode = Mode::Broken;
  base::Duration delay{0};
};

struct Plan {
  std::uint64_t seed = 0;
  base::WallTime start;
  base::WallTime end;  ///< Then all that fires is over, and faults too.
  std::vector<Config> configs;
  std::vector<Life> lives;    ///< By `fire`.
  std::vector<Event> events;  ///< By `at`.
  std::vector<Fault> faults;
};

/// The same seed gives the same plan.
Plan make_plan(std::uint64_t seed);

/// Returns the plan for people: what is configured, and what happens when.
std::string describe(const Plan& plan);
std::string describe(const Event& event);
std::string to_string(const LabelMap& labels);

}  // namespace tocsin::week
