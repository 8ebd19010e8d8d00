#include "agent/tasks/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using timezone::LocalTime;

constexpr int kDaysMax = 5 * 366;
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};
constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};

struct Field {
  const char* name;
  int min;
  int max;  ///< Inclusive.
  std::span<const std::string_view> names;
  int first_name = 0;  ///< The number of names[0].
};

constexpr Field kMinute{"minute", 0, 59, {}};
constexpr Field kHour{"hour", 0, 23, {}};
constexpr Field kDay{"day of month", 1, 31, {}};
constexpr Field kMonth{"month", 1, 12, kMonths, 1};
constexpr Field kWeekday{"day of week", 0, 7, kWeekdays, 0};

base::Error wrong(const Field& field, std::string_view text) {
  return base::error(ErrorCode::InvalidArgument,
                     fmt::format("{} '{}' is not within {} to {}, a list, a range or a step",
                                 field.name, text, field.min, field.max));
}

base::Result<int> read_number(const Field& field, std::string_view text) {
  const std::string lower = base::to_lower(text);
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (lower == field.names[i]) return field.first_name + static_cast<int>(i);
  }
  const auto number = base::parse_u64(text);
  if (!number || *number > 60) return wrong(field, text);
  const int value = static_cast<int>(*number);
  if (value < field.min || value > field.max) return wrong(field, text);
  return value;
}

/// One element of a list: "*", "5", "1-5", "*/10", "10-50/20".
template <std::size_t N>
base::Result<void> read_part(const Field& field, std::string_view part, std::bitset<N>& bits) {
  int step = 1;
  if (const std::size_t slash = part.find('/'); slash != part.npos) {
    const auto number = base::parse_u64(part.substr(slash + 1));
    if (!number || *number == 0 || *number > 60) return wrong(field, part);
    step = static_cast<int>(*number);
    part = part.substr(0, slash);
    if (part != "*" && part.find('-') == part.npos) return wrong(field, part);
  }
  int from = field.min;
  int to = field.max;
  if (part != "*") {
    const std::size_t dash = part.find('-');
    TC_TRY(from, read_number(field, part.substr(0, dash)));
    to = from;
    if (dash != part.npos) {
      TC_TRY(to, read_number(field, part.substr(dash + 1)));
    }
    if (to < from) return wrong(field, part);
  }
  for (int value = from; value <= to; value += step) {
    // 7 is Sunday too.
    bits.set(static_cast<std::size_t>(&field == &kWeekday ? value % 7 : value));
  }
  return base::ok();
}

template <std::size_t N>
base::Result<void> read_field(const Field& field, std::string_view text, std::bitset<N>& bits) {
  for (const std::string_view part : base::split(text, ',')) {
    TC_TRY(read_part(field, part, bits));
  }
  return base::ok();
}

std::string_view without_nickname(std::string_view text) {
  if (text == "@hourly") return "0 * * * *";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  return text;
}

}  // namespace

base::Result<Cron> Cron::parse(std::string_view text) {
  Cron cron;
  cron.text_ = std::string(base::trim(text));
  const std::vector<std::string_view> fields = base::split_fields(without_nickname(cron.text_));
  if (fields.size() != 5) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("'{}' has {} fields; a schedule has five: minute, hour, day of "
                                   "month, month, day of week",
                                   cron.text_, fields.size()));
  }
  TC_TRY(read_field(kMinute, fields[0], cron.minutes_));
  TC_TRY(read_field(kHour, fields[1], cron.hours_));
  TC_TRY(read_field(kDay, fields[2], cron.days_));
  TC_TRY(read_field(kMonth, fields[3], cron.months_));
  TC_TRY(read_field(kWeekday, fields[4], cron.weekdays_));
  cron.any_hour_ = fields[1].starts_with('*');
  cron.any_day_ = fields[2].starts_with('*');
  cron.any_weekday_ = fields[4].starts_with('*');
  return cron;
}

bool Cron::day_matches(LocalTime day) const {
  const std::chrono::year_month_day date(
      std::chrono::local_days(std::chrono::floor<std::chrono::days>(day)));
  if (!months_[static_cast<unsigned>(date.month())]) return false;
  const bool by_date = days_[static_cast<unsigned>(date.day())];
  const bool by_weekday = weekdays_[static_cast<std::size_t>((timezone::weekday_of(day) + 1) % 7)];
  // Of two restricted fields either will do; a step ("*/2") counts as not restricted.
  if (any_day_ || any_weekday_) return by_date && by_weekday;
  return by_date || by_weekday;
}

std::optional<base::WallTime> Cron::in_day(const timezone::Zone& zone, LocalTime day,
                                           base::WallTime after) const {
  std::optional<base::WallTime> first;
  const auto take = [&](base::WallTime at) {
    if (at > after && (!first || at < *first)) first = at;
  };
  for (int hour = 0; hour < 24; ++hour) {
    if (!hours_[static_cast<std::size_t>(hour)]) continue;
    for (int minute = 0; minute < 60; ++minute) {
      if (!minutes_[static_cast<std::size_t>(minute)]) continue;
      const LocalTime local = day + std::chrono::hours(hour) + std::chrono::minutes(minute);
      const base::WallTime at = zone.to_wall(local);
      // Of every hour: what does not exist is left out, what comes twice is due twice.
      if (any_hour_ && zone.to_local(at) != local) continue;
      take(at);
      if (!any_hour_) continue;
      if (const auto second = zone.second_to_wall(local)) take(*second);
    }
  }
  return first;
}

std::optional<base::WallTime> Cron::next(const timezone::Zone& zone, base::WallTime after) const {
  LocalTime day = timezone::day_of(zone.to_local(after));
  for (int tried = 0; tried < kDaysMax; ++tried, day += std::chrono::days(1)) {
    if (!day_matches(day)) continue;
    if (const auto at = in_day(zone, day, after)) return at;
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
