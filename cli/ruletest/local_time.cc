// Time zones come from the system's database over Howard Hinnant's date library, which throws.

#include "cli/ruletest/local_time.h"

#include <date/tz.h>
#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

base::Result<const date::time_zone*> find_zone(const std::string& name) {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    return invalid(
        fmt::format("time zone '{}' is not known; expected such as Europe/Berlin", name));
  }
}

/// Takes exactly `digits` digits and `after` (0: nothing) from the front.
bool take(std::string_view& text, std::size_t digits, char after, int& value) {
  if (text.size() < digits + (after != 0 ? 1 : 0)) return false;
  const auto parsed = base::parse_u64(text.substr(0, digits));
  if (!parsed || (after != 0 && text[digits] != after)) return false;
  value = static_cast<int>(*parsed);
  text.remove_prefix(digits + (after != 0 ? 1 : 0));
  return true;
}

/// "09:30" or "09:30:15".
base::Result<std::chrono::seconds> parse_time_of_day(std::string_view text) {
  const std::string whole(text);
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  bool good = take(text, 2, ':', hours) && take(text, 2, 0, minutes);
  if (good && !text.empty()) {
    good = text.front() == ':';
    text.remove_prefix(1);
    good = good && take(text, 2, 0, seconds) && text.empty();
  }
  if (!good || hours > 23 || minutes > 59 || seconds > 59) {
    return invalid(fmt::format("'{}' is not a time of the day such as 09:30", whole));
  }
  return std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
}

base::Result<base::WallTime> to_instant(date::local_seconds local, const std::string& zone_name) {
  TC_TRY(const date::time_zone* zone, find_zone(zone_name));
  const date::local_info info = zone->get_info(local);
  if (info.result == date::local_info::unique) {
    return base::WallTime(local.time_since_epoch() - info.first.offset);
  }
  return invalid(fmt::format("this time of {} {}", zone_name,
                             info.result == date::local_info::nonexistent
                                 ? "does not exist: the clock is put forward over it"
                                 : "exists twice: give the offset, such as +02:00"));
}

bool looks_like_date(std::string_view text) {
  return text.size() >= 10 && text[4] == '-' && text[7] == '-';
}

}  // namespace

base::Result<void> check_zone(const std::string& zone) {
  TC_TRY(find_zone(zone));
  return base::ok();
}

base::Result<base::WallTime> parse_date(std::string_view text, const std::string& zone) {
  if (const auto instant = base::parse_rfc3339(text)) return *instant;
  std::string_view rest = text;
  int year = 0;
  int month = 0;
  int day = 0;
  const auto bad = [&] {
    return invalid(fmt::format(
        "'{}' is not a date such as 2026-03-29, 2026-03-29T09:30 or 2026-03-29T09:30:00Z", text));
  };
  if (!looks_like_date(text) || !take(rest, 4, '-', year) || !take(rest, 2, '-', month) ||
      !take(rest, 2, 0, day)) {
    return bad();
  }
  const date::year_month_day date{date::year(year), date::month(static_cast<unsigned>(month)),
                                  date::day(static_cast<unsigned>(day))};
  if (!date.ok()) return bad();
  std::chrono::seconds time{0};
  if (!rest.empty()) {
    if (rest.front() != 'T' && rest.front() != ' ') return bad();
    TC_TRY(time, parse_time_of_day(rest.substr(1)));
  }
  return to_instant(date::local_days(date) + time, zone);
}

base::Result<base::Duration> parse_test_time(std::string_view text, const TestClock& clock) {
  if (looks_like_date(text)) {
    TC_TRY(const base::WallTime instant, parse_date(text, clock.zone));
    if (instant < clock.start) {
      return invalid(fmt::format("{} is before the test's start, {}", text,
                                 base::format_rfc3339(clock.start)));
    }
    return instant - clock.start;
  }
  if (text.find(':') == std::string_view::npos) {
    auto duration = base::parse_duration(text);
    if (duration) return *duration;
    return invalid(fmt::format(
        "'{}' is not a time: expected one since the start such as 5m, or 09:30, or a date", text));
  }
  TC_TRY(const std::chrono::seconds time, parse_time_of_day(text));
  TC_TRY(const date::time_zone* zone, find_zone(clock.zone));
  const auto start = std::chrono::time_point_cast<std::chrono::seconds>(clock.start);
  auto day = date::floor<date::days>(zone->to_local(start));
  TC_TRY(base::WallTime instant, to_instant(day + time, clock.zone));
  if (instant < clock.start) {
    TC_TRY(instant, to_instant(day + date::days(1) + time, clock.zone));
  }
  return instant - clock.start;
}

}  // namespace tocsin::ruletest
