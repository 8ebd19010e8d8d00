#include "cli/when.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <ctime>

#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

constexpr double kSecondsMax = 9e12;

std::tm local_parts(base::WallTime time) {
  const std::time_t seconds = static_cast<std::time_t>(
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

std::string formatted(const std::tm& parts, const char* format) {
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

bool parse_local(const std::string& text, base::WallTime& time) {
  for (const char* format :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    parts.tm_isdst = -1;
    const std::time_t seconds = std::mktime(&parts);
    if (seconds == -1) return false;
    time = base::wall_time(static_cast<std::int64_t>(seconds) * 1000);
    return true;
  }
  return false;
}

}  // namespace

base::Result<base::WallTime> parse_when(const std::string& text, base::WallTime now) {
  if (text == "now") return now;
  std::string_view rest = text;
  if (rest.starts_with("now")) rest.remove_prefix(3);
  if (rest.size() > 1 && (rest.front() == '-' || rest.front() == '+')) {
    if (const auto span = base::parse_duration(rest.substr(1))) {
      return rest.front() == '-' ? now - *span : now + *span;
    }
  }
  const auto seconds = base::parse_double(text);
  if (seconds && std::isfinite(*seconds) && std::abs(*seconds) <= kSecondsMax) {
    return base::wall_time(std::llround(*seconds * 1000));
  }
  if (const auto time = base::parse_rfc3339(text)) return *time;
  base::WallTime time;
  if (parse_local(text, time)) return time;
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("'{}' is no time; write now, -24h, 2026-11-23 14:05 (local time), "
                                 "2026-11-23T14:05:00Z or unix seconds",
                                 base::escape_control(text.substr(0, 100))));
}

std::string format_local(base::WallTime time) {
  return formatted(local_parts(time), "%Y-%m-%d %H:%M:%S");
}

std::string local_zone(base::WallTime time) {
  const std::tm parts = local_parts(time);
  const std::string offset = formatted(parts, "%z");
  const std::string zone = formatted(parts, "%Z");
  if (offset.size() != 5) return zone;
  return fmt::format("{}, UTC{}:{}", zone, offset.substr(0, 3), offset.substr(3));
}

}  // namespace tocsin::cli
