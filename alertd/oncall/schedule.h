// Who is on call, when: schedules of layers that take turns, and what is put over them.
//
//   ada and ben take turns each week, Monday 09:00 local, nights and weekends
//   +  an override: cleo, 24 December          -> who(schedule, instant), shifts(from, to)
//   +  holidays: the layer "holidays" only then
//
// An override wins over every layer, the newest over older ones; of layers the one that is written
// first wins where it holds. Pure: no clock; all times are instants, all counting is in local time,
// so that a hand-over at 09:00 stays at 09:00 when clocks change.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/oncall/holidays.h"
#include "common/base/diagnostic.h"
#include "common/timezone/hours.h"

namespace tocsin::oncall {

/// Taking turns: turn i begins at start + i * length, in local time.
struct Rotation {
  std::vector<std::vector<std::string>>
      turns;  ///< Persons of each turn; several are on call together.
  std::chrono::hours length{7 * 24};
  timezone::LocalTime start;  ///< Of the first turn; before it nobody is on call.
};

enum class OnHolidays {
  Ignore,    ///< The layer holds on holidays as on other days.
  Suppress,  ///< It does not hold on holidays.
  Only,      ///< It holds on holidays only.
};

struct Layer {
  std::string name;
  Rotation rotation;
  std::vector<timezone::Hours> hours;  ///< Empty: always.
  OnHolidays on_holidays = OnHolidays::Ignore;
};

struct Override {
  std::string id;  ///< Unique in its schedule; of the configuration: "config-1".
  std::string schedule;
  std::vector<std::string> persons;
  base::WallTime begin;
  base::WallTime end;  ///< Exclusive.
  std::string by;      ///< Who put it there; empty: the configuration.
  std::string comment;
};

struct Schedule {
  std::string name;
  timezone::Zone zone;
  std::vector<Layer> layers;
  std::vector<Override> overrides;           ///< Oldest first.
  std::shared_ptr<const Holidays> holidays;  ///< Null: none.
  /// Before a hand-over both persons are told so long before; 0: at the hand-over; nullopt: not.
  std::optional<base::Duration> notice;
  base::Position at;  ///< Where it stands in the configuration.
};

/// Who is on call at an instant, and by what.
struct OnCall {
  std::vector<std::string> persons;  ///< Empty: nobody.
  std::string layer;                 ///< Name of the layer; "override ID"; empty: nobody.
  friend bool operator==(const OnCall&, const OnCall&) = default;
};

OnCall who(const Schedule& schedule, base::WallTime at);

/// Returns the first instant after `at` at which somebody else may be on call; nullopt: never.
std::optional<base::WallTime> next_edge(const Schedule& schedule, base::WallTime at);

/// Returns the first instant after `at`, and not after `until`, at which the persons change.
std::optional<base::WallTime> next_change(const Schedule& schedule, base::WallTime at,
                                          base::WallTime until);

struct Shift {
  base::WallTime begin;
  base::WallTime end;
  OnCall on_call;
};

/// More shifts are never returned at once.
inline constexpr std::size_t kShiftsMax = 10'000;

/// Returns the shifts between two instants without a hole; a gap is a shift of nobody. Shifts of
/// the same persons by the same layer are one.
std::vector<Shift> shifts(const Schedule& schedule, base::WallTime from, base::WallTime to);

/// Returns when nobody is on call.
std::vector<Shift> gaps(const Schedule& schedule, base::WallTime from, base::WallTime to);

}  // namespace tocsin::oncall
