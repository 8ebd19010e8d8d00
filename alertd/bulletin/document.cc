#include "alertd/bulletin/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tocsin::bulletin {
namespace {

std::string bytes_text(double value) {
  constexpr std::array<std::string_view, 6> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (std::fabs(value) >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", value) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string seconds_text(double value) {
  constexpr double kMinute = 60;
  constexpr double kHour = 3600;
  constexpr double kDaySize = 86400;
  const double size = std::fabs(value);
  if (size < 1) return fmt::format("{:.0f} ms", value * 1000);
  if (size < kMinute) return fmt::format("{:.1f} s", value);
  if (size < kHour) return fmt::format("{:.0f} min", value / kMinute);
  if (size < 2 * kDaySize) return fmt::format("{:.1f} h", value / kHour);
  return fmt::format("{:.1f} d", value / kDaySize);
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::Good:
      return "OK";
    case Verdict::NoEvidence:
      return "NO EVIDENCE";
    case Verdict::Attention:
      return "ATTENTION";
    case Verdict::Bad:
      return "BAD";
    case Verdict::Plain:
      break;
  }
  return "";
}

Verdict worse(Verdict a, Verdict b) {
  return std::max(a, b);
}

std::string format_value(double value, Unit unit) {
  if (!std::isfinite(value)) return "-";
  switch (unit) {
    case Unit::Percent:
      return fmt::format("{:.1f} %", value);
    case Unit::Bytes:
      return bytes_text(value);
    case Unit::BytesPerSecond:
      return bytes_text(value) + "/s";
    case Unit::Seconds:
      return seconds_text(value);
    case Unit::Days:
      return fmt::format("{:.0f} d", value);
    case Unit::Count:
      break;
  }
  const bool whole = std::fabs(value - std::round(value)) < 1e-9;
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{:.2f}", value);
}

Cell words(std::string text, Verdict verdict) {
  return {std::move(text), std::nullopt, verdict};
}

Cell number(double value, Unit unit, Verdict verdict) {
  Cell cell{format_value(value, unit), std::nullopt, verdict};
  if (std::isfinite(value)) cell.number = value;
  return cell;
}

Verdict Document::verdict() const {
  Verdict all = Verdict::Plain;
  for (const Section& section : sections) all = worse(all, section.verdict);
  return all;
}

}  // namespace tocsin::bulletin
