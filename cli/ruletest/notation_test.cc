// The small languages of a test file: alerts, series, times.
#include <doctest/doctest.h>

#include "alertd/promql/engine.h"
#include "cli/ruletest/input.h"
#include "cli/ruletest/local_time.h"
#include "cli/ruletest/selector.h"

namespace tocsin::ruletest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

model::Labels alert(std::initializer_list<std::pair<std::string, std::string>> labels) {
  model::LabelsBuilder builder;
  builder.set("alertname", "Busy");
  for (const auto& [name, value] : labels) builder.set(name, value);
  return builder.build();
}

bool selects(std::string_view text, const model::Labels& labels) {
  const auto selector = AlertSelector::parse(text);
  REQUIRE_MESSAGE(selector.has_value(), text);
  return selector->matches(labels);
}

/// "time=value" of each sample, the time in seconds; "stale" for the marker.
std::string samples(std::string_view line, InputGrid grid = {}) {
  const auto series = parse_input(line, grid);
  if (!series) return "error: " + series.error().message;
  std::string text = series->labels.to_string();
  for (const model::Sample& sample : series->samples) {
    text += " " + std::to_string(sample.timestamp_ms / 1000) + "=";
    if (model::is_stale(sample.value)) {
      text += "stale";
    } else {
      std::string value = std::to_string(sample.value);
      value.erase(value.find_last_not_of('0') + 1);
      if (value.back() == '.') value.pop_back();
      text += value;
    }
  }
  return text;
}

std::string offset(std::string_view text, const TestClock& clock) {
  const auto at = parse_test_time(text, clock);
  return at ? base::format_duration(*at) : "error: " + at.error().message;
}

}  // namespace

TEST_CASE("selectors: any labels, exactly these, at least these") {
  const model::Labels one = alert({{"host", "a"}});
  const model::Labels two = alert({{"host", "a"}, {"disk", "sda"}});
  CHECK(selects("Busy", one));
  CHECK(selects("Busy", two));
  CHECK(!selects("Idle", one));
  // Severity has a key of its own in assertions.
  CHECK(selects("Busy{host=\"a\"}", alert({{"host", "a"}, {"severity", "high"}})));
  CHECK(!selects("Busy{severity=\"low\", ...}", alert({{"severity", "high"}})));
  CHECK(selects("Busy{host=\"a\"}", one));
  CHECK(!selects("Busy{host=\"a\"}", two));
  CHECK(selects("Busy{host=\"a\", ...}", two));
  CHECK(selects("Busy{ host = \"a\" , ... }", two));
  CHECK(!selects("Busy{host=\"b\", ...}", two));
  CHECK(selects("Busy{host=~\"a|b\", disk!=\"sdb\"}", two));
  CHECK(selects("Busy{}", alert({})));
  CHECK(!selects("Busy{}", one));
  CHECK(selects("Busy{...}", one));
  CHECK(selects("{disk=\"sda\", ...}", two));
}

TEST_CASE("selectors: what is wrong, and where") {
  const auto error_of = [](std::string_view text, std::size_t& offset) {
    const auto parsed = AlertSelector::parse(text, &offset);
    REQUIRE(!parsed.has_value());
    return parsed.error().message;
  };
  std::size_t at = 0;
  CHECK(error_of("", at) == "an alert's name is missing");
  CHECK(error_of("Busy{host=\"a\" ...}", at) == "expected a comma before '...'");
  CHECK(at == 13);  // after the quote: Busy{ is 5 bytes, host="a" is 8
  error_of("Busy{host=\"a\"", at);
  CHECK(at == 4);  // the brace that is not closed
  error_of("Busy{host=a}", at);
  CHECK(at == 10);  // the value without quotes
  error_of("Busy{host=\"a\"} more", at);
  CHECK(at == 14);
}

TEST_CASE("input: Prometheus's notation on the grid") {
  CHECK(samples("up{job=\"a\"} 1 _ 0x1 stale") == "up{job=\"a\"} 0=1 30=0 45=0 60=stale");
  InputGrid grid;
  grid.step = minutes(1);
  grid.from = minutes(5);
  CHECK(samples("up 1+2x2", grid) == "up 300=1 360=3 420=5");
}

TEST_CASE("input: real time") {
  InputGrid grid;
  grid.until = minutes(2);
  CHECK(samples("up: 1 for 30s, 0 for 15s, gap for 30s, 2", grid) ==
        "up 0=1 15=1 30=0 75=2 90=2 105=2 120=2");
  // 4/m is 1 per 15 s; a slope goes on from where the part before it ended.
  CHECK(samples("c{a=\"b\"}: 10 for 30s, +4/m for 30s, -8/m for 30s, stale", grid) ==
        "c{a=\"b\"} 0=10 15=10 30=10 45=11 60=12 75=10 90=stale");
  CHECK(samples("r: 0 to 4 in 1m, 9 for 15s", grid) == "r 0=0 15=1 30=2 45=3 60=9");
  CHECK(samples("a:b:rate5m: 1 for 15s", grid) == "a:b:rate5m 0=1");
  CHECK(samples("a:b 1", grid) == "a:b 0=1");
  CHECK(samples("{__name__=\"a\"}: NaN for 15s", grid) == "a 0=nan");
}

TEST_CASE("input: what does not parse") {
  CHECK(samples("up: 1 for").starts_with("error: '1 for' is none of"));
  CHECK(samples("up: 1 for 0s") == "error: '1 for 0s' lasts no time");
  CHECK(samples("up: one").starts_with("error: 'one' is none of"));
  CHECK(samples("up: 1 to 2").starts_with("error: "));
  CHECK(samples("up: 1, 2 for 5m").find("has no end") != std::string::npos);
  CHECK(samples("up{job=} 1").starts_with("error: "));
  CHECK(samples("up 1x99999999999").starts_with("error: "));
  InputGrid grid;
  grid.step = base::Duration{1};
  CHECK(samples("up: 1 for 365d", grid).find("samples") != std::string::npos);
}

TEST_CASE("times: since the start, of the day, dates") {
  TestClock clock;
  clock.zone = "Europe/Berlin";
  // 08:00 in summer is 06:00 UTC.
  const auto start = parse_date("2026-07-01T08:00", clock.zone);
  REQUIRE(start.has_value());
  CHECK(base::format_rfc3339(*start) == "2026-07-01T06:00:00Z");
  clock.start = *start;
  CHECK(offset("90s", clock) == "1m30s");
  CHECK(offset("09:30", clock) == "1h30m");
  CHECK(offset("08:00", clock) == "0s");
  CHECK(offset("07:00", clock) == "23h");
  CHECK(offset("2026-07-01T06:30:00Z", clock) == "30m");
  CHECK(offset("2026-07-01T08:30", clock) == "30m");
  CHECK(offset("2026-06-30", clock).find("before the test's start") != std::string::npos);
  CHECK(offset("25:00", clock).starts_with("error: "));
  CHECK(offset("soon", clock).starts_with("error: "));
}

TEST_CASE("times: the hours that a zone skips or has twice") {
  CHECK(!check_zone("Europe/Atlantis").has_value());
  CHECK(check_zone("UTC").has_value());
  const auto skipped = parse_date("2026-03-29T02:30", "Europe/Berlin");
  REQUIRE(!skipped.has_value());
  CHECK(skipped.error().message.find("does not exist") != std::string::npos);
  const auto twice = parse_date("2026-10-25T02:30", "Europe/Berlin");
  REQUIRE(!twice.has_value());
  CHECK(twice.error().message.find("exists twice") != std::string::npos);
  CHECK(parse_date("2026-10-25T02:30:00+01:00", "Europe/Berlin").has_value());
  CHECK(!parse_date("2026-02-29", "UTC").has_value());
  // Over the change of 29 March the day has 23 hours.
  TestClock clock;
  clock.zone = "Europe/Berlin";
  const auto before = parse_date("2026-03-28T09:00", clock.zone);
  REQUIRE(before.has_value());
  clock.start = *before;
  CHECK(offset("2026-03-29T09:00", clock) == "23h");
  CHECK(offset("08:59", clock) == "22h59m");
}

}  // namespace tocsin::ruletest
