// Persons, teams and schedules: everybody who can be told by name, and how names become receivers.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/oncall/schedule.h"

namespace tocsin::oncall {

struct Person {
  std::string name;
  timezone::Zone zone;
  std::string receiver;
  std::string important_receiver;  ///< For steps that are `important`; empty: the same.
};

struct Team {
  std::string name;
  std::vector<std::string> persons;
};

/// Who or what a step tells.
struct Target {
  enum class Kind {
    Person,
    Team,
    Schedule,
    Receiver,  ///< `receiver:chat`, or one channel of it: `receiver:chat/slack`.
    Route,     ///< The receiver of the incident's route.
  };
  Kind kind = Kind::Route;
  std::string name;     ///< Empty for Route.
  std::string channel;  ///< Receiver only; empty: all.

  std::string to_string() const;
  friend bool operator==(const Target&, const Target&) = default;
};

/// Parses "person:ada", "team:dba", "schedule:primary", "receiver:chat", "receiver:chat/slack" or
/// "route". Errors: InvalidArgument.
base::Result<Target> parse_target(std::string_view text);

/// Names that stand in configuration. Value type.
struct Directory {
  std::map<std::string, Person> persons;
  std::map<std::string, Team> teams;
  std::map<std::string, Schedule> schedules;

  bool empty() const { return persons.empty() && schedules.empty(); }

  /// Returns the names of the persons behind a target at `at`; none for receivers.
  std::vector<std::string> persons_of(const Target& target, base::WallTime at) const;

  /// Takes the place of the override with the same id, or is the newest. The schedule must exist.
  void put_override(Override added);
  /// Returns whether it was there.
  bool remove_override(const std::string& schedule, const std::string& id);
};

}  // namespace tocsin::oncall
