#include "alertd/ruler/alert_state.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

namespace tocsin::ruler {
namespace {

using base::Duration;
using base::wall_time;
using base::WallTime;
using model::Labels;
using model::Severity;
using std::chrono::minutes;
using std::chrono::seconds;

WallTime at(Duration offset) {
  return wall_time(1'700'000'000'000) + offset;
}

Observation seen(const char* host, double value = 1) {
  Observation observation;
  observation.labels = Labels{{"alertname", "A"}, {"host", host}};
  observation.result_labels = Labels{{"host", host}};
  observation.value = value;
  observation.severity = Severity::High;
  return observation;
}

AlertState plain(Duration hold_for, Duration keep = Duration{0}, AlertStateOptions options = {}) {
  return AlertState({{Severity::High, std::nullopt, hold_for, keep}}, std::nullopt, NoData::Ok,
                    options);
}

Level above(Severity severity, double value, Duration hold_for, Duration keep = Duration{0}) {
  return {severity, Bound{Bound::Side::Above, value}, hold_for, keep};
}

/// 80 for 10m, 90 for 5m, 95 for 1m.
AlertState disk(NoData no_data = NoData::Ok, std::optional<Bound> clear = std::nullopt) {
  return AlertState(
      {above(Severity::Medium, 80, minutes(10)), above(Severity::High, 90, minutes(5)),
       above(Severity::Critical, 95, minutes(1))},
      clear, no_data, {});
}

/// Steps with one host or none and returns what changed: "firing high", "" for nothing.
std::string step(AlertState& state, WallTime now, std::vector<Observation> result) {
  const auto events = state.step(now, result);
  if (!events) return "error";
  std::string text;
  for (const AlertEvent& event : *events) {
    if (!text.empty()) text += ", ";
    text += std::string(to_string(event.change)) + " " + std::string(to_string(event.severity));
  }
  return text;
}

const ActiveAlert& only(const AlertState& state) {
  REQUIRE(state.alerts().size() == 1);
  return state.alerts().begin()->second;
}

}  // namespace

TEST_CASE("for: pending first, firing once it held, at once without") {
  AlertState state = plain(minutes(2));
  CHECK(step(state, at(minutes(0)), {seen("a")}) == "pending high");
  CHECK(step(state, at(minutes(1)), {seen("a")}) == "");
  CHECK(step(state, at(minutes(2)), {seen("a", 7)}) == "firing high");
  CHECK(only(state).active_at == at(minutes(0)));
  CHECK(only(state).fired_at == at(minutes(2)));
  CHECK(only(state).value == 7);

  AlertState at_once = plain(Duration{0});
  CHECK(step(at_once, at(minutes(0)), {seen("a")}) == "firing high");
}

TEST_CASE("an alert that is gone while pending is dropped, while firing resolved") {
  AlertState state = plain(minutes(2));
  step(state, at(minutes(0)), {seen("a")});
  CHECK(step(state, at(minutes(1)), {}) == "dropped high");
  CHECK(state.alerts().empty());
  step(state, at(minutes(2)), {seen("a")});
  step(state, at(minutes(4)), {seen("a")});
  CHECK(step(state, at(minutes(5)), {}) == "resolved high");
  CHECK(only(state).resolved_at == at(minutes(5)));
  // Kept to be sent again, then forgotten: more than 15 minutes after it was resolved.
  step(state, at(minutes(20)), {});
  CHECK(state.alerts().size() == 1);
  step(state, at(minutes(21)), {});
  CHECK(state.alerts().empty());
}

TEST_CASE("an alert that comes back after it resolved is a new one") {
  AlertState state = plain(minutes(1));
  step(state, at(minutes(0)), {seen("a")});
  step(state, at(minutes(1)), {seen("a")});
  step(state, at(minutes(2)), {});
  CHECK(step(state, at(minutes(3)), {seen("a")}) == "pending high");
  CHECK(only(state).active_at == at(minutes(3)));
  CHECK_FALSE(only(state).resolved_at);
}

TEST_CASE("keep_firing_for counts from the first missing evaluation and starts again") {
  AlertState state = plain(Duration{0}, minutes(3));
  step(state, at(minutes(0)), {seen("a")});
  CHECK(step(state, at(minutes(1)), {}) == "");
  CHECK(step(state, at(minutes(3)), {}) == "");  // 2 minutes after the first missing one
  CHECK(step(state, at(minutes(3) + seconds(30)), {seen("a")}) == "");
  CHECK(only(state).active_at == at(minutes(0)));
  CHECK(step(state, at(minutes(4)), {}) == "");
  CHECK(step(state, at(minutes(6) + seconds(59)), {}) == "");
  CHECK(step(state, at(minutes(7)), {}) == "resolved high");
}

TEST_CASE("keep_firing_for does nothing for a pending alert") {
  AlertState state = plain(minutes(5), minutes(10));
  step(state, at(minutes(0)), {seen("a")});
  CHECK(step(state, at(minutes(1)), {}) == "dropped high");
}

TEST_CASE("an alert kept firing does not fall back to pending when its condition returns") {
  AlertState state = plain(minutes(2), minutes(10));
  step(state, at(minutes(0)), {seen("a")});
  step(state, at(minutes(2)), {seen("a")});
  step(state, at(minutes(3)), {});
  CHECK(step(state, at(minutes(4)), {seen("a")}) == "");
  CHECK(only(state).phase == AlertPhase::Firing);
}

TEST_CASE("a for raised by a reload sends a firing alert back to pending") {
  AlertState before = plain(minutes(1));
  step(before, at(minutes(0)), {seen("a")});
  step(before, at(minutes(1)), {seen("a")});
  before.alerts().begin()->second.last_sent_at = at(minutes(1));
  AlertState after = plain(minutes(10));
  after.take_over(before);
  CHECK(step(after, at(minutes(2)), {seen("a")}) == "back_to_pending high");
  CHECK_FALSE(only(after).fired_at);
  CHECK_FALSE(only(after).last_sent_at);
  CHECK(step(after, at(minutes(10)), {seen("a")}) == "firing high");
}

TEST_CASE("two elements with the same labels change nothing") {
  AlertState state = plain(Duration{0});
  step(state, at(minutes(0)), {seen("a")});
  const std::vector<Observation> twins{seen("b"), seen("a"), seen("b")};
  const auto result = state.step(at(minutes(1)), twins);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == base::ErrorCode::InvalidArgument);
  CHECK(state.alerts().size() == 1);
  CHECK(only(state).last_seen == at(minutes(0)));
}

TEST_CASE("over the limit every alert of the rule is dropped") {
  AlertStateOptions options;
  options.limit = 2;
  AlertState state = plain(Duration{0}, Duration{0}, options);
  CHECK(step(state, at(minutes(0)), {seen("a"), seen("b")}) == "firing high, firing high");
  const std::vector<Observation> three{seen("a"), seen("b"), seen("c")};
  const auto result = state.step(at(minutes(1)), three);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == base::ErrorCode::LimitExceeded);
  CHECK(state.alerts().empty());
}

TEST_CASE("levels: each is entered after its own for, severity rises") {
  AlertState state = disk();
  CHECK(step(state, at(minutes(0)), {seen("a", 85)}) == "pending medium");
  CHECK(step(state, at(minutes(4)), {seen("a", 96)}) == "");
  CHECK(step(state, at(minutes(5)), {seen("a", 96)}) == "firing critical");  // 96 for 1m
  CHECK(step(state, at(minutes(9)), {seen("a", 96)}) == "");
  CHECK(only(state).active_at == at(minutes(0)));
}

TEST_CASE("levels: severity falls at once to the level that still holds, and rises after its for") {
  AlertState state = disk();
  step(state, at(minutes(0)), {seen("a", 96)});
  step(state, at(minutes(1)), {seen("a", 96)});
  CHECK(only(state).severity == Severity::Critical);
  // 85 is beyond medium only; its `for` of 10m has not passed, but it held all along.
  CHECK(step(state, at(minutes(2)), {seen("a", 85)}) == "lowered medium");
  CHECK(step(state, at(minutes(3)), {seen("a", 92)}) == "");
  CHECK(step(state, at(minutes(7)), {seen("a", 92)}) == "");
  CHECK(step(state, at(minutes(8)), {seen("a", 92)}) == "raised high");  // above 90 since 3m
  CHECK(step(state, at(minutes(9)), {seen("a", 70)}) == "resolved high");
}

TEST_CASE("levels: clear holds the alert at its lowest level until it is met") {
  AlertState state = disk(NoData::Ok, Bound{Bound::Side::Below, 75});
  step(state, at(minutes(0)), {seen("a", 96)});
  step(state, at(minutes(1)), {seen("a", 96)});
  CHECK(step(state, at(minutes(2)), {seen("a", 78)}) == "lowered medium");
  CHECK(step(state, at(minutes(3)), {seen("a", 75)}) == "");
  CHECK(step(state, at(minutes(4)), {seen("a", 82)}) == "");
  CHECK(step(state, at(minutes(5)), {seen("a", 74.9)}) == "resolved medium");
}

TEST_CASE("levels: clear means nothing to an alert that has not fired") {
  AlertState state = disk(NoData::Ok, Bound{Bound::Side::Below, 75});
  step(state, at(minutes(0)), {seen("a", 85)});
  CHECK(step(state, at(minutes(1)), {seen("a", 78)}) == "dropped medium");
  CHECK(step(state, at(minutes(2)), {seen("a", 78)}) == "");
  CHECK(state.alerts().empty());
}

TEST_CASE("levels: keep_firing_for of a level holds the severity") {
  AlertState state({above(Severity::Medium, 80, Duration{0}),
                    above(Severity::Critical, 95, Duration{0}, minutes(5))},
                   std::nullopt, NoData::Ok, {});
  CHECK(step(state, at(minutes(0)), {seen("a", 96)}) == "firing critical");
  CHECK(step(state, at(minutes(1)), {seen("a", 85)}) == "");
  CHECK(step(state, at(minutes(5)), {seen("a", 85)}) == "");
  CHECK(step(state, at(minutes(6)), {seen("a", 85)}) == "lowered medium");
}

TEST_CASE("levels: NaN is beyond nothing") {
  AlertState state = disk();
  CHECK(step(state, at(minutes(0)), {seen("a", std::nan(""))}) == "");
}

TEST_CASE("no data, ok: the alert resolves") {
  AlertState state = disk(NoData::Ok);
  step(state, at(minutes(0)), {seen("a", 96)});
  step(state, at(minutes(1)), {seen("a", 96)});
  CHECK(step(state, at(minutes(2)), {}) == "resolved critical");
}

TEST_CASE("no data, keep: the alert stays, time unseen does not count") {
  AlertState state = disk(NoData::Keep);
  step(state, at(minutes(0)), {seen("a", 92)});
  CHECK(step(state, at(minutes(1)), {}) == "");
  CHECK(step(state, at(minutes(7)), {}) == "");
  // Seen for 0..1m and from 8m on, missing for 7m: high is due when seen for 5m, at 12m.
  CHECK(step(state, at(minutes(8)), {seen("a", 92)}) == "");
  CHECK(step(state, at(minutes(11)), {seen("a", 92)}) == "");
  CHECK(step(state, at(minutes(12)), {seen("a", 92)}) == "firing high");
  CHECK(step(state, at(minutes(13)), {}) == "");
  CHECK(only(state).no_data_since == at(minutes(13)));
  CHECK(only(state).phase == AlertPhase::Firing);
  // A day later the label set is forgotten.
  CHECK(step(state, at(minutes(13) + std::chrono::hours(24)), {}) == "resolved high");
}

TEST_CASE("no data, alert: a quiet label set that vanished raises an alert of its own") {
  AlertState state = disk(NoData::Alert);
  step(state, at(minutes(0)), {seen("a", 10), seen("b", 10)});
  CHECK(step(state, at(minutes(4)), {seen("b", 10)}) == "");
  CHECK(step(state, at(minutes(5)), {seen("b", 10)}) == "firing high");
  const ActiveAlert& alert = only(state);
  CHECK(alert.no_data_alert);
  CHECK(alert.labels == Labels{{"alertname", "A"}, {"host", "a"}, {"no_data", "true"}});
  CHECK(step(state, at(minutes(6)), {seen("a", 10), seen("b", 10)}) == "resolved high");
}

TEST_CASE("no data, alert: one that fires goes on firing instead") {
  AlertState state = disk(NoData::Alert);
  step(state, at(minutes(0)), {seen("a", 96)});
  step(state, at(minutes(1)), {seen("a", 96)});
  CHECK(step(state, at(minutes(10)), {}) == "");
  CHECK(only(state).severity == Severity::Critical);
  CHECK(only(state).no_data_since == at(minutes(10)));
}

TEST_CASE("restart: pending for long enough, or nearly so, or hardly") {
  // `for` is 30m, grace 10m, the daemon was away from 20m to 22m.
  struct Case {
    Duration since;      // before the daemon went down, at 20m
    Duration active_at;  // what must be restored, seen at 22m
  };
  // Held 40m: keeps its time. Held 25m: 5m remain, less than the grace, so due 10m from now:
  // 22 + 10 - 30 = 2m. Held 10m: 20m remain; the downtime of 2m does not count: -> 12m.
  const Case cases[] = {
      {minutes(-20), minutes(-20)}, {minutes(-5), minutes(2)}, {minutes(10), minutes(12)}};
  for (const Case& example : cases) {
    AlertState state = plain(minutes(30));
    Remembered before;
    before.labels = seen("a").labels;
    before.since[0] = at(example.since);
    before.down_at = at(minutes(20));
    state.remember({{before.labels, before}}, {});
    step(state, at(minutes(22)), {seen("a")});
    CHECK(only(state).active_at == at(example.active_at));
  }
}

TEST_CASE("restart: a short for is not restored, unless the alert was firing") {
  for (const int level : {-1, 0}) {
    AlertState state = plain(minutes(5));
    Remembered before;
    before.labels = seen("a").labels;
    before.since[0] = at(minutes(10));
    before.firing_level = level;
    before.down_at = at(minutes(20));
    state.remember({{before.labels, before}}, {});
    step(state, at(minutes(22)), {seen("a")});
    CHECK(only(state).phase == (level < 0 ? AlertPhase::Pending : AlertPhase::Firing));
    CHECK(only(state).active_at == at(minutes(level < 0 ? 22 : 10)));
  }
}

TEST_CASE("restart: keep_firing_for goes on, counted from the last evaluation before") {
  AlertState state = plain(Duration{0}, minutes(10));
  Remembered before;
  before.labels = seen("a").labels;
  before.since[0] = at(minutes(0));
  before.firing_level = 0;
  before.down_at = at(minutes(20));
  state.remember({{before.labels, before}}, {});
  CHECK(step(state, at(minutes(22)), {}) == "");
  CHECK(step(state, at(minutes(23)), {}) == "firing high");
  CHECK(step(state, at(minutes(29)), {}) == "");
  CHECK(step(state, at(minutes(30)), {}) == "resolved high");
}

TEST_CASE("restart: after two evaluations the rest is forgotten") {
  AlertState state = plain(minutes(30));
  Remembered before;
  before.labels = seen("a").labels;
  before.since[0] = at(minutes(-100));
  before.down_at = at(minutes(20));
  state.remember({{before.labels, before}}, {});
  step(state, at(minutes(22)), {});
  step(state, at(minutes(23)), {});
  CHECK(step(state, at(minutes(24)), {seen("a")}) == "pending high");
}

TEST_CASE("restart: a levelled alert held by clear fires on") {
  AlertState state = disk(NoData::Ok, Bound{Bound::Side::Below, 75});
  Remembered before;
  before.labels = seen("a").labels;
  before.firing_level = 0;
  before.down_at = at(minutes(20));
  state.remember({{before.labels, before}}, {});
  CHECK(step(state, at(minutes(22)), {seen("a", 78)}) == "");
  CHECK(only(state).phase == AlertPhase::Firing);
  CHECK(only(state).severity == Severity::Medium);
}

TEST_CASE("restart: templated labels are not compared") {
  AlertState state = plain(minutes(30));
  Remembered before;
  before.labels = Labels{{"alertname", "A"}, {"host", "old"}};
  before.since[0] = at(minutes(-100));
  before.down_at = at(minutes(20));
  state.remember({{Labels{{"alertname", "A"}}, before}}, {"host"});
  CHECK(step(state, at(minutes(22)), {seen("new")}) == "firing high");
}

TEST_CASE("a step of the clock moves every time") {
  AlertState state = plain(minutes(5));
  step(state, at(minutes(0)), {seen("a")});
  state.shift(std::chrono::hours(-2));
  CHECK(step(state, at(minutes(4) - std::chrono::hours(2)), {seen("a")}) == "");
  CHECK(step(state, at(minutes(5) - std::chrono::hours(2)), {seen("a")}) == "firing high");
}

TEST_CASE("a reload matches levels by severity") {
  AlertState before = disk();
  step(before, at(minutes(0)), {seen("a", 96)});
  step(before, at(minutes(1)), {seen("a", 96)});
  AlertState after(
      {above(Severity::High, 90, minutes(5)), above(Severity::Critical, 97, minutes(1))},
      std::nullopt, NoData::Ok, {});
  after.take_over(before);
  CHECK(only(after).severity == Severity::Critical);
  CHECK(step(after, at(minutes(2)), {seen("a", 96)}) == "lowered high");
}

}  // namespace tocsin::ruler
