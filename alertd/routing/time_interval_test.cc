#include "alertd/routing/time_interval.h"

#include <doctest/doctest.h>

#include "alertd/routing/maintenance.h"
#include "alertd/routing/matcher_text.h"

namespace tocsin::routing {
namespace {

using base::WallTime;

WallTime at(std::string_view text) {
  const auto time = base::parse_rfc3339(text);
  REQUIRE_MESSAGE(time, time);
  return *time;
}

TimePeriod period(std::string_view zone = "UTC") {
  TimePeriod result;
  const auto found = timezone::Zone::find(zone);
  REQUIRE_MESSAGE(found, found);
  result.zone = *found;
  return result;
}

Range range(RangeOf of, std::string_view text) {
  const auto result = parse_range(of, text);
  REQUIRE_MESSAGE(result, result);
  return *result;
}

std::string range_error(RangeOf of, std::string_view text) {
  const auto result = parse_range(of, text);
  return result ? "" : result.error().message;
}

Range times(std::string_view text) {
  const auto result = parse_times(text);
  REQUIRE_MESSAGE(result, result);
  return *result;
}

TEST_CASE("time interval: ranges as they are written") {
  CHECK(range(RangeOf::Weekdays, "Monday:friday") == Range{1, 5});
  CHECK(range(RangeOf::Weekdays, "sunday") == Range{0, 0});
  CHECK(range(RangeOf::Months, "march:5") == Range{3, 5});
  CHECK(range(RangeOf::DaysOfMonth, "-3:-1") == Range{-3, -1});
  CHECK(range(RangeOf::DaysOfMonth, "15:-1") == Range{15, -1});
  CHECK(range(RangeOf::Years, "2026:2028") == Range{2026, 2028});
  CHECK(times("00:00-24:00") == Range{0, 1440});
  CHECK(range_error(RangeOf::Weekdays, "saturday:monday") ==
        "start weekday cannot be after end weekday");
  CHECK(range_error(RangeOf::Weekdays, "5") == "'5' is not a valid weekday");
  CHECK(range_error(RangeOf::Months, "13") == "'13' is not a valid month");
  CHECK(range_error(RangeOf::DaysOfMonth, "0") ==
        "0 is not a valid day of the month: out of range");
  CHECK(range_error(RangeOf::DaysOfMonth, "-2:5") ==
        "end day must be negative if start day is negative");
  CHECK(range_error(RangeOf::DaysOfMonth, "31:-2") == "end day -2 is always before start day 31");
  for (const char* bad : {"9:00-17:00", "09:00", "17:00-09:00", "09:00-09:00", "24:01-24:02"}) {
    CHECK_FALSE(parse_times(bad));
  }
}

TEST_CASE("time interval: the end of a time is exclusive, of a day inclusive") {
  TimePeriod office = period();
  office.times = {times("09:00-17:00")};
  office.weekdays = {range(RangeOf::Weekdays, "monday:friday")};
  CHECK_FALSE(contains(office, at("2026-11-23T08:59:59.999Z")));  // a Monday
  CHECK(contains(office, at("2026-11-23T09:00:00Z")));
  CHECK(contains(office, at("2026-11-27T16:59:59.999Z")));
  CHECK_FALSE(contains(office, at("2026-11-27T17:00:00Z")));
  CHECK_FALSE(contains(office, at("2026-11-28T12:00:00Z")));
}

TEST_CASE("time interval: days of the month, from its end and clamped") {
  TimePeriod last = period();
  last.days_of_month = {range(RangeOf::DaysOfMonth, "-1")};
  CHECK(contains(last, at("2024-02-29T12:00:00Z")));
  CHECK(contains(last, at("2026-02-28T12:00:00Z")));
  CHECK_FALSE(contains(last, at("2024-02-28T12:00:00Z")));
  TimePeriod late = period();
  late.days_of_month = {range(RangeOf::DaysOfMonth, "29:31")};
  CHECK_FALSE(contains(late, at("2026-02-28T12:00:00Z")));  // does not exist in that month
  CHECK(contains(late, at("2026-04-30T12:00:00Z")));
  TimePeriod first = period();
  first.days_of_month = {range(RangeOf::DaysOfMonth, "-31:-30")};
  CHECK(contains(first, at("2026-04-01T12:00:00Z")));  // of 30 days: only the 1st is left
  CHECK_FALSE(contains(first, at("2026-04-02T12:00:00Z")));
  CHECK(contains(first, at("2026-05-02T12:00:00Z")));
}

TEST_CASE("time interval: local days, also when clocks are set") {
  TimePeriod last = period("Europe/Berlin");
  last.days_of_month = {range(RangeOf::DaysOfMonth, "-1")};
  // March 2026 has 31 days there; summer time begins on the 29th at 01:00Z.
  CHECK_FALSE(contains(last, at("2026-03-30T21:59:59Z")));
  CHECK(contains(last, at("2026-03-30T22:00:00Z")));
  CHECK(contains(last, at("2026-03-31T21:59:59Z")));
  CHECK_FALSE(contains(last, at("2026-03-31T22:00:00Z")));
}

TEST_CASE("time interval: the next boundary") {
  TimeInterval office{"office", {period("Europe/Berlin")}};
  office.periods[0].times = {times("09:00-17:00")};
  office.periods[0].weekdays = {range(RangeOf::Weekdays, "monday:friday")};
  CHECK(next_change(office, at("2026-11-23T07:00:00Z")) == at("2026-11-23T08:00:00Z"));
  CHECK(next_change(office, at("2026-11-23T08:00:00Z")) == at("2026-11-23T16:00:00Z"));
  CHECK(next_change(office, at("2026-11-27T16:00:00Z")) == at("2026-11-30T08:00:00Z"));
  // Over the weekend on which summer time begins.
  CHECK(next_change(office, at("2026-03-27T16:00:00Z")) == at("2026-03-30T07:00:00Z"));
  TimeInterval february{"leap", {period()}};
  february.periods[0].months = {range(RangeOf::Months, "february")};
  february.periods[0].days_of_month = {range(RangeOf::DaysOfMonth, "29")};
  const WallTime start = at("2026-03-01T00:00:00Z");
  const WallTime asked = next_change(february, start);
  CHECK(asked > start + std::chrono::days(360));  // nothing for a year: ask again then
  CHECK(asked < start + std::chrono::days(372));
}

TEST_CASE("time interval: boundaries in the hour that is missing and the one that comes twice") {
  TimeInterval night{"night", {period("Europe/Berlin")}};
  night.periods[0].times = {times("02:30-04:00")};
  // Put forward from 02:00 to 03:00 at 01:00Z: the jump begins it.
  CHECK(next_change(night, at("2026-03-28T23:00:00Z")) == at("2026-03-29T01:00:00Z"));
  CHECK(next_change(night, at("2026-03-29T01:00:00Z")) == at("2026-03-29T02:00:00Z"));
  // Put back from 03:00 to 02:00 at 01:00Z: 02:30 comes at 00:30Z, and again at 01:30Z.
  WallTime now = at("2026-10-24T22:00:00Z");
  for (const char* expected : {"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z",
                               "2026-10-25T01:30:00Z", "2026-10-25T03:00:00Z"}) {
    now = next_change(night, now);
    CHECK(base::format_rfc3339(now) == expected);
  }
}

TEST_CASE("time interval: next_change is where contains() changes, minute by minute") {
  TimeInterval interval{"x", {period("America/New_York"), period("Asia/Kolkata")}};
  interval.periods[0].times = {times("01:15-02:45"), times("22:00-24:00")};
  interval.periods[1].weekdays = {range(RangeOf::Weekdays, "sunday:monday")};
  interval.periods[1].times = {times("00:00-06:10")};
  WallTime now = at("2026-10-30T00:00:00Z");
  const WallTime end = now + std::chrono::days(4);
  WallTime next = next_change(interval, now);
  bool inside = contains(interval, now);
  for (; now < end; now += std::chrono::minutes(5)) {
    if (now >= next) {
      inside = !inside;
      next = next_change(interval, next);
    }
    REQUIRE_MESSAGE(contains(interval, now) == inside, base::format_rfc3339(now));
  }
}

Maintenance sundays(std::string_view zone) {
  Maintenance maintenance;
  maintenance.name = "patches";
  maintenance.matcher_sets = {*parse_matchers(R"(host=~"db.*")")};
  Recurrence recurrence;
  recurrence.days = period(zone);
  recurrence.days.weekdays = {range(RangeOf::Weekdays, "sunday")};
  recurrence.start_minute = 23 * 60;
  recurrence.duration = std::chrono::hours(3);
  maintenance.recurrence = recurrence;
  return maintenance;
}

TEST_CASE("maintenance: recurring windows, over midnight and in their zone") {
  const Maintenance maintenance = sundays("Europe/Berlin");
  CHECK_FALSE(window_at(maintenance, at("2026-11-22T21:59:59Z")));
  const auto window = window_at(maintenance, at("2026-11-23T00:30:00Z"));
  REQUIRE(window);
  CHECK(window->starts_at == at("2026-11-22T22:00:00Z"));
  CHECK(window->ends_at == at("2026-11-23T01:00:00Z"));
  CHECK_FALSE(window_at(maintenance, window->ends_at));
  CHECK(next_window(maintenance, window->ends_at)->starts_at == at("2026-11-29T22:00:00Z"));
  // In summer an hour earlier.
  CHECK(next_window(maintenance, at("2026-07-01T00:00:00Z"))->starts_at ==
        at("2026-07-05T21:00:00Z"));
}

TEST_CASE("maintenance: start, end, an early end, and the next time") {
  Maintenances all;
  all.configure({sundays("UTC")}, at("2026-11-20T00:00:00Z"));
  CHECK(all.advance(at("2026-11-20T00:00:00Z")).started.empty());
  const WallTime start = at("2026-11-22T23:00:00Z");
  CHECK(all.next_change() == start);
  CHECK(all.advance(start).started == std::vector<std::string>{"patches"});
  model::Alert alert;
  alert.labels = model::Labels({{"host", "db1"}});
  CHECK(all.matching(AlertLabels(alert)) == std::vector<std::string>{"patches"});
  CHECK(all.end("patches", start + std::chrono::hours(1)));
  CHECK(all.advance(start + std::chrono::hours(1)).ended == std::vector<std::string>{"patches"});
  CHECK(all.matching(AlertLabels(alert)).empty());
  CHECK_FALSE(all.end("patches", start + std::chrono::hours(1)));
  CHECK(all.next_change() == start + std::chrono::days(7));
  CHECK(all.advance(start + std::chrono::days(7)).started.size() == 1);
  CHECK(all.advance(start + std::chrono::days(7) + std::chrono::hours(3)).ended.size() == 1);
}

TEST_CASE("maintenance: commands") {
  Maintenances all;
  const WallTime now = at("2026-11-20T00:00:00Z");
  Maintenance once = sundays("UTC");
  once.recurrence.reset();
  CHECK_FALSE(all.set(once, now));
  once.once = Window{now + std::chrono::hours(1), now + std::chrono::hours(2)};
  CHECK(all.set(once, now));
  CHECK(all.advance(now).started.empty());
  CHECK(all.end("patches", now));  // never begins
  CHECK(all.advance(now + std::chrono::minutes(90)).started.empty());
  Maintenance broad = once;
  broad.matcher_sets = {*parse_matchers(R"(host=~".*")")};
  CHECK_FALSE(all.set(broad, now));
  all.configure({sundays("UTC")}, now);
  CHECK_FALSE(all.set(once, now));
  CHECK(all.end("nobody", now).error().code == base::ErrorCode::NotFound);
}

}  // namespace
}  // namespace tocsin::routing
