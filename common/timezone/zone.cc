#include "common/timezone/zone.h"

#include <date/tz.h>
#include <fmt/format.h>

#include "common/base/strings.h"

namespace tocsin::timezone {

using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

constexpr std::size_t kNameMax = 64;

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

date::sys_seconds seconds_of(WallTime at) {
  return std::chrono::floor<std::chrono::seconds>(at);
}

/// Takes exactly `digits` digits from the front.
bool take(std::string_view& text, std::size_t digits, unsigned& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<Zone> Zone::find(std::string_view name) {
  Zone zone;
  if (name == "UTC" || name == "Etc/UTC") return zone;
  const auto unknown = [name] {
    return invalid(fmt::format("time zone '{}' is not known; expected one such as Europe/Berlin",
                               name.substr(0, kNameMax)));
  };
  if (name.empty() || name.size() > kNameMax) return unknown();
  try {
    zone.zone_ = name == "Local" ? date::current_zone() : date::locate_zone(std::string(name));
    zone.zone_->get_info(date::sys_seconds{});  // reads its file: here, where it may be damaged
  } catch (const std::exception&) {
    return unknown();
  }
  zone.name_ = name;
  return zone;
}

LocalTime Zone::to_local(WallTime at) const {
  std::chrono::seconds offset{0};
  if (zone_) offset = zone_->get_info(seconds_of(at)).offset;
  return LocalTime(at.time_since_epoch() + offset);
}

WallTime Zone::to_wall(LocalTime local) const {
  if (!zone_) return WallTime(local.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(local.time_since_epoch());
  const date::local_info info = zone_->get_info(date::local_seconds(seconds));
  if (info.result == date::local_info::nonexistent) return WallTime(info.first.end);
  return WallTime(local.time_since_epoch() - info.first.offset);
}

std::optional<WallTime> Zone::second_to_wall(LocalTime local) const {
  if (!zone_) return std::nullopt;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(local.time_since_epoch());
  const date::local_info info = zone_->get_info(date::local_seconds(seconds));
  if (info.result != date::local_info::ambiguous) return std::nullopt;
  return WallTime(local.time_since_epoch() - info.second.offset);
}

std::optional<WallTime> Zone::next_jump(WallTime at, base::Duration window) const {
  if (!zone_) return std::nullopt;
  const date::sys_seconds end = zone_->get_info(seconds_of(at)).end;
  // Compared in seconds: the last rule of a zone ends beyond what milliseconds can say.
  if (end > seconds_of(at + window)) return std::nullopt;
  return WallTime(end);
}

LocalTime day_of(LocalTime local) {
  return std::chrono::floor<std::chrono::days>(local);
}

int weekday_of(LocalTime local) {
  const std::chrono::weekday day{std::chrono::floor<std::chrono::days>(local)};
  return static_cast<int>(day.iso_encoding()) - 1;
}

Result<LocalTime> parse_local(std::string_view text) {
  std::string_view rest = text;
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  bool good = take(rest, 4, year) && skip(rest, "-") && take(rest, 2, month) && skip(rest, "-") &&
              take(rest, 2, day);
  if (good && !rest.empty()) {
    good = skip(rest, "T ") && take(rest, 2, hour) && skip(rest, ":") && take(rest, 2, minute);
    if (good && !rest.empty()) good = skip(rest, ":") && take(rest, 2, second) && rest.empty();
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(day)};
  if (!good || !date.ok() || hour > 23 || minute > 59 || second > 59) {
    return invalid(fmt::format("'{}' is not a local time; expected one such as 2026-01-05T09:00",
                               text.substr(0, 64)));
  }
  return LocalTime(std::chrono::local_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second);
}

Result<std::chrono::minutes> parse_time_of_day(std::string_view text) {
  std::string_view rest = text;
  unsigned hour = 0, minute = 0;
  const bool good = take(rest, 2, hour) && skip(rest, ":") && take(rest, 2, minute) && rest.empty();
  if (!good || minute > 59 || hour > 24 || (hour == 24 && minute > 0)) {
    return invalid(fmt::format("'{}' is not a time of the day; expected one such as 09:30",
                               text.substr(0, 64)));
  }
  return std::chrono::hours(hour) + std::chrono::minutes(minute);
}

std::string format_local(const Zone& zone, WallTime at) {
  const LocalTime local = zone.to_local(at);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date{day};
  const auto minutes = std::chrono::floor<std::chrono::minutes>(local - day).count();
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} {}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     minutes / 60, minutes % 60, zone.name());
}

}  // namespace tocsin::timezone
