#include <doctest/doctest.h>

#include "common/timezone/hours.h"

namespace tocsin::timezone {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;

WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

LocalTime local(std::string_view text) {
  return parse_local(text).value();
}

TEST_CASE("zones: summer, winter, the gap and the hour that comes twice") {
  const Zone berlin = Zone::find("Europe/Berlin").value();
  CHECK(berlin.to_wall(local("2026-01-05T09:00")) == at("2026-01-05T08:00:00Z"));
  CHECK(berlin.to_wall(local("2026-07-05T09:00")) == at("2026-07-05T07:00:00Z"));
  CHECK(berlin.to_local(at("2026-07-05T07:00:00Z")) == local("2026-07-05 09:00"));
  // 2026-03-29: 02:00 -> 03:00. Does not exist: the first instant after the gap.
  CHECK(berlin.to_wall(local("2026-03-29T02:30")) == at("2026-03-29T01:00:00Z"));
  // 2026-10-25: 03:00 -> 02:00. Comes twice: the first.
  CHECK(berlin.to_wall(local("2026-10-25T02:30")) == at("2026-10-25T00:30:00Z"));
  CHECK(berlin.to_local(at("2026-10-25T01:30:00Z")) == local("2026-10-25T02:30"));
  CHECK(format_local(berlin, at("2026-07-05T07:00:00Z")) == "2026-07-05 09:00 Europe/Berlin");
}

TEST_CASE("zones that are unknown") {
  for (const char* name : {"", "Europe/Bielefeld", "../../etc/passwd", "europe/berlin "}) {
    CAPTURE(name);
    CHECK_FALSE(Zone::find(name));
  }
  CHECK(Zone::find("UTC").value() == Zone());
}

TEST_CASE("local times and times of the day") {
  CHECK(local("2026-01-05") == local("2026-01-05T00:00:00"));
  CHECK(weekday_of(local("2026-01-05T23:59")) == 0);
  CHECK(weekday_of(local("2026-01-04")) == 6);
  for (const char* text : {"", "2026-02-30", "2026-01-05T24:00", "2026-01-05T9:00", "05.01.2026",
                           "2026-01-05T09:00Z", "2026-01-05T09:00:00:00"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_local(text));
  }
  CHECK(parse_time_of_day("09:30").value() == hours(9) + minutes(30));
  CHECK(parse_time_of_day("24:00").value() == hours(24));
  for (const char* text : {"", "9:30", "24:01", "12:60", "noon"})
    CHECK_FALSE(parse_time_of_day(text));
}

TEST_CASE("hours within a day") {
  Hours office = parse_hours("09:00-17:30").value();
  office.weekdays = parse_weekdays("mon-fri").value();
  const Zone berlin = Zone::find("Europe/Berlin").value();
  CHECK(covers({office}, berlin, at("2026-01-05T08:00:00Z")));        // Monday 09:00
  CHECK_FALSE(covers({office}, berlin, at("2026-01-05T16:30:00Z")));  // 17:30: over
  CHECK_FALSE(covers({office}, berlin, at("2026-01-04T10:00:00Z")));  // Sunday
  CHECK(next_covered({office}, berlin, at("2026-01-02T16:30:00Z")) == at("2026-01-05T08:00:00Z"));
  CHECK(next_edge({office}, berlin, at("2026-01-05T08:00:00Z")) == at("2026-01-05T16:30:00Z"));
  CHECK(covers({}, berlin, at("2026-01-04T10:00:00Z")));
  CHECK_FALSE(next_edge({}, berlin, at("2026-01-04T10:00:00Z")));
}

TEST_CASE("hours over midnight belong to the day they begin on") {
  Hours night = parse_hours("18:00-08:00").value();
  night.weekdays = parse_weekdays("fri").value();
  const Zone utc;
  CHECK(covers({night}, utc, at("2026-01-02T18:00:00Z")));        // Friday
  CHECK(covers({night}, utc, at("2026-01-03T07:59:00Z")));        // Saturday morning
  CHECK_FALSE(covers({night}, utc, at("2026-01-03T18:00:00Z")));  // Saturday evening
  CHECK_FALSE(covers({night}, utc, at("2026-01-02T07:00:00Z")));  // Friday morning is Thursday's
  CHECK(next_covered({night}, utc, at("2026-01-03T08:00:00Z")) == at("2026-01-09T18:00:00Z"));
}

TEST_CASE("hours when clocks change: no hole and nothing twice") {
  const Zone berlin = Zone::find("Europe/Berlin").value();
  const Hours night = parse_hours("01:00-02:30").value();
  // Forward: 02:30 does not exist, it ends at 03:00 local, which is 01:00Z.
  CHECK(covers({night}, berlin, at("2026-03-29T00:59:00Z")));
  CHECK_FALSE(covers({night}, berlin, at("2026-03-29T01:00:00Z")));
  // Back: ends at the first 02:30 and does not open again at the second 02:00.
  CHECK(covers({night}, berlin, at("2026-10-25T00:29:00Z")));
  CHECK_FALSE(covers({night}, berlin, at("2026-10-25T00:30:00Z")));
  CHECK_FALSE(covers({night}, berlin, at("2026-10-25T01:10:00Z")));
}

TEST_CASE("days of the week") {
  const auto text = [](std::string_view days) {
    std::string marks;
    for (const bool day : parse_weekdays(days).value()) marks += day ? 'x' : '.';
    return marks;
  };
  CHECK(text("mon-fri") == "xxxxx..");
  CHECK(text("fri-mon") == "x...xxx");
  CHECK(text("sat, sun") == ".....xx");
  for (const char* bad : {"", "monday", "mon-", "mon,,tue", "mon-fri-sat"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_weekdays(bad));
  }
  for (const char* bad : {"", "09:00", "09:00-09:00", "9-17", "24:00-08:00"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_hours(bad));
  }
}

}  // namespace
}  // namespace tocsin::timezone
