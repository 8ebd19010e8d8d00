#include "alertd/oncall/directory.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::oncall {

using base::ErrorCode;
using base::Result;

std::string Target::to_string() const {
  switch (kind) {
    case Kind::Person:
      return "person:" + name;
    case Kind::Team:
      return "team:" + name;
    case Kind::Schedule:
      return "schedule:" + name;
    case Kind::Receiver:
      return "receiver:" + name + (channel.empty() ? "" : "/" + channel);
    case Kind::Route:
      return "route";
  }
  return "route";
}

Result<Target> parse_target(std::string_view text) {
  Target target;
  if (text == "route") return target;
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (kind == "person") {
    target.kind = Target::Kind::Person;
  } else if (kind == "team") {
    target.kind = Target::Kind::Team;
  } else if (kind == "schedule") {
    target.kind = Target::Kind::Schedule;
  } else if (kind == "receiver") {
    target.kind = Target::Kind::Receiver;
  } else {
    return base::error(
        ErrorCode::InvalidArgument,
        fmt::format("'{}' is no target; expected person:NAME, team:NAME, schedule:NAME, "
                    "receiver:NAME, receiver:NAME/CHANNEL or route",
                    text));
  }
  const std::size_t slash =
      target.kind == Target::Kind::Receiver ? name.find('/') : std::string_view::npos;
  target.name = name.substr(0, slash);
  if (slash != std::string_view::npos) target.channel = name.substr(slash + 1);
  if (target.name.empty() || (slash != std::string_view::npos && target.channel.empty())) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("target '{}' has no name", text));
  }
  return target;
}

std::vector<std::string> Directory::persons_of(const Target& target, base::WallTime at) const {
  switch (target.kind) {
    case Target::Kind::Person:
      if (persons.contains(target.name)) return {target.name};
      return {};
    case Target::Kind::Team: {
      const auto team = teams.find(target.name);
      return team == teams.end() ? std::vector<std::string>() : team->second.persons;
    }
    case Target::Kind::Schedule: {
      const auto schedule = schedules.find(target.name);
      return schedule == schedules.end() ? std::vector<std::string>()
                                         : who(schedule->second, at).persons;
    }
    case Target::Kind::Receiver:
    case Target::Kind::Route:
      return {};
  }
  return {};
}

void Directory::put_override(Override added) {
  const auto schedule = schedules.find(added.schedule);
  if (schedule == schedules.end()) return;
  remove_override(added.schedule, added.id);
  schedule->second.overrides.push_back(std::move(added));
}

bool Directory::remove_override(const std::string& schedule, const std::string& id) {
  const auto found = schedules.find(schedule);
  if (found == schedules.end()) return false;
  return std::erase_if(found->second.overrides,
                       [&](const Override& each) { return each.id == id; }) > 0;
}

}  // namespace tocsin::oncall
