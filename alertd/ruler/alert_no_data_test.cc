// Silence: what a condition looks at, when its absence is told of, and what ends that.
#include <doctest/doctest.h>

#include "alertd/promql/ast.h"
#include "alertd/ruler/alert_state.h"
#include "alertd/ruler/input_expr.h"

namespace tocsin::ruler {
namespace {

using base::Duration;
using base::WallTime;
using model::Labels;
using model::Severity;
using std::chrono::hours;
using std::chrono::minutes;

Labels identity(const std::string& host) {
  return Labels{{"alertname", "Down"}, {"host", host}};
}

/// A plain alert whose input is the hosts given, stepped each minute.
struct Watched {
  AlertState state;
  WallTime now = base::wall_time(1'700'000'000'000);

  explicit Watched(NoData no_data = NoData::Alert, AlertStateOptions options = {})
      : state({{Severity::Critical, std::nullopt, Duration{0}, Duration{0}}}, std::nullopt, no_data,
              options) {}

  void step(const std::vector<std::string>& hosts, const std::vector<std::string>& firing = {},
            Duration by = minutes(1)) {
    now += by;
    std::vector<Observation> result;
    for (const std::string& host : firing) {
      result.push_back({identity(host), Labels{{"host", host}}, 0, Severity::Critical});
    }
    std::vector<InputElement> input;
    for (const std::string& host : hosts) input.push_back({identity(host), {}});
    const bool wanted = state.wants_input(now, result);
    REQUIRE(state.step(now, result, wanted ? &input : nullptr));
  }
  void steps(int count, const std::vector<std::string>& hosts) {
    for (int i = 0; i < count; ++i) step(hosts);
  }
  /// Hosts whose absence is being told of.
  std::vector<std::string> silent() const {
    std::vector<std::string> hosts;
    for (const auto& [labels, alert] : state.alerts()) {
      if (alert.no_data_alert && alert.phase == AlertPhase::Firing) {
        hosts.emplace_back(labels.get("host"));
      }
    }
    return hosts;
  }
};

using Hosts = std::vector<std::string>;

std::string input_of(const std::string& expr) {
  const promql::Parsed parsed = promql::parse(expr);
  REQUIRE(parsed.expr);
  const RuleInput input = derive_input(*parsed.expr, expr);
  return input.expr ? promql::print(*input.expr) : "none: " + input.why_not;
}

}  // namespace

TEST_CASE("what a comparison looks at") {
  CHECK(input_of("up == 0") == "up == bool 0");
  CHECK(input_of("0 == up") == "0 == bool up");
  CHECK(input_of("((rate(a[5m]) / rate(b[5m])) > 0.5)") ==
        "((rate(a[5m]) / rate(b[5m])) > bool 0.5)");
  CHECK(input_of("a{x=\">\"} > on (host) group_left (y) b") ==
        "a{x=\">\"} > bool on (host) group_left (y) b");
  CHECK(input_of("a # is it > 5?\n  >= # yes\n 5") == "a >= bool 5");
  CHECK(input_of("5 < a < 10") == "5 < bool a < bool 10");
  CHECK(input_of("sum by (host) (a) != count by (host) (b)") ==
        "sum by (host) (a) != bool count by (host) (b)");
}

TEST_CASE("expressions whose result does not tell what they look at") {
  CHECK(input_of("up == 0 or down == 1") == "none: it has the set operator 'or'");
  CHECK(input_of("a > 5 and b") == "none: it has the set operator 'and'");
  CHECK(input_of("absent(up)") == "none: it already looks for absence");
  CHECK(input_of("absent(up) == 1") == "none: it already looks for absence");
  CHECK(input_of("count(up == 0) > 3") ==
        "none: it filters with '==' below the outermost comparison");
  CHECK(input_of("topk(3, a) > 5") == "none: 'topk' picks by value");
  CHECK(input_of("count(ALERTS) > 5") == "none: it reads the states of alerts");
  CHECK(input_of("a") == "none: it compares nothing, so that whatever it gives fires");
  CHECK(input_of("a > bool 5") == "none: it compares nothing, so that whatever it gives fires");
  CHECK(input_of("max_over_time((a > 5)[5m:1m]) > 3").starts_with("none: it filters"));
}

TEST_CASE("a label set that vanished is told of after the time, once, until it is back") {
  Watched watched;
  watched.steps(3, {"a", "b"});
  watched.steps(4, {"a"});
  CHECK(watched.silent().empty());
  watched.step({"a"});
  CHECK(watched.silent() == Hosts{"b"});
  CHECK(watched.state.alerts().begin()->second.severity == Severity::High);  // not the worst
  watched.steps(10, {"a"});
  CHECK(watched.silent() == Hosts{"b"});
  watched.step({"a", "b"});
  CHECK(watched.silent().empty());
}

TEST_CASE("with slots further apart than the time, one gap is not silence") {
  Watched watched;
  watched.step({"a"}, {}, minutes(10));
  watched.step({}, {}, minutes(10));
  CHECK(watched.silent().empty());
  watched.step({}, {}, minutes(10));
  CHECK(watched.silent() == Hosts{"a"});
}

TEST_CASE("silence is forgotten after a day") {
  Watched watched;
  watched.steps(2, {"a"});
  watched.steps(10, {});
  CHECK(watched.silent() == Hosts{"a"});
  watched.step({}, {}, hours(24));
  CHECK(watched.silent().empty());
  watched.steps(10, {});
  CHECK(watched.silent().empty());
}

TEST_CASE("a firing alert stays while nobody reports, and ends when a healthy report comes") {
  for (const NoData no_data : {NoData::Keep, NoData::Alert}) {
    Watched watched(no_data);
    watched.step({"a"}, {"a"});
    watched.steps(20, {});
    REQUIRE(watched.state.alerts().size() == 1);
    CHECK(watched.state.alerts().at(identity("a")).phase == AlertPhase::Firing);
    CHECK(watched.silent().empty());  // it needs no second alert
    watched.step({"a"});
    CHECK(watched.state.alerts().at(identity("a")).phase == AlertPhase::Inactive);
  }
}

TEST_CASE("a host that was removed is not waited for; one that is enrolled again is") {
  Watched watched;
  watched.steps(3, {"a", "b", "c"});
  watched.steps(6, {"c"});
  CHECK(watched.silent() == Hosts{"a", "b"});
  const auto events = watched.state.forget_owner(watched.now, {"host", "a"});
  REQUIRE(events.size() == 1);
  CHECK(events[0].change == AlertChange::Resolved);
  CHECK(watched.silent() == Hosts{"b"});
  // Removed while its last samples are still in the windows of queries.
  watched.state.forget_owner(watched.now, {"host", "c"});
  watched.steps(5, {"c"});
  watched.steps(20, {});
  CHECK(watched.silent() == Hosts{"b"});
  watched.state.welcome({"host", "c"});
  watched.steps(2, {"c"});
  watched.steps(6, {});
  CHECK(watched.silent() == Hosts{"b", "c"});
}

TEST_CASE("a person says that a label set does not come back") {
  Watched watched;
  watched.step({"a", "b", "kept"}, {"kept"});
  watched.steps(2, {"a", "b"});
  watched.steps(6, {});
  CHECK(watched.silent() == Hosts{"a", "b"});
  const Labels closed = model::LabelsBuilder(identity("a")).set(kNoDataLabel, "true").build();
  watched.state.forget(watched.now, [&](const Labels& labels) { return labels == closed; });
  CHECK(watched.silent() == Hosts{"b"});
  watched.steps(20, {});
  CHECK(watched.silent() == Hosts{"b"});
  CHECK(watched.state.alerts().at(identity("kept")).phase == AlertPhase::Firing);
}

TEST_CASE("more label sets than the limit are counted, not watched") {
  AlertStateOptions options;
  options.no_data_watched_max = 2;
  Watched watched(NoData::Alert, options);
  watched.step({"a", "b", "c", "d"});
  CHECK(watched.state.unwatched() == 2);
  watched.steps(7, {});
  CHECK(watched.silent() == Hosts{"a", "b"});
}

TEST_CASE("the input is asked for only when it matters") {
  Watched watched;
  const WallTime start = watched.now;
  CHECK(watched.state.wants_input(start, {}));  // the first look
  watched.step({"a"});
  CHECK_FALSE(watched.state.wants_input(watched.now + std::chrono::seconds(15), {}));
  CHECK(watched.state.wants_input(watched.now + minutes(1), {}));
  watched.step({"a"}, {"a"});
  const std::vector<Observation> same{
      {identity("a"), Labels{{"host", "a"}}, 0, Severity::Critical}};
  CHECK_FALSE(watched.state.wants_input(watched.now + std::chrono::seconds(15), same));
  CHECK(watched.state.wants_input(watched.now + std::chrono::seconds(15), {}));
}

TEST_CASE("no_data alerts do not count towards the limit") {
  AlertStateOptions options;
  options.limit = 1;
  Watched watched(NoData::Alert, options);
  watched.steps(2, {"a", "b", "c"});
  watched.steps(8, {});
  CHECK(watched.silent().size() == 3);
}

}  // namespace tocsin::ruler
