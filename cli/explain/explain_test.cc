#include "cli/explain/explain.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "cli/backtest/local_api.h"
#include "cli/backtest/rules_in_force.h"
#include "cli/explain/alert.h"

namespace tocsin::explain {
namespace {

struct Fixture {
  backtest::LocalApi api;
  backtest::QueryApi queries{api};
  base::WallTime at = base::wall_time(20 * 60'000);

  Explanation explain(const std::string& text, model::Labels wanted = {}) {
    const auto parsed = promql::parse(text);
    REQUIRE(parsed.expr);
    Explainer explainer(queries, at, std::move(wanted), {});
    auto explanation = explainer.explain(text, *parsed.expr);
    REQUIRE_MESSAGE(explanation, explanation.error().message);
    return std::move(*explanation);
  }
  /// Returns whether a reason has the text.
  static bool says(const std::vector<std::string>& reasons, std::string_view text) {
    return std::any_of(reasons.begin(), reasons.end(), [&](const std::string& reason) {
      return reason.find(text) != std::string::npos;
    });
  }
};

TEST_CASE("a comparison that does not hold: each value with its distance, nearest first") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x{host=\"a\"} 3x30\nx{host=\"b\"} 4.5x30"));
  const Explanation one = f.explain("x > 5");
  CHECK(one.root.empty());
  CHECK(one.root.operation == ">");
  REQUIRE(one.root.elements.size() == 2);
  CHECK(one.root.elements[0].labels.get("host") == "b");
  CHECK(one.root.elements[0].note == "0.5 too low");
  CHECK_FALSE(one.root.elements[0].passes);
  CHECK(one.root.notes[0] == "0 of 2 series are > 5");
  REQUIRE(one.root.parts.size() == 2);
  CHECK(one.root.parts[0].text == "x");
  CHECK(one.root.parts[0].total == 2);
  CHECK(f.says(one.reasons, "the condition does not hold: x > 5"));
  CHECK(f.says(one.reasons, "4.5: 0.5 too low"));
  // The number on the left is said the other way round.
  CHECK(f.says(f.explain("4 < x").reasons, "holds by 0.5"));
  // Only the label set asked for counts.
  const Explanation a = f.explain("x > 4", {{"host", "a"}});
  CHECK(a.root.total == 1);
  CHECK(a.root.empty());
  CHECK(f.says(a.reasons, "1 too low"));
}

TEST_CASE("a selector that finds nothing: the matcher that removes all, and since when") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x{env=\"prod\", host=\"a\"} 3x5\nx{env=\"test\"} 3x30"));
  const Explanation wrong = f.explain("x{env=\"production\"} > 1");
  const Part& selector = wrong.root.parts[0];
  CHECK(selector.empty());
  CHECK(f.says(selector.notes, "no sample in the 14 days before"));
  CHECK(f.says(selector.notes, "env=\"production\" removes all: without it there are 1 series"));
  CHECK(f.says(selector.notes, "there env is \"test\""));
  CHECK(f.says(wrong.reasons, "no data: x{env=\"production\"}"));
  // The series was there until minute 5; the query looks at minute 20.
  const Explanation gone = f.explain("x{env=\"prod\"} > 1");
  CHECK(f.says(gone.reasons, "last sample 1970-01-01T00:05:00Z (15m before)"));
  const Explanation never = f.explain("y > 1");
  CHECK(f.says(never.reasons, "no data: y: no series: no sample in the 14 days before"));
  const Explanation other = f.explain("x", {{"env", "stage"}});
  CHECK(f.says(other.root.notes, "it has 1 series, none of the label set asked for"));
}

TEST_CASE("joins: who finds no partner, and which labels are to blame") {
  Fixture f;
  REQUIRE(f.api.source.load("1m",
                            "free{host=\"a\", disk=\"1\"} 3x30\n"
                            "free{host=\"b\", disk=\"1\"} 3x30\n"
                            "size{host=\"a\"} 10x30\n"));
  const Explanation all = f.explain("free / size < 0.5");
  CHECK(all.root.empty());
  CHECK(f.says(all.reasons, "2 of 2 series on the left find no partner on the right (on all"));
  CHECK(f.says(all.reasons, "only the left has the labels disk"));
  const Explanation some = f.explain("free / on (host) size < 0.5");
  CHECK_FALSE(some.root.empty());
  const Part& division = some.root.parts[0];
  CHECK(
      f.says(division.notes, "1 of 2 series on the left find no partner on the right (on (host))"));
  CHECK(f.says(f.explain("free unless on (host) size > 1").root.notes,
               "1 of 2 series on the left are taken away"));
  CHECK(f.says(f.explain("free and on (host) size{host=\"c\"}").reasons, "host=\"c\" removes all"));
}

TEST_CASE("functions: absent, and too few samples") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x 3x30\nonce _x20 1"));
  CHECK(f.says(f.explain("absent(x)").reasons, "empty because there is data: x has 1 series"));
  const Explanation rate = f.explain("rate(once[5m]) > 0");
  CHECK(f.says(rate.reasons, "rate() gives nothing: it needs more samples"));
  const Part& window = rate.root.parts[0].parts[0];
  CHECK(window.operation == "range selector");
  REQUIRE(window.elements.size() == 1);
  CHECK(window.elements[0].value == 1);
  CHECK(window.elements[0].note == "samples in the window");
}

TEST_CASE("what the server refuses is said where it belongs; nobody there is an error") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x 3x30"));
  f.api.failures["sum(x)"] = "too heavy";
  const Explanation one = f.explain("sum(x) > 1");
  CHECK(one.root.parts[0].error == "too heavy");
  f.api.away = true;
  Explainer explainer(f.queries, f.at, {}, {});
  const auto none = explainer.explain("x", *promql::parse("x").expr);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == base::ErrorCode::Unavailable);
}

TEST_CASE("distances") {
  using promql::BinaryOp;
  CHECK(describe_distance(BinaryOp::Greater, 87.3, 80) == "holds by 7.3");
  CHECK(describe_distance(BinaryOp::Greater, 80, 80) == "exactly at the threshold");
  CHECK(describe_distance(BinaryOp::Less, 90, 80) == "10 too high");
  CHECK(describe_distance(BinaryOp::Equal, 0, 1) == "differs by 1");
  CHECK(describe_distance(BinaryOp::NotEqual, 1, 1) == "equal");
  CHECK(describe_distance(BinaryOp::Greater, std::nan(""), 1).starts_with("NaN"));
  CHECK(short_number(1234567) == "1234567");
  CHECK(short_number(1.0 / 3) == "0.333333");
}

TEST_CASE("a levelled alert: its levels, what it waits for") {
  Fixture f;
  // Alert since minute 18, so pending for two of its five minutes.
  REQUIRE(f.api.source.load(
      "1m",
      "used{disk=\"a\"} 85x30\n"
      "used{disk=\"b\"} 10x30\n"
      "ALERTS{alertname=\"Full\", alertstate=\"pending\", severity=\"medium\", disk=\"a\"} 1x30\n"
      "ALERTS_FOR_STATE{alertname=\"Full\", severity=\"medium\", disk=\"a\"} 1080x30\n"));
  const auto groups = backtest::read_rules_in_force(
      R"({"groups":[{"name":"g","file":"f.toml","interval":15,"rules":[{"type":"alerting",
      "name":"Full","query":"used","source":"f.toml:7","levels":[
      {"above":80,"severity":"medium","for":300},{"above":95,"severity":"critical","for":60}],
      "clear":{"below":70},"noData":"keep"}]}]})",
      {});
  REQUIRE(groups);
  const auto out = explain_rule(f.queries, groups->front(), groups->front().rules[0], f.at, {});
  REQUIRE_MESSAGE(out, out.error().message);
  CHECK(out->summary == "pending (1 alert)");
  CHECK(out->source == "f.toml:7");
  REQUIRE(out->alerts.size() == 1);
  CHECK(f.says(out->alerts[0].progress, "since 1970-01-01T00:18:00Z; `for` is 5m: 3m more"));
  REQUIRE(out->levels.size() == 2);
  CHECK(out->levels[0].value == 85);
  CHECK(f.says(out->levels[0].lines, "medium > 80 for 5m: holds by 5"));
  CHECK(f.says(out->levels[0].lines, "critical > 95 for 1m: 10 too low"));
  CHECK(f.says(out->levels[0].lines, "clears < 70: 15 too high"));
  const auto quiet =
      explain_rule(f.queries, groups->front(), groups->front().rules[0], f.at, {{"disk", "b"}});
  REQUIRE(quiet);
  CHECK(quiet->summary == "not firing");
  CHECK(quiet->reasons[0] == "no level's bound is met");
}

}  // namespace
}  // namespace tocsin::explain
