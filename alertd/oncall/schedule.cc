#include "alertd/oncall/schedule.h"

#include <algorithm>

namespace tocsin::oncall {

using base::WallTime;
using timezone::LocalTime;
using timezone::Zone;

namespace {

WallTime turn_begin(const Rotation& rotation, const Zone& zone, std::int64_t index) {
  return zone.to_wall(rotation.start + rotation.length * index);
}

/// Returns the turn at `at`; negative before the start. Found by local arithmetic, then put right
/// by instants: in the hour that comes twice local time goes back, turns do not.
std::int64_t turn_at(const Rotation& rotation, const Zone& zone, WallTime at) {
  const auto elapsed = zone.to_local(at) - rotation.start;
  std::int64_t index = elapsed / rotation.length;
  if (elapsed < LocalTime::duration(0)) --index;
  while (turn_begin(rotation, zone, index + 1) <= at) ++index;
  while (turn_begin(rotation, zone, index) > at) --index;
  return index;
}

bool holds(const Schedule& schedule, const Layer& layer, WallTime at) {
  if (!timezone::covers(layer.hours, schedule.zone, at)) return false;
  if (layer.on_holidays == OnHolidays::Ignore) return true;
  const bool holiday = schedule.holidays && schedule.holidays->at(schedule.zone, at).has_value();
  return holiday == (layer.on_holidays == OnHolidays::Only);
}

}  // namespace

OnCall who(const Schedule& schedule, WallTime at) {
  for (auto each = schedule.overrides.rbegin(); each != schedule.overrides.rend(); ++each) {
    if (each->begin <= at && at < each->end) return {each->persons, "override " + each->id};
  }
  for (const Layer& layer : schedule.layers) {
    if (layer.rotation.turns.empty() || !holds(schedule, layer, at)) continue;
    const std::int64_t turn = turn_at(layer.rotation, schedule.zone, at);
    if (turn < 0) continue;
    const auto count = static_cast<std::int64_t>(layer.rotation.turns.size());
    return {layer.rotation.turns[static_cast<std::size_t>(turn % count)], layer.name};
  }
  return {};
}

std::optional<WallTime> next_edge(const Schedule& schedule, WallTime at) {
  std::optional<WallTime> next;
  const auto consider = [&](std::optional<WallTime> edge) {
    if (edge && *edge > at) next = std::min(next.value_or(*edge), *edge);
  };
  for (const Override& each : schedule.overrides) {
    consider(each.begin);
    consider(each.end);
  }
  for (const Layer& layer : schedule.layers) {
    const std::int64_t turn = turn_at(layer.rotation, schedule.zone, at);
    if (turn < 0 || layer.rotation.turns.size() > 1) {
      consider(turn_begin(layer.rotation, schedule.zone, std::max<std::int64_t>(turn + 1, 0)));
    }
    consider(timezone::next_edge(layer.hours, schedule.zone, at));
    if (layer.on_holidays != OnHolidays::Ignore && schedule.holidays) {
      consider(schedule.holidays->next_edge(schedule.zone, at));
    }
  }
  return next;
}

std::optional<WallTime> next_change(const Schedule& schedule, WallTime at, WallTime until) {
  const OnCall now = who(schedule, at);
  std::size_t steps = 0;
  for (auto edge = next_edge(schedule, at); edge && *edge <= until && ++steps < kShiftsMax;
       edge = next_edge(schedule, *edge)) {
    if (who(schedule, *edge).persons != now.persons) return edge;
  }
  return std::nullopt;
}

std::vector<Shift> shifts(const Schedule& schedule, WallTime from, WallTime to) {
  std::vector<Shift> result;
  std::size_t steps = 0;
  for (WallTime at = from; at < to && ++steps < kShiftsMax;) {
    const WallTime end = std::min(next_edge(schedule, at).value_or(to), to);
    OnCall on_call = who(schedule, at);
    if (!result.empty() && result.back().on_call == on_call) {
      result.back().end = end;
    } else {
      result.push_back({at, end, std::move(on_call)});
    }
    at = end;
  }
  return result;
}

std::vector<Shift> gaps(const Schedule& schedule, WallTime from, WallTime to) {
  std::vector<Shift> result = shifts(schedule, from, to);
  std::erase_if(result, [](const Shift& shift) { return !shift.on_call.persons.empty(); });
  return result;
}

}  // namespace tocsin::oncall
