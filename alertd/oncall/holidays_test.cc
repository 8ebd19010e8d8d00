#include "alertd/oncall/holidays.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace tocsin::oncall {
namespace {

using base::WallTime;
using timezone::Zone;

WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

std::string calendar(const std::string& events) {
  return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n" + events + "END:VCALENDAR\r\n";
}

std::string event(const std::string& lines, const std::string& uid = "1") {
  return fmt::format("BEGIN:VEVENT\r\nUID:{}\r\nDTSTAMP:20260101T000000Z\r\n{}END:VEVENT\r\n", uid,
                     lines);
}

Holidays parse(const std::string& text) {
  auto holidays = parse_calendar(text, {});
  REQUIRE_MESSAGE(holidays, holidays);
  return *holidays;
}

std::string refusal(const std::string& text, const CalendarLimits& limits = {}) {
  const auto holidays = parse_calendar(text, limits);
  REQUIRE_FALSE(holidays);
  return holidays.error().message;
}

const Zone& berlin() {
  static const Zone zone = Zone::find("Europe/Berlin").value();
  return zone;
}

TEST_CASE("a whole day is a day of whoever asks") {
  const Holidays holidays =
      parse(calendar(event("DTSTART;VALUE=DATE:20261225\r\nSUMMARY:Christmas\r\n")));
  CHECK(holidays.at(berlin(), at("2026-12-24T23:00:00Z")) == "Christmas");
  CHECK(holidays.at(berlin(), at("2026-12-25T22:59:59Z")) == "Christmas");
  CHECK_FALSE(holidays.at(berlin(), at("2026-12-25T23:00:00Z")));
  CHECK_FALSE(holidays.at(Zone(), at("2026-12-24T23:00:00Z")));
  CHECK(holidays.next_edge(Zone(), at("2026-12-01T00:00:00Z")) == at("2026-12-25T00:00:00Z"));
  CHECK(holidays.next_edge(Zone(), at("2026-12-25T00:00:00Z")) == at("2026-12-26T00:00:00Z"));
  CHECK_FALSE(holidays.next_edge(Zone(), at("2026-12-26T00:00:00Z")));
}

TEST_CASE("every year, folded lines, several days") {
  const Holidays holidays = parse(calendar(
      event("DTSTART;VALUE=DATE:20201224\r\nDTEND;VALUE=DATE:20201227\r\nRRULE:FREQ=YEA\r\n RLY\r\n"
            "SUMMARY:Christ\r\n mas\r\n")));
  CHECK(holidays.at(Zone(), at("2031-12-26T12:00:00Z")) == "Christmas");
  CHECK_FALSE(holidays.at(Zone(), at("2031-12-27T00:00:00Z")));
  CHECK_FALSE(holidays.at(Zone(), at("2019-12-25T00:00:00Z")));
}

TEST_CASE("recurrence: interval, count, until, days, exceptions") {
  // The fourth Thursday of November.
  Holidays holidays = parse(
      calendar(event("DTSTART;VALUE=DATE:20201126\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH\r\n")));
  CHECK(holidays.at(Zone(), at("2026-11-26T10:00:00Z")));
  CHECK(holidays.at(Zone(), at("2027-11-25T10:00:00Z")));
  CHECK_FALSE(holidays.at(Zone(), at("2027-11-26T10:00:00Z")));

  holidays = parse(calendar(
      event("DTSTART;VALUE=DATE:20260105\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3;BYDAY=MO\r\n")));
  CHECK(holidays.size() == 3);
  CHECK(holidays.at(Zone(), at("2026-02-02T10:00:00Z")));
  CHECK_FALSE(holidays.at(Zone(), at("2026-01-12T10:00:00Z")));

  holidays =
      parse(calendar(event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=MONTHLY;UNTIL=20260401\r\n"
                           "EXDATE;VALUE=DATE:20260201\r\n")));
  CHECK(holidays.size() == 3);
  CHECK_FALSE(holidays.at(Zone(), at("2026-02-01T10:00:00Z")));
  CHECK(holidays.at(Zone(), at("2026-04-01T10:00:00Z")));

  holidays =
      parse(calendar(event("DTSTART:20260101T120000Z\r\nDTEND:20260101T130000Z\r\n"
                           "RRULE:FREQ=DAILY;UNTIL=20260103T120000Z\r\n")));
  CHECK(holidays.size() == 3);
}

TEST_CASE("a time of a place stays at its local time; a duration; a floating time") {
  Holidays holidays = parse(
      calendar(event("DTSTART;TZID=Europe/"
                     "Berlin:20260320T090000\r\nDURATION:PT2H\r\nRRULE:FREQ=DAILY;COUNT=20\r\n")));
  CHECK(holidays.at(Zone(), at("2026-03-20T08:00:00Z")));
  CHECK_FALSE(holidays.at(Zone(), at("2026-03-30T09:00:00Z")));
  CHECK(holidays.at(Zone(), at("2026-03-30T07:00:00Z")));
  holidays = parse(calendar(
      event("DTSTART;TZID=/vendor/2026/Europe/Berlin:20260320T090000\r\nDURATION:PT1H\r\n")));
  CHECK(holidays.at(Zone(), at("2026-03-20T08:30:00Z")));
  holidays = parse(calendar(event("DTSTART:20260320T090000\r\nDURATION:PT1H\r\n")));
  CHECK(holidays.at(berlin(), at("2026-03-20T08:30:00Z")));
  CHECK(holidays.at(Zone(), at("2026-03-20T09:30:00Z")));
}

TEST_CASE("a moved occurrence, a cancelled event, overlapping ones") {
  Holidays holidays = parse(
      calendar(event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY;COUNT=3\r\nSUMMARY:a\r\n") +
               event("DTSTART;VALUE=DATE:20260110\r\nRECURRENCE-ID;VALUE=DATE:20260102\r\nSUMMARY:"
                     "moved\r\n")));
  CHECK_FALSE(holidays.at(Zone(), at("2026-01-02T10:00:00Z")));
  CHECK(holidays.at(Zone(), at("2026-01-10T10:00:00Z")) == "moved");
  holidays = parse(calendar(event("DTSTART;VALUE=DATE:20260101\r\nSTATUS:CANCELLED\r\n")));
  CHECK(holidays.size() == 0);
  holidays =
      parse(calendar(event("DTSTART;VALUE=DATE:20260101\r\nDTEND;VALUE=DATE:20260105\r\n", "1") +
                     event("DTSTART;VALUE=DATE:20260103\r\nDTEND;VALUE=DATE:20260104\r\n", "2")));
  CHECK(holidays.size() == 1);
  CHECK(holidays.next_edge(Zone(), at("2026-01-03T12:00:00Z")) == at("2026-01-05T00:00:00Z"));
}

TEST_CASE("calendars that are refused, with the line") {
  CHECK(refusal("") == "line 1: not a calendar: no BEGIN:VCALENDAR");
  CHECK(refusal("hello\r\n") == "line 1: not a calendar: no BEGIN:VCALENDAR");
  CHECK(refusal(calendar(event("SUMMARY:x\r\n"))) == "line 4: the event has no DTSTART");
  CHECK(refusal(calendar(event("DTSTART;TZID=Mars/Olympus:20260320T090000\r\n"))) ==
        "line 4: time zone 'Mars/Olympus' is not known; expected one such as Europe/Berlin");
  CHECK(refusal(calendar(event("DTSTART:20260101T120000Z\r\nRRULE:FREQ=SECONDLY\r\n"))) ==
        "line 4: RRULE: FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY");
  CHECK(refusal(calendar(event("DTSTART;VALUE=DATE:20260105\r\nDTEND;VALUE=DATE:20260101\r\n"))) ==
        "line 4: the event ends before it begins, or after ten years");
  CHECK(refusal(calendar(event("DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY\r\n")),
                {.occurrences_max = 100}) == "too many occurrences until the year 2100");
  CHECK(refusal(calendar(event("") + event("")), {.events_max = 1}) ==
        "calendar has 2 events, limit 1");
  CHECK(refusal(std::string(2000, 'x'), {.bytes_max = 1000}) ==
        "calendar is 2000 bytes, limit 1000");
  CHECK(refusal(calendar(event("DTSTART:garbage\r\n"))).starts_with("line 4: "));
}

}  // namespace
}  // namespace tocsin::oncall
