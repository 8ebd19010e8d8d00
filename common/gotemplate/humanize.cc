#include "common/gotemplate/humanize.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "common/gotemplate/format.h"
#include "common/gotemplate/go_time.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr std::array<std::string_view, 8> kLarge{"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::array<std::string_view, 8> kBinary{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
constexpr std::array<std::string_view, 8> kSmall{"m", "u", "n", "p", "f", "a", "z", "y"};

std::string four_digits(double value) {
  return format_float(value, 'g', 4);
}

std::string scale_up(double value, double factor, std::span<const std::string_view> prefixes) {
  std::string_view prefix;
  for (const std::string_view next : prefixes) {
    if (std::fabs(value) < factor) break;
    prefix = next;
    value /= factor;
  }
  return four_digits(value).append(prefix);
}

std::string scale_down(double value) {
  std::string_view prefix;
  for (const std::string_view next : kSmall) {
    if (std::fabs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return four_digits(value).append(prefix);
}

}  // namespace

std::string humanize(double value) {
  if (value == 0 || !std::isfinite(value)) return four_digits(value);
  return std::fabs(value) >= 1 ? scale_up(value, 1000, kLarge) : scale_down(value);
}

std::string humanize_1024(double value) {
  if (std::fabs(value) <= 1 || !std::isfinite(value)) return four_digits(value);
  return scale_up(value, 1024, kBinary);
}

std::string humanize_duration(double seconds) {
  if (!std::isfinite(seconds)) return four_digits(seconds);
  if (seconds == 0) return four_digits(seconds) + "s";
  if (std::fabs(seconds) < 1) return scale_down(seconds) + "s";
  const std::string sign = seconds < 0 ? "-" : "";
  seconds = std::fabs(seconds);
  // Go converts what does not fit to the smallest integer; nobody waits that long.
  const std::int64_t whole = seconds < 9.2e18 ? static_cast<std::int64_t>(seconds) : INT64_MAX;
  const std::int64_t days = whole / 86400, hours = whole / 3600 % 24;
  const std::int64_t minutes = whole / 60 % 60, rest = whole % 60;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, rest);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, rest);
  if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, rest);
  return fmt::format("{}{}s", sign, four_digits(seconds));
}

std::string humanize_percentage(double ratio) {
  return four_digits(ratio * 100) + "%";
}

base::Result<std::string> humanize_timestamp(double seconds) {
  if (!std::isfinite(seconds)) return four_digits(seconds);
  if (std::fabs(seconds) * 1e9 >= 9223372036854775807.0) {
    return fail(
        fmt::format("{} cannot be represented as a nanoseconds timestamp since it "
                    "overflows int64",
                    format_float(seconds, 'g', -1)));
  }
  // Milliseconds, cut towards zero, as Prometheus keeps time.
  return go_time_text(base::wall_time(static_cast<std::int64_t>(seconds * 1e9) / 1'000'000));
}

}  // namespace tocsin::gotemplate
