#include "alertd/oncall/schedule.h"

#include <doctest/doctest.h>

namespace tocsin::oncall {
namespace {

using base::WallTime;
using std::chrono::hours;

WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

Layer layer(std::string name, std::vector<std::string> persons, hours length,
            std::string_view start) {
  Layer made;
  made.name = std::move(name);
  for (std::string& person : persons) made.rotation.turns.push_back({std::move(person)});
  made.rotation.length = length;
  made.rotation.start = timezone::parse_local(start).value();
  return made;
}

Schedule schedule(std::vector<Layer> layers) {
  Schedule made;
  made.name = "primary";
  made.zone = timezone::Zone::find("Europe/Berlin").value();
  made.layers = std::move(layers);
  return made;
}

/// Returns "ada" or "ada+ben"; "-" for nobody.
std::string on_call(const Schedule& schedule, std::string_view when) {
  std::string text;
  for (const std::string& person : who(schedule, at(when)).persons) {
    text += (text.empty() ? "" : "+") + person;
  }
  return text.empty() ? "-" : text;
}

std::string describe(const std::vector<Shift>& list) {
  std::string text;
  for (const Shift& shift : list) {
    text += base::format_rfc3339(shift.begin).substr(5, 11) + " ";
    text += shift.on_call.persons.empty() ? "-" : shift.on_call.persons.front();
    text += "; ";
  }
  return text;
}

TEST_CASE("weekly turns change on Monday at 09:00 local, in summer and winter") {
  const Schedule one =
      schedule({layer("week", {"ada", "ben", "cleo"}, hours(168), "2026-01-05T09:00")});
  CHECK(on_call(one, "2026-01-05T07:59:59Z") == "-");  // not begun
  CHECK(on_call(one, "2026-01-05T08:00:00Z") == "ada");
  CHECK(on_call(one, "2026-01-12T07:59:59Z") == "ada");
  CHECK(on_call(one, "2026-01-12T08:00:00Z") == "ben");
  CHECK(on_call(one, "2026-01-26T08:00:00Z") == "ada");
  // 2026-03-29 clocks go forward: from then on 09:00 local is 07:00Z.
  CHECK(on_call(one, "2026-03-30T06:59:59Z") == "cleo");
  CHECK(on_call(one, "2026-03-30T07:00:00Z") == "ada");
  CHECK(next_change(one, at("2026-03-28T00:00:00Z"), at("2026-05-01T00:00:00Z")) ==
        at("2026-03-30T07:00:00Z"));
}

TEST_CASE("a turn that changes within the hour that is skipped or comes twice") {
  const Schedule one = schedule({layer("day", {"ada", "ben"}, hours(24), "2026-03-27T02:30")});
  CHECK(on_call(one, "2026-03-28T01:30:00Z") == "ben");
  // 29 March: 02:30 does not exist; the hand-over is when the clock jumps, at 01:00Z.
  CHECK(on_call(one, "2026-03-29T00:59:59Z") == "ben");
  CHECK(on_call(one, "2026-03-29T01:00:00Z") == "ada");
  const Schedule two = schedule({layer("day", {"ada", "ben"}, hours(24), "2026-10-24T02:30")});
  // 25 October: the first 02:30 (00:30Z); at the second 02:10 (01:10Z) nobody is handed back.
  CHECK(on_call(two, "2026-10-25T00:29:59Z") == "ada");
  CHECK(on_call(two, "2026-10-25T00:30:00Z") == "ben");
  CHECK(on_call(two, "2026-10-25T01:10:00Z") == "ben");
  CHECK(on_call(two, "2026-10-25T01:30:00Z") == "ben");
  CHECK(on_call(two, "2026-10-26T01:30:00Z") == "ada");
}

TEST_CASE("turns of hours stay at their local hours") {
  const Schedule one = schedule({layer("half", {"ada", "ben"}, hours(12), "2026-03-28T08:00")});
  CHECK(on_call(one, "2026-03-28T18:59:59Z") == "ada");
  CHECK(on_call(one, "2026-03-28T19:00:00Z") == "ben");  // 20:00 CET
  CHECK(on_call(one, "2026-03-29T05:59:59Z") == "ben");  // 07:59:59 CEST: an hour less that night
  CHECK(on_call(one, "2026-03-29T06:00:00Z") == "ada");  // 08:00 CEST
  const Schedule hourly =
      schedule({layer("hour", {"ada", "ben", "cleo"}, hours(1), "2026-03-29T00:00")});
  CHECK(on_call(hourly, "2026-03-29T00:30:00Z") == "ben");  // 01:30 local
  // The turn of 02:00 has no time at all: its hour is skipped.
  CHECK(on_call(hourly, "2026-03-29T01:00:00Z") == "ada");  // 03:00 local: turn 3
}

TEST_CASE("the layer that is written first wins where it holds") {
  Layer nights = layer("nights", {"nora"}, hours(168), "2026-01-05T00:00");
  nights.hours = {timezone::parse_hours("18:00-08:00").value()};
  nights.hours.front().weekdays = timezone::parse_weekdays("mon-fri").value();
  const Schedule one = schedule({nights, layer("all", {"ada"}, hours(168), "2026-01-05T00:00")});
  CHECK(on_call(one, "2026-01-05T10:00:00Z") == "ada");
  CHECK(on_call(one, "2026-01-05T17:00:00Z") == "nora");
  CHECK(on_call(one, "2026-01-06T06:59:00Z") == "nora");
  CHECK(on_call(one, "2026-01-10T06:59:00Z") == "nora");  // Saturday morning is Friday's night
  CHECK(on_call(one, "2026-01-10T20:00:00Z") == "ada");
  CHECK(who(one, at("2026-01-05T17:00:00Z")).layer == "nights");
  CHECK(describe(shifts(one, at("2026-01-05T06:00:00Z"), at("2026-01-06T12:00:00Z"))) ==
        "01-05T06:00 ada; 01-05T17:00 nora; 01-06T07:00 ada; ");
}

TEST_CASE("several are on call together") {
  Layer pair = layer("pairs", {}, hours(24), "2026-01-05T00:00");
  pair.rotation.turns = {{"ada", "ben"}, {"cleo"}};
  const Schedule one = schedule({pair});
  CHECK(on_call(one, "2026-01-05T10:00:00Z") == "ada+ben");
  CHECK(on_call(one, "2026-01-06T10:00:00Z") == "cleo");
}

TEST_CASE("an override wins, and the newest of them") {
  Schedule one = schedule({layer("all", {"ada"}, hours(168), "2026-01-05T00:00")});
  one.overrides = {
      {"1", "primary", {"ben"}, at("2026-01-07T08:00:00Z"), at("2026-01-07T16:00:00Z"), "", ""},
      {"2", "primary", {"cleo"}, at("2026-01-07T12:00:00Z"), at("2026-01-07T13:00:00Z"), "", ""}};
  CHECK(describe(shifts(one, at("2026-01-07T00:00:00Z"), at("2026-01-08T00:00:00Z"))) ==
        "01-07T00:00 ada; 01-07T08:00 ben; 01-07T12:00 cleo; 01-07T13:00 ben; 01-07T16:00 ada; ");
  CHECK(who(one, at("2026-01-07T12:30:00Z")).layer == "override 2");
  CHECK(next_change(one, at("2026-01-07T08:30:00Z"), at("2026-02-01T00:00:00Z")) ==
        at("2026-01-07T12:00:00Z"));
}

TEST_CASE("gaps: nobody before the start, and outside of hours") {
  Layer office = layer("office", {"ada"}, hours(168), "2026-01-05T00:00");
  office.hours = {timezone::parse_hours("09:00-17:00").value()};
  const Schedule one = schedule({office});
  CHECK(describe(gaps(one, at("2026-01-04T00:00:00Z"), at("2026-01-06T12:00:00Z"))) ==
        "01-04T00:00 -; 01-05T16:00 -; ");
  CHECK(gaps(schedule({layer("all", {"ada"}, hours(168), "2026-01-05T00:00")}),
             at("2026-01-05T00:00:00Z"), at("2026-12-31T00:00:00Z"))
            .empty());
  const Schedule none = schedule({});
  CHECK(gaps(none, at("2026-01-05T00:00:00Z"), at("2026-01-06T00:00:00Z")).size() == 1);
  CHECK_FALSE(next_edge(none, at("2026-01-05T00:00:00Z")));
}

TEST_CASE("holidays suppress a layer, or make another hold") {
  auto holidays = std::make_shared<Holidays>();
  holidays->add_local(timezone::parse_local("2026-01-06").value(),
                      timezone::parse_local("2026-01-07").value(), "Epiphany");
  holidays->normalize();
  Layer special = layer("holidays", {"holly"}, hours(168), "2026-01-01T00:00");
  special.on_holidays = OnHolidays::Only;
  Layer office = layer("office", {"ada"}, hours(168), "2026-01-05T00:00");
  office.on_holidays = OnHolidays::Suppress;
  Schedule one = schedule({special, office});
  one.holidays = holidays;
  CHECK(describe(shifts(one, at("2026-01-05T00:00:00Z"), at("2026-01-08T00:00:00Z"))) ==
        "01-05T00:00 ada; 01-05T23:00 holly; 01-06T23:00 ada; ");
  one.layers.erase(one.layers.begin());
  CHECK(on_call(one, "2026-01-06T12:00:00Z") == "-");
}

TEST_CASE("over a year of hours: shifts leave no hole and go forward") {
  Layer turns = layer("turns", {"ada", "ben", "cleo"}, hours(5), "2026-01-01T00:00");
  turns.hours = {timezone::parse_hours("22:30-06:30").value()};
  const Schedule one =
      schedule({turns, layer("all", {"dora", "emil"}, hours(24), "2026-01-01T02:30")});
  const WallTime begin = at("2026-01-01T02:00:00Z");
  const WallTime end = at("2027-01-01T00:00:00Z");
  WallTime last = begin;
  for (const Shift& shift : shifts(one, begin, end)) {
    CHECK(shift.begin == last);
    CHECK(shift.begin < shift.end);
    CHECK(who(one, shift.begin) == shift.on_call);
    CHECK(who(one, shift.end - base::Duration(1)) == shift.on_call);
    CHECK_FALSE(shift.on_call.persons.empty());
    last = shift.end;
  }
  CHECK(last == end);
}

}  // namespace
}  // namespace tocsin::oncall
