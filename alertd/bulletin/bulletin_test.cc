#include "alertd/bulletin/bulletin.h"

#include <doctest/doctest.h>

#include <map>

#include "alertd/bulletin/chart.h"
#include "alertd/bulletin/season.h"
#include "alertd/bulletin/send_settings.h"
#include "alertd/bulletin/trend.h"
#include "alertd/bulletin/writers.h"
#include "common/base/hash.h"
#include "common/config/toml.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::bulletin {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;

WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

const WallTime kEnd = at("2026-11-26T07:30:00Z");

/// Answers an expression by the first key that occurs in it; all others with nothing.
class FakeSource final : public Source {
 public:
  std::map<std::string, std::vector<Reading>> readings;
  std::map<std::string, std::function<std::optional<double>(WallTime)>> curves;
  std::string failing;  ///< Expressions with this in them fail.

  base::Result<std::vector<Reading>> instant(std::string_view expr, WallTime) const override {
    if (fails(expr)) return base::error(base::ErrorCode::LimitExceeded, "too many samples");
    for (const auto& [key, answer] : readings) {
      if (expr.find(key) != std::string_view::npos) return answer;
    }
    return std::vector<Reading>();
  }

  base::Result<std::vector<Curve>> range(std::string_view expr, const Span& span) const override {
    if (fails(expr)) return base::error(base::ErrorCode::LimitExceeded, "too many samples");
    std::vector<Curve> all;
    for (const auto& [key, value] : curves) {
      if (expr.find(key) == std::string_view::npos) continue;
      Curve curve{model::Labels({{"instance", "db1"},
                                 {"mountpoint", "/var"},
                                 {"set", "db"},
                                 {"aim", "People who left are gone"},
                                 {"control", "HR"},
                                 {"check", "no leaver is on the payroll"}}),
                  {}};
      for (WallTime when = span.from; when <= span.to; when += span.step) {
        if (const auto one = value(when)) curve.samples.push_back({base::to_ms(when), *one});
      }
      all.push_back(std::move(curve));
    }
    return all;
  }

 private:
  bool fails(std::string_view expr) const {
    return !failing.empty() && expr.find(failing) != std::string_view::npos;
  }
};

Document made(Kind kind, const Source& source, std::vector<IncidentFact> incidents = {}) {
  const auto [from, to] = default_period(kind, kEnd, timezone::Zone());
  return make_bulletin({{kind, from, to, timezone::Zone()}, source, std::move(incidents)});
}

const Section& section_of(const Document& document, std::string_view name) {
  for (const Section& section : document.sections) {
    if (section.name == name) return section;
  }
  FAIL("no section " << name);
  return document.sections.front();
}

Reading reading(double value, std::initializer_list<model::LabelView> labels) {
  return {model::Labels(labels), value};
}

std::vector<model::Sample> line(double first, double per_hour, int count) {
  std::vector<model::Sample> samples;
  for (int i = 0; i < count; ++i) {
    samples.push_back({base::to_ms(kEnd) + i * 3'600'000LL, first + per_hour * i});
  }
  return samples;
}

TEST_CASE("spread: the 95th percentile is a value that was seen") {
  std::vector<model::Sample> samples;
  for (int i = 1; i <= 100; ++i) samples.push_back({i, static_cast<double>(101 - i)});
  samples.push_back({101, model::stale_marker()});
  const auto spread = spread_of(samples);
  REQUIRE(spread);
  CHECK(spread->min == 1);
  CHECK(spread->mean == doctest::Approx(50.5));
  CHECK(spread->p95 == 95);
  CHECK(spread->max == 100);
  CHECK(spread->last == 1);
  CHECK(spread->points == 100);
  CHECK_FALSE(spread_of({}));
}

TEST_CASE("trend: a slope is found in noise, and what is short has none") {
  auto samples = line(100, 2, 49);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].value += i % 2 == 0 ? 1 : -1;
  const auto trend = trend_of(samples);
  REQUIRE(trend);
  CHECK(trend->per_day() == doctest::Approx(48).epsilon(0.05));
  CHECK(trend->value_at_end == doctest::Approx(196).epsilon(0.05));
  // 196 at the end, 48 a day: 292 is two days away.
  const auto left = trend->until(292);
  REQUIRE(left);
  CHECK(std::chrono::duration<double>(*left).count() == doctest::Approx(172'800).epsilon(0.05));
  CHECK_FALSE(trend->until(50));                    // it was there, and goes away from it
  CHECK_FALSE(trend_of(line(0, 1, 6)));             // five hours
  CHECK_FALSE(trend_of(line(5, 0, 30))->until(6));  // flat
}

TEST_CASE("schedule: what was due last, over clock changes and short months") {
  const auto berlin = timezone::Zone::find("Europe/Berlin").value();
  const auto due = [&](const char* text, const char* now) {
    return base::format_rfc3339(Schedule::parse(text).value().last_due(at(now), berlin));
  };
  CHECK(due("daily 07:30", "2026-11-26T06:30:00Z") == "2026-11-26T06:30:00Z");
  CHECK(due("daily 07:30", "2026-11-26T06:29:59Z") == "2026-11-25T06:30:00Z");
  // 02:30 does not exist on 29 March: the first instant after; in October the first of the two.
  CHECK(due("daily 02:30", "2026-03-29T12:00:00Z") == "2026-03-29T01:00:00Z");
  CHECK(due("daily 02:30", "2026-10-25T12:00:00Z") == "2026-10-25T00:30:00Z");
  CHECK(due("weekly mon 08:00", "2026-11-26T12:00:00Z") == "2026-11-23T07:00:00Z");
  CHECK(due("weekly sun 08:00", "2026-11-26T12:00:00Z") == "2026-11-22T07:00:00Z");
  CHECK(due("monthly 1 06:00", "2026-11-01T04:59:00Z") == "2026-10-01T04:00:00Z");
  CHECK(due("monthly 31 06:00", "2026-03-15T00:00:00Z") == "2026-02-28T05:00:00Z");
  for (const char* wrong :
       {"", "daily", "daily 25:00", "daily 24:00", "weekly 08:00", "weekly funday 08:00",
        "monthly 0 06:00", "monthly 32 06:00", "hourly 00:05", "daily 07:30 UTC"}) {
    CHECK_MESSAGE(!Schedule::parse(wrong), wrong);
  }
}

TEST_CASE("periods: of a kind, and what is none") {
  const auto zone = timezone::Zone::find("Asia/Phnom_Penh").value();
  const auto [from, to] = default_period(Kind::Monthly, at("2026-01-15T00:00:00Z"), zone);
  CHECK(base::format_rfc3339(from) == "2025-11-30T17:00:00Z");
  CHECK(base::format_rfc3339(to) == "2025-12-31T17:00:00Z");
  CHECK(default_period(Kind::Daily, kEnd, zone).first == kEnd - hours(24));
  CHECK_FALSE(check_period(kEnd, kEnd));
  CHECK_FALSE(check_period(kEnd - hours(24 * 401), kEnd));
  CHECK(check_period(kEnd - hours(1), kEnd));
  CHECK(parse_kind("capacity") == Kind::Capacity);
  CHECK_FALSE(parse_kind("T-12"));
}

TEST_CASE("without any series nothing is good but that there was no incident") {
  const FakeSource nothing;
  for (const Kind kind :
       {Kind::Daily, Kind::Weekly, Kind::Monthly, Kind::Compliance, Kind::Capacity}) {
    const Document document = made(kind, nothing);
    CHECK(document.sections.size() >= 1);
    for (const Section& section : document.sections) {
      CAPTURE(section.name);
      CHECK_FALSE(section.finding.empty());
      const bool of_incidents =
          section.name == "incidents" || section.name == "noise" || section.name == "response";
      CHECK((section.verdict == Verdict::NoEvidence) == !of_incidents);
    }
    CHECK(document.verdict() == Verdict::NoEvidence);
    CHECK(write(document, Format::Text).find("NO EVIDENCE") != std::string::npos);
  }
}

TEST_CASE("backups: young, old, never") {
  FakeSource source;
  const double now = base::to_seconds(kEnd);
  source.readings["backup_last_success"] = {
      reading(now - 3 * 3600, {{"instance", "db1"}, {"set", "db"}}),
      reading(now - 30 * 3600, {{"instance", "db1"}, {"set", "files"}}),
      reading(0, {{"instance", "db2"}, {"set", "db"}})};
  source.readings["backup_verify_success"] = {reading(0, {{"instance", "db1"}, {"set", "db"}})};
  const Document document = made(Kind::Daily, source);
  const Section& section = section_of(document, "backups");
  CHECK(section.verdict == Verdict::Bad);
  CHECK(section.finding ==
        "3 sets; 2 older than it may be; the oldest success is "
        "30.0 h old");
  REQUIRE(section.grids.size() == 1);
  const auto& rows = section.grids[0].rows;
  REQUIRE(rows.size() == 3);
  CHECK(rows[0][0].text == "db1 db");
  CHECK(rows[0][1].verdict == Verdict::Good);
  CHECK(rows[0][1].text == "2026-11-26 04:30 UTC");
  CHECK(rows[0][4].verdict == Verdict::NoEvidence);  // never verified
  CHECK(rows[0][5].text == "failed");
  CHECK(rows[1][1].verdict == Verdict::Bad);
  CHECK(rows[2][1].text == "never");
}

TEST_CASE("a query that fails spoils its section only, and says so") {
  FakeSource source;
  source.failing = "backup_";
  source.readings["tocsin_alertd_agent_last_seen"] = {
      reading(base::to_seconds(kEnd) - 10, {{"host", "db1"}})};
  const Document document = made(Kind::Daily, source);
  const Section& backups = section_of(document, "backups");
  CHECK(backups.verdict == Verdict::NoEvidence);
  REQUIRE_FALSE(backups.notes.empty());
  CHECK(backups.notes[0] == "could not be read: too many samples");
  CHECK(section_of(document, "agents").verdict == Verdict::Good);
}

TEST_CASE("disks: full in how many days, from seven days of growth") {
  FakeSource source;
  source.readings["node_filesystem_size_bytes"] = {
      reading(1000, {{"instance", "db1"}, {"mountpoint", "/var"}})};
  source.curves["node_filesystem_size_bytes"] = [](WallTime when) {
    const double days = std::chrono::duration<double>(when - kEnd).count() / 86400;
    return 700 + 50 * days;  // 300 left, 50 a day
  };
  const Section section = section_of(made(Kind::Daily, source), "disks");
  REQUIRE(section.grids.size() == 1);
  CHECK(*section.grids[0].rows[0][4].number == 6);
  CHECK(section.grids[0].rows[0][4].verdict == Verdict::Bad);
  const Section capacity = section_of(made(Kind::Capacity, source), "file_systems");
  CHECK(*capacity.grids[0].rows[0][3].number == doctest::Approx(50));
  CHECK(*capacity.grids[0].rows[0][4].number == doctest::Approx(2200));
  CHECK(capacity.charts.size() == 1);
}

TEST_CASE("season: growth within and outside of it; what is not told is outside") {
  // 2 an hour for two days of season, then 1 an hour for a day and a half.
  std::vector<model::Sample> samples;
  std::vector<model::Sample> season;
  double value = 100;
  for (int i = 0; i <= 84; ++i) {
    const std::int64_t ms = base::to_ms(kEnd) + i * 3'600'000LL;
    if (i > 0) value += i <= 48 ? 2 : 1;
    samples.push_back({ms, value});
    if (i <= 60) season.push_back({ms, i <= 48 ? 1.0 : 0.0});  // then it is silent
  }
  const SeasonGrowth growth = growth_by_season(samples, season);
  CHECK(*growth.in_per_day == doctest::Approx(48));
  CHECK(*growth.out_per_day == doctest::Approx(24));
  CHECK(growth.in == hours(48));
  CHECK(growth.seen == hours(84));
  CHECK_FALSE(growth.now);
  const std::span<const model::Sample> some(samples.data(), 50);  // one hour outside
  CHECK_FALSE(growth_by_season(some, season).out_per_day);
  CHECK(growth_by_season({samples.data(), 40}, season).now);
  CHECK_FALSE(growth_by_season(samples, {}).in_per_day);
  CHECK_FALSE(growth_by_season({}, season).out_per_day);
}

TEST_CASE("capacity: a season that is on says when the disk is full if it goes on") {
  FakeSource source;
  source.readings["node_filesystem_size_bytes"] = {
      reading(1000, {{"instance", "db1"}, {"mountpoint", "/var"}})};
  // Ten days of 30 a day at the end; before that 1 a day.
  source.curves["node_filesystem_size_bytes"] = [](WallTime when) {
    const double days = std::chrono::duration<double>(when - kEnd).count() / 86400;
    return days > -10 ? 700 + 30 * days : 400 + (days + 10);
  };
  source.curves["capacity_season"] = [](WallTime when) {
    return when > kEnd - hours(240) ? 1.0 : 0.0;
  };
  const Section section = section_of(made(Kind::Capacity, source), "file_systems");
  REQUIRE(section.grids.size() == 2);
  const auto& row = section.grids[1].rows.at(0);
  CHECK(*row[1].number == doctest::Approx(30).epsilon(0.05));
  CHECK(*row[2].number == doctest::Approx(1).epsilon(0.05));
  CHECK(*row[3].number == doctest::Approx(10).epsilon(0.11));  // 300 left
  CHECK(row[3].verdict == Verdict::Attention);
  CHECK(*row[4].number == doctest::Approx(300).epsilon(0.06));
  const auto noted = std::any_of(section.notes.begin(), section.notes.end(), [](const auto& note) {
    return note.find("was on for 10.") != std::string::npos &&
           note.find("is on now") != std::string::npos;
  });
  CHECK(noted);
}

TEST_CASE("compliance: passed, failed, gaps, nothing; each day") {
  FakeSource source;
  const WallTime month = at("2026-10-01T00:00:00Z");
  source.curves["backup_verify_success"] = [&](WallTime when) -> std::optional<double> {
    if (when > month + hours(24 * 10) && when <= month + hours(24 * 11)) return std::nullopt;
    return 1;
  };
  source.curves["sec_pg_hba_open_rules"] = [&](WallTime when) {
    return when == month + hours(24 * 4 + 7) ? 0 : 1;
  };
  source.curves["pg_connections_clear_remote"] = [](WallTime) { return 1; };
  const Section section = section_of(made(Kind::Compliance, source), "controls");
  CHECK(section.verdict == Verdict::Bad);
  CHECK(section.finding ==
        "25 checks: 1 passed, 1 passed with gaps, 1 failed, 22 without evidence");
  std::map<std::string, std::vector<Cell>> rows;
  for (const auto& row : section.grids[0].rows) rows[row[1].text] = row;
  const auto& verified = rows["the last verification passed"];
  CHECK(verified[2].text == "passed, with gaps");
  CHECK(*verified[3].number == 30);
  CHECK(*verified[5].number == 1);
  const auto& open = rows["PostgreSQL: no rule lets everybody in"];
  CHECK(open[2].text == "FAILED");
  CHECK(*open[4].number == 1);
  CHECK(section.grids[1].rows.size() == 25 * 31);
  CHECK(section.grids[1].folded);
}

TEST_CASE("compliance: an own control is a recording rule") {
  FakeSource source;
  const WallTime month = at("2026-10-01T00:00:00Z");
  source.curves["control_check"] = [&](WallTime when) {
    return when == month + hours(24 * 4 + 7) ? 0 : 1;
  };
  const Section section = section_of(made(Kind::Compliance, source), "controls");
  CHECK(section.finding.starts_with("26 checks: 0 passed, 0 passed with gaps, 1 failed,"));
  const auto& own = section.grids[0].rows.back();
  CHECK(own[0].text == "HR People who left are gone");
  CHECK(own[1].text == "no leaver is on the payroll");
  CHECK(own[2].text == "FAILED");
  CHECK(*own[3].number == 30);
  CHECK(*own[4].number == 1);
}

TEST_CASE("incidents, response and noise") {
  std::vector<IncidentFact> incidents;
  for (int i = 1; i <= 4; ++i) {
    IncidentFact fact;
    fact.id = "T-" + std::to_string(i);
    fact.title = "=SUM(1) | disk password=hunter2";
    fact.severity = model::Severity::Critical;
    fact.opened_at = kEnd - hours(i);
    fact.rules = {"DiskFull"};
    if (i > 1) fact.resolved_at = fact.opened_at + minutes(2);
    if (i == 2) fact.to_acknowledge = minutes(1);
    incidents.push_back(fact);
  }
  const FakeSource nothing;
  const Document daily = made(Kind::Daily, nothing, incidents);
  CHECK(section_of(daily, "incidents").finding == "4 incidents, 1 open at the end");
  CHECK(section_of(daily, "incidents").verdict == Verdict::Bad);
  const Document weekly = made(Kind::Weekly, nothing, incidents);
  const Section& noise = section_of(weekly, "noise");
  CHECK(noise.grids[0].rows[0][0].verdict == Verdict::Attention);
  CHECK(*noise.grids[0].rows[0][2].number == 3);
  const std::string csv = write(daily, Format::Csv);
  CHECK(csv.find("hunter2") == std::string::npos);
  CHECK(csv.find(",What,'=SUM(1) | disk password=<secret>,") != std::string::npos);
  // Escaped where the format would take it for something else.
  CHECK(write(daily, Format::Markdown).find("\\| disk") != std::string::npos);
  CHECK(write(daily, Format::Html).find("&lt;secret&gt;") != std::string::npos);
}

TEST_CASE("the hash is that of the lines above it, and the same data give the same bytes") {
  FakeSource source;
  source.curves["node_cpu_seconds_total"] = [](WallTime when) {
    return static_cast<double>(base::to_ms(when) / 60'000 % 97);
  };
  const Document document = made(Kind::Daily, source);
  const std::string csv = write(document, Format::Csv);
  const std::size_t last = csv.rfind('\n', csv.size() - 2) + 1;
  const std::string hash = base::sha256_hex(csv.substr(0, last));
  CHECK(csv.substr(last) == "sha256,,,of the lines above," + hash + ",\n");
  for (const Format format : {Format::Html, Format::Markdown, Format::Text}) {
    CHECK(write(document, format).find(hash) != std::string::npos);
    CHECK(write(document, format) == write(made(Kind::Daily, source), format));
  }
  CHECK(evidence_hash(document) == hash);
}

TEST_CASE("charts: drawn in the page, holes stay holes") {
  Chart chart{"load <b>", Unit::Percent, {{"db1", line(10, 1, 24)}}};
  // Six hours of silence in the middle.
  std::erase_if(chart.lines[0].points, [](const model::Sample& sample) {
    const auto hour = (sample.timestamp_ms - base::to_ms(kEnd)) / 3'600'000;
    return hour > 8 && hour < 15;
  });
  const std::string svg = svg_chart(chart, kEnd, kEnd + hours(23), timezone::Zone());
  CHECK(svg.find("<title>load &lt;b&gt;</title>") != std::string::npos);
  CHECK(svg.find("2026-11-26 07:30 UTC") != std::string::npos);
  CHECK(svg.find("33.0 %") != std::string::npos);
  const std::string path = svg.substr(svg.find("d=\""));
  CHECK(std::count(path.begin(), path.end(), 'M') == 2);
  CHECK(svg.find("script") == std::string::npos);
  const std::string blocks = block_chart(chart.lines[0], Unit::Percent, kEnd, kEnd + hours(23), 12);
  CHECK(blocks == "▁▂▃▃▃  ▆▆▇▇█ 10.0 % .. 33.0 %");
  CHECK(block_chart({"nothing", {}}, Unit::Count, kEnd, kEnd + hours(1)).empty());
}

TEST_CASE("[[report.send]]: every mistake at its place") {
  const std::string text =
      "[[report.send]]\nkind = \"daily\"\nschedule = \"at dawn\"\nreceiver = \"pager\"\n"
      "[[report.send]]\nkind = \"daily\"\nschedule = \"daily 07:30\"\n"
      "timezone = \"Asia/Phnom_Pen\"\nreceiver = \"opps\"\n"
      "[[report.send]]\nname = \"good\"\nkind = \"weekly\"\nschedule = \"weekly mon 08:00\"\n"
      "timezone = \"Asia/Phnom_Penh\"\nreceiver = \"ops\"\n";
  const config::Source source{"alertd.toml", text};
  base::Diagnostics diagnostics;
  const sim::SimFileSystem files;
  config::Context context{source, diagnostics, files};
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Table root(context, &document);
  config::Table report = root.table("report");
  const auto all = read_send_settings(report, {{"ops", {"mail", "sms"}}, {"pager", {"sms"}}},
                                      {{"ops", {"mail"}}, {"pager", {}}});
  report.finish();
  std::string errors;
  for (const base::Diagnostic& each : diagnostics) {
    errors += std::to_string(each.line) + ": " + each.message + "\n";
  }
  CHECK(errors.find("3: 'at dawn' is no schedule") != std::string::npos);
  CHECK_MESSAGE(errors.find("'timezone' is missing") != std::string::npos, errors);
  CHECK(errors.find("4: 'pager' has only channels that wake people") != std::string::npos);
  CHECK(errors.find("two reports are named 'daily'") != std::string::npos);
  CHECK(errors.find("8: ") != std::string::npos);
  CHECK(errors.find("9: no receiver 'opps'") != std::string::npos);
  CHECK_MESSAGE(diagnostics.size() == 6, errors);
  REQUIRE(all.size() == 3);
  CHECK(all[2].channels == std::vector<std::string>{"mail"});
  CHECK(all[2].zone.name() == "Asia/Phnom_Penh");
}

}  // namespace
}  // namespace tocsin::bulletin
