#include "agent/collectors/logs/syslog_line.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

/// A clock that is ahead, or a line of the last second of a day.
constexpr base::Duration kAheadMax{86'400'000};

std::optional<int> parse_two(std::string_view text, int max) {
  const auto number = base::parse_u64(base::trim(text));
  if (!number || *number > static_cast<std::uint64_t>(max)) return std::nullopt;
  return static_cast<int>(*number);
}

std::optional<base::WallTime> local_time_of(std::tm parts) {
  parts.tm_isdst = -1;
  const std::time_t seconds = ::mktime(&parts);
  if (seconds == -1) return std::nullopt;
  return base::wall_time(static_cast<std::int64_t>(seconds) * 1000);
}

/// "Nov 27 22:04:13", 15 bytes.
std::optional<base::WallTime> parse_3164_time(std::string_view text, base::WallTime now) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
  if (month == kMonths.end() || text[3] != ' ' || text[6] != ' ' || text[9] != ':' ||
      text[12] != ':') {
    return std::nullopt;
  }
  const auto day = parse_two(text.substr(4, 2), 31);
  const auto hour = parse_two(text.substr(7, 2), 23);
  const auto minute = parse_two(text.substr(10, 2), 59);
  const auto second = parse_two(text.substr(13, 2), 60);
  if (!day || !hour || !minute || !second) return std::nullopt;
  const auto today = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(now));
  std::tm parts{};
  parts.tm_mon = static_cast<int>(month - kMonths.begin());
  parts.tm_mday = *day;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  // In the new year lines of the old one still come.
  for (int year = static_cast<int>(today.year()) + 1;; --year) {
    parts.tm_year = year - 1900;
    const auto time = local_time_of(parts);
    if (!time || *time <= now + kAheadMax) return time;
  }
}

}  // namespace

std::optional<SyslogLine> parse_syslog(std::string_view line, base::WallTime now) {
  constexpr std::size_t k3164Bytes = 15;
  SyslogLine result;
  std::string_view rest;
  if (line.size() > k3164Bytes && line[k3164Bytes] == ' ' && line[0] >= 'A' && line[0] <= 'Z') {
    result.time = parse_3164_time(line.substr(0, k3164Bytes), now);
    rest = line.substr(k3164Bytes + 1);
  } else if (line.size() > 20 && line[4] == '-' && line[10] == 'T') {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    if (const auto time = base::parse_rfc3339(line.substr(0, space))) result.time = *time;
    rest = line.substr(space + 1);
  }
  if (!result.time) return std::nullopt;
  const std::size_t host = rest.find(' ');
  if (host == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(host + 1);
  const std::size_t colon = rest.find(": ");
  if (colon == std::string_view::npos || rest.find(' ') < colon) return std::nullopt;
  std::string_view tag = rest.substr(0, colon);
  result.message = rest.substr(colon + 2);
  if (const std::size_t bracket = tag.find('['); bracket != std::string_view::npos) {
    if (tag.ends_with(']')) result.pid = tag.substr(bracket + 1, tag.size() - bracket - 2);
    tag = tag.substr(0, bracket);
  }
  result.program = tag.substr(tag.rfind('/') + 1);
  return result;
}

}  // namespace tocsin::agent
