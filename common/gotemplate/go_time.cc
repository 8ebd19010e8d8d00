#include "common/gotemplate/go_time.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <ctime>

#include "common/gotemplate/format.h"
#include "common/gotemplate/template.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};

std::tm fields_of(base::WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  return fields;
}

int milliseconds(base::WallTime time) {
  return static_cast<int>((time - std::chrono::floor<std::chrono::seconds>(time)).count());
}

// The pieces of a layout, longest first where one begins with another.
constexpr std::array<std::string_view, 35> kPieces{
    "January", "Monday", "2006",       "-07:00:00", "-07:00", "-0700", "-07", "Z07:00",    "Z0700",
    "Jan",     "Mon",    "MST",        "002",       "15",     "01",    "02",  "03",        "04",
    "05",      "06",     "PM",         "pm",        "__2",    "_2",    "1",   "2",         "3",
    "4",       "5",      ".000000000", ".000000",   ".000",   ".00",   ".0",  ".999999999"};

std::string fraction(int ms, std::size_t digits) {
  return fmt::format(".{:03}000000", ms).substr(0, digits + 1);
}

// "+02:00" of "-07:00": the digits that the piece asks for.
std::string offset_text(std::string_view piece, int seconds) {
  if (piece.starts_with('Z')) {
    if (seconds == 0) return "Z";
    piece.remove_prefix(1);
    return offset_text(piece == "07:00" ? "-07:00" : "-0700", seconds);
  }
  const int all = std::abs(seconds);
  const char sign = seconds < 0 ? '-' : '+';
  if (piece == "-07") return fmt::format("{}{:02}", sign, all / 3600);
  const char* colon = piece == "-0700" ? "" : ":";
  std::string text = fmt::format("{}{:02}{}{:02}", sign, all / 3600, colon, all / 60 % 60);
  if (piece == "-07:00:00") text += fmt::format(":{:02}", all % 60);
  return text;
}

std::string piece_text(std::string_view piece, const std::tm& t, int ms, const ZoneOffset& zone) {
  const int hour12 = t.tm_hour % 12 == 0 ? 12 : t.tm_hour % 12;
  const auto month = static_cast<std::size_t>(t.tm_mon);
  const auto day = static_cast<std::size_t>(t.tm_wday);
  if (piece == "January") return std::string(kMonths[month]);
  if (piece == "Jan") return std::string(kMonths[month].substr(0, 3));
  if (piece == "Monday") return std::string(kDays[day]);
  if (piece == "Mon") return std::string(kDays[day].substr(0, 3));
  if (piece == "2006") return fmt::format("{:04}", t.tm_year + 1900);
  if (piece == "06") return fmt::format("{:02}", (t.tm_year + 1900) % 100);
  if (piece == "01") return fmt::format("{:02}", t.tm_mon + 1);
  if (piece == "1") return fmt::format("{}", t.tm_mon + 1);
  if (piece == "02") return fmt::format("{:02}", t.tm_mday);
  if (piece == "_2") return fmt::format("{:2}", t.tm_mday);
  if (piece == "2") return fmt::format("{}", t.tm_mday);
  if (piece == "002") return fmt::format("{:03}", t.tm_yday + 1);
  if (piece == "__2") return fmt::format("{:3}", t.tm_yday + 1);
  if (piece == "15") return fmt::format("{:02}", t.tm_hour);
  if (piece == "03") return fmt::format("{:02}", hour12);
  if (piece == "3") return fmt::format("{}", hour12);
  if (piece == "04") return fmt::format("{:02}", t.tm_min);
  if (piece == "4") return fmt::format("{}", t.tm_min);
  if (piece == "05") return fmt::format("{:02}", t.tm_sec);
  if (piece == "5") return fmt::format("{}", t.tm_sec);
  if (piece == "PM") return t.tm_hour < 12 ? "AM" : "PM";
  if (piece == "pm") return t.tm_hour < 12 ? "am" : "pm";
  if (piece == "MST") return zone.name;
  if (piece.starts_with('Z') || piece.starts_with("-07")) return offset_text(piece, zone.seconds);
  if (piece.starts_with(".0")) return fraction(ms, piece.size() - 1);
  if (ms == 0) return {};
  std::string text = fraction(ms, 3);
  while (text.ends_with('0')) text.pop_back();
  return text;
}

Value function(std::function<base::Result<Value>(const std::vector<Value>&)> body) {
  return Value(Function(std::move(body)));
}

Value number_method(std::int64_t value) {
  return function([value](const std::vector<Value>&) { return base::Result<Value>(Value(value)); });
}

Value double_method(double value) {
  return function([value](const std::vector<Value>&) { return base::Result<Value>(Value(value)); });
}

Value text_method(std::string value) {
  return function([value](const std::vector<Value>&) { return base::Result<Value>(Value(value)); });
}

}  // namespace

std::string_view go_layout_piece(std::string_view layout) {
  std::string_view match;
  for (const std::string_view piece : kPieces) {
    if (layout.starts_with(piece) && piece.size() > match.size()) match = piece;
  }
  return match;
}

std::string go_time_format(base::WallTime time, std::string_view layout, const ZoneOffset& zone) {
  const std::tm fields = fields_of(time + std::chrono::seconds(zone.seconds));
  const int ms = milliseconds(time);
  std::string out;
  while (!layout.empty()) {
    const std::string_view piece = go_layout_piece(layout);
    if (piece.empty()) {
      out += layout[0];
      layout.remove_prefix(1);
    } else {
      out += piece_text(piece, fields, ms, zone);
      layout.remove_prefix(piece.size());
    }
  }
  return out;
}

std::string go_time_text(base::WallTime time, const ZoneOffset& zone) {
  return go_time_format(time, "2006-01-02 15:04:05.999999999 -0700 MST", zone);
}

std::string go_duration_text(double seconds) {
  if (!std::isfinite(seconds) || std::fabs(seconds) > 9.2e9)
    return format_float(seconds, 'g', -1) + "s";
  const auto total = static_cast<std::int64_t>(std::llround(seconds * 1e9));
  if (total == 0) return "0s";
  const std::string sign = total < 0 ? "-" : "";
  const std::int64_t ns = std::abs(total);
  const auto decimal = [](std::int64_t value, std::int64_t unit) {
    std::string text = fmt::format("{}.{:09}", value / unit, value % unit * (1'000'000'000 / unit));
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  if (ns < 1000) return fmt::format("{}{}ns", sign, ns);
  if (ns < 1'000'000) return sign + decimal(ns, 1000) + "\xC2\xB5s";
  if (ns < 1'000'000'000) return sign + decimal(ns, 1'000'000) + "ms";
  const std::int64_t minutes = ns / 60'000'000'000;
  std::string text = sign;
  if (minutes >= 60) text += fmt::format("{}h", minutes / 60);
  if (minutes > 0) text += fmt::format("{}m", minutes % 60);
  return text + decimal(ns % 60'000'000'000, 1'000'000'000) + "s";
}

Value time_value(base::WallTime time) {
  return time_value(time, {});
}

Value time_value(base::WallTime time, const ZoneOffset& zone) {
  const std::tm f = fields_of(time + std::chrono::seconds(zone.seconds));
  Map methods;
  methods["Format"] =
      function([time, zone](const std::vector<Value>& arguments) -> base::Result<Value> {
        const std::string* layout = arguments.size() == 1 ? arguments[0].string() : nullptr;
        if (layout == nullptr) return fail("Format takes one layout, such as \"15:04\"");
        return Value(go_time_format(time, *layout, zone));
      });
  methods["Add"] =
      function([time, zone](const std::vector<Value>& arguments) -> base::Result<Value> {
        if (arguments.size() != 1) return fail("Add takes one duration");
        TC_TRY(const double seconds, to_number(arguments[0]));
        if (!(std::fabs(seconds) < 9e12)) return fail("duration is out of range");
        return time_value(time + base::Duration{static_cast<std::int64_t>(seconds * 1000)}, zone);
      });
  methods["UTC"] = function(
      [time](const std::vector<Value>&) -> base::Result<Value> { return time_value(time); });
  methods["Unix"] =
      number_method(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  methods["UnixMilli"] = number_method(base::to_ms(time));
  methods["Year"] = number_method(f.tm_year + 1900);
  methods["Month"] = text_method(std::string(kMonths[static_cast<std::size_t>(f.tm_mon)]));
  methods["Day"] = number_method(f.tm_mday);
  methods["Hour"] = number_method(f.tm_hour);
  methods["Minute"] = number_method(f.tm_min);
  methods["Second"] = number_method(f.tm_sec);
  methods["Weekday"] = text_method(std::string(kDays[static_cast<std::size_t>(f.tm_wday)]));
  return with_text(go_time_text(time, zone), std::move(methods));
}

Value duration_value(double seconds) {
  Map methods;
  methods["Seconds"] = double_method(seconds);
  methods["Minutes"] = double_method(seconds / 60);
  methods["Hours"] = double_method(seconds / 3600);
  methods["Milliseconds"] = number_method(
      std::fabs(seconds) < 9e15 ? static_cast<std::int64_t>(seconds * 1000) : INT64_MAX);
  return with_text(go_duration_text(seconds), std::move(methods));
}

}  // namespace tocsin::gotemplate
