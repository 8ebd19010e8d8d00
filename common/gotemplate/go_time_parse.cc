// Reading a time by a Go layout.

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "common/base/strings.h"
#include "common/gotemplate/go_time.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};

struct Parts {
  int year = 1;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int milliseconds = 0;
  int offset_seconds = 0;
  std::optional<bool> afternoon;
};

// Takes `least` to `most` digits.
std::optional<int> digits(std::string_view& text, std::size_t least, std::size_t most) {
  std::size_t count = 0;
  int number = 0;
  while (count < most && count < text.size() && text[count] >= '0' && text[count] <= '9') {
    number = number * 10 + (text[count] - '0');
    ++count;
  }
  if (count < least) return std::nullopt;
  text.remove_prefix(count);
  return number;
}

bool store(std::optional<int> number, int& into) {
  if (number) into = *number;
  return number.has_value();
}

bool letters(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && ((text[count] >= 'a' && text[count] <= 'z') ||
                                 (text[count] >= 'A' && text[count] <= 'Z'))) {
    ++count;
  }
  text.remove_prefix(count);
  return count > 0;
}

bool read_month(std::string_view& text, int& month) {
  const std::string lower = base::to_lower(text.substr(0, 3));
  const auto found = std::find(kMonths.begin(), kMonths.end(), lower);
  if (found == kMonths.end()) return false;
  month = static_cast<int>(found - kMonths.begin()) + 1;
  return letters(text);
}

bool read_offset(std::string_view piece, std::string_view& text, int& seconds) {
  if (piece.starts_with('Z') && text.starts_with('Z')) {
    text.remove_prefix(1);
    return true;
  }
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = digits(text, 2, 2);
  int minutes = 0;
  if (text.starts_with(':')) text.remove_prefix(1);
  if (piece != "-07" && !store(digits(text, 2, 2), minutes)) return false;
  if (!hours) return false;
  seconds = sign * (*hours * 3600 + minutes * 60);
  return true;
}

bool read_fraction(std::string_view& text, int& milliseconds) {
  if (!text.starts_with('.')) return true;  // ".999" may be absent
  text.remove_prefix(1);
  int scale = 100;
  std::size_t count = 0;
  milliseconds = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    milliseconds += (text[0] - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
    ++count;
  }
  return count > 0;
}

bool read_piece(std::string_view piece, std::string_view& text, Parts& parts) {
  if (piece == "2006") return store(digits(text, 4, 4), parts.year);
  if (piece == "06") {
    const auto short_year = digits(text, 2, 2);
    if (short_year) parts.year = *short_year >= 69 ? 1900 + *short_year : 2000 + *short_year;
    return short_year.has_value();
  }
  if (piece == "01") return store(digits(text, 2, 2), parts.month);
  if (piece == "1") return store(digits(text, 1, 2), parts.month);
  if (piece == "02") return store(digits(text, 2, 2), parts.day);
  if (piece == "2" || piece == "_2") {
    if (piece == "_2" && text.starts_with(' ')) text.remove_prefix(1);
    return store(digits(text, 1, 2), parts.day);
  }
  if (piece == "15") return store(digits(text, 2, 2), parts.hour);
  if (piece == "03") return store(digits(text, 2, 2), parts.hour);
  if (piece == "3") return store(digits(text, 1, 2), parts.hour);
  if (piece == "04") return store(digits(text, 2, 2), parts.minute);
  if (piece == "4") return store(digits(text, 1, 2), parts.minute);
  if (piece == "05" || piece == "5") {
    // A fraction may follow the seconds, also where the layout has none.
    return store(digits(text, piece.size(), 2), parts.second) &&
           read_fraction(text, parts.milliseconds);
  }
  if (piece == "Jan" || piece == "January") return read_month(text, parts.month);
  if (piece == "Mon" || piece == "Monday") return letters(text);
  if (piece == "PM" || piece == "pm") {
    const std::string half = base::to_lower(text.substr(0, 2));
    if (half != "am" && half != "pm") return false;
    parts.afternoon = half == "pm";
    text.remove_prefix(2);
    return true;
  }
  if (piece == "MST") {
    if (!text.starts_with("UTC") && !text.starts_with("GMT")) return false;
    text.remove_prefix(3);
    return true;
  }
  if (piece.starts_with('.')) return read_fraction(text, parts.milliseconds);
  return read_offset(piece, text, parts.offset_seconds);
}

}  // namespace

base::Result<base::WallTime> go_time_parse(std::string_view layout, std::string_view text) {
  const std::string_view whole_layout = layout;
  const std::string_view whole = text;
  const auto bad = [&](std::string_view what) {
    return fail(fmt::format("parsing time '{}' as '{}': cannot parse '{}' as '{}'", whole,
                            whole_layout, text, what));
  };
  Parts parts;
  while (!layout.empty()) {
    const std::string_view piece = go_layout_piece(layout);
    const std::string_view part = piece.empty() ? layout.substr(0, 1) : piece;
    if (piece.empty()) {
      if (!text.starts_with(part)) return bad(part);
      text.remove_prefix(1);
    } else if (!read_piece(piece, text, parts)) {
      return bad(part);
    }
    layout.remove_prefix(part.size());
  }
  if (!text.empty()) return bad("");
  if (parts.afternoon) parts.hour = parts.hour % 12 + (*parts.afternoon ? 12 : 0);
  const std::chrono::year_month_day date{std::chrono::year(parts.year),
                                         std::chrono::month(static_cast<unsigned>(parts.month)),
                                         std::chrono::day(static_cast<unsigned>(parts.day))};
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 59) {
    return fail(fmt::format("parsing time '{}': out of range", whole));
  }
  return base::WallTime(std::chrono::sys_days(date)) + std::chrono::hours(parts.hour) +
         std::chrono::minutes(parts.minute) + std::chrono::seconds(parts.second) +
         base::Duration{parts.milliseconds} - std::chrono::seconds(parts.offset_seconds);
}

}  // namespace tocsin::gotemplate
