#include "common/base/time.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <ctime>

namespace tocsin::base {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};

// Largest first; "ms" stands before "m" and "s" in the parser's longest match.
constexpr std::array<Unit, 7> kUnits{{{"y", 365LL * 86400000},
                                      {"w", 7LL * 86400000},
                                      {"d", 86400000},
                                      {"h", 3600000},
                                      {"m", 60000},
                                      {"s", 1000},
                                      {"ms", 1}}};

// A thousand years: far beyond every use, far below overflow.
constexpr std::int64_t kDurationMsMax = 1000LL * 365 * 86400000;

Error bad_duration(std::string_view text) {
  return error(ErrorCode::InvalidArgument,
               fmt::format("'{}' is not a duration; expected one such as 30s, 5m or 1h30m", text));
}

std::tm utc_fields(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  return fields;
}

bool parse_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  const char* end = text.data() + count;
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || text[0] == '-') return false;
  text.remove_prefix(count);
  return true;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration{0};
  if (text.empty()) return bad_duration(text);
  std::int64_t total_ms = 0;
  std::size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t count = 0;
    const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (number.ec != std::errc{} || rest[0] == '-') return bad_duration(text);
    rest.remove_prefix(static_cast<std::size_t>(number.ptr - rest.data()));
    std::size_t length = 0;
    while (length < rest.size() && (rest[length] < '0' || rest[length] > '9')) ++length;
    const std::string_view name = rest.substr(0, length);
    std::size_t unit = next_unit;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return bad_duration(text);
    if (count > kDurationMsMax / kUnits[unit].ms) return bad_duration(text);
    total_ms += count * kUnits[unit].ms;
    if (total_ms > kDurationMsMax) return bad_duration(text);
    next_unit = unit + 1;
    rest.remove_prefix(length);
  }
  return Duration{total_ms};
}

std::string format_duration(Duration duration) {
  std::int64_t rest = duration.count();
  if (rest == 0) return "0s";
  std::string text;
  for (const Unit& unit : kUnits) {
    // Years and weeks only when exact: "8d" reads better than "1w1d".
    const bool coarse = unit.name == "y" || unit.name == "w";
    if (coarse && rest % unit.ms != 0) continue;
    if (const std::int64_t count = rest / unit.ms; count > 0) {
      text += fmt::format("{}{}", count, unit.name);
      rest -= count * unit.ms;
    }
  }
  return text;
}

std::string format_rfc3339(WallTime time) {
  const std::tm f = utc_fields(time);
  const auto ms = (time - std::chrono::floor<std::chrono::seconds>(time)).count();
  if (const int year = f.tm_year + 1900; year >= 0 && year <= 9999) {  // all that anybody sends
    std::string text = "0000-00-00T00:00:00";
    const auto put = [&text](std::size_t at, std::size_t digits, long long value) {
      for (std::size_t i = at + digits; i > at; --i, value /= 10) {
        text[i - 1] = static_cast<char>('0' + value % 10);
      }
    };
    put(0, 4, year);
    put(5, 2, f.tm_mon + 1);
    put(8, 2, f.tm_mday);
    put(11, 2, f.tm_hour);
    put(14, 2, f.tm_min);
    put(17, 2, f.tm_sec);
    if (ms != 0) {
      text += ".000";
      put(20, 3, ms);
    }
    return text + "Z";
  }
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", f.tm_year + 1900,
                                 f.tm_mon + 1, f.tm_mday, f.tm_hour, f.tm_min, f.tm_sec);
  if (ms != 0) text += fmt::format(".{:03}", ms);
  return text + "Z";
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  std::string_view rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool shaped =
      parse_digits(rest, 4, year) && skip(rest, "-") && parse_digits(rest, 2, month) &&
      skip(rest, "-") && parse_digits(rest, 2, day) && skip(rest, "Tt ") &&
      parse_digits(rest, 2, hour) && skip(rest, ":") && parse_digits(rest, 2, minute) &&
      skip(rest, ":") && parse_digits(rest, 2, second);
  const auto bad = [&] {
    return error(ErrorCode::InvalidArgument,
                 fmt::format("'{}' is not an RFC 3339 time; expected 2026-11-23T14:48:35Z", text));
  };
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!shaped || !date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
  std::int64_t ms = 0;
  if (skip(rest, ".")) {
    std::int64_t scale = 100;
    std::size_t digits = 0;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      ms += (rest[0] - '0') * scale;
      scale /= 10;
      ++digits;
      rest.remove_prefix(1);
    }
    if (digits == 0) return bad();
  }
  std::int64_t offset_minutes = 0;
  if (!skip(rest, "Zz")) {
    if (rest.empty() || (rest[0] != '+' && rest[0] != '-')) return bad();
    const int sign = rest[0] == '-' ? -1 : 1;
    rest.remove_prefix(1);
    int offset_hour = 0, offset_minute = 0;
    if (!parse_digits(rest, 2, offset_hour) || !skip(rest, ":") ||
        !parse_digits(rest, 2, offset_minute) || offset_hour > 23 || offset_minute > 59) {
      return bad();
    }
    offset_minutes = sign * (offset_hour * 60 + offset_minute);
  }
  if (!rest.empty()) return bad();
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t seconds =
      days * 86400 + hour * 3600 + minute * 60 + second - offset_minutes * 60;
  return wall_time(seconds * 1000 + ms);
}

std::string format_rfc5322(WallTime time) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::tm f = utc_fields(time);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
                     kDays[static_cast<std::size_t>(f.tm_wday)], f.tm_mday,
                     kMonths[static_cast<std::size_t>(f.tm_mon)], f.tm_year + 1900, f.tm_hour,
                     f.tm_min, f.tm_sec);
}

}  // namespace tocsin::base
