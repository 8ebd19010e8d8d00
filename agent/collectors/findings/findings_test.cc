#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/app/test_folder.h"
#include "agent/collectors/findings/findings_source.h"
#include "agent/collectors/findings/json_elements.h"
#include "agent/collectors/kept/test_source.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

constexpr const char* kSarif = R"({"version": "2.1.0", "$schema": "x", "runs": [
  {"results": [
     {"ruleId": "R1", "message": {"text": "a"}, "locations": [{"physicalLocation":
       {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 3}}}]},
     {"ruleId": "R2", "level": "error", "message": {"text": "b"}},
     {"ruleId": "R3", "message": {"text": "c"}},
     {"ruleId": "R4", "level": "note", "message": {"text": "d"}},
     {"ruleId": "R1", "message": {"text": "e"}, "suppressions": [{"kind": "inSource"}]},
     {"ruleId": "R1", "kind": "pass", "message": {"text": "f"}}],
   "tool": {"driver": {"name": "T", "rules": [
     {"id": "R1", "properties": {"security-severity": "9.8"}},
     {"id": "R3", "defaultConfiguration": {"level": "warning"}}]}},
   "invocations": [{"endTimeUtc": "2026-06-30T10:00:00Z"}]}]})";
constexpr const char* kTrivy = R"({"SchemaVersion": 2, "CreatedAt": "2026-06-30T10:00:00.5Z",
  "ArtifactName": "app:1", "Results": [
  {"Target": "app: debian 12",
                     "Class" : "os-pkgs",
                     "Vulnerabilities"
    : [
      {"VulnerabilityID" : "CVE-1", "PkgName" : "libssl3", "Severity" : "CRITICAL"},
      {"VulnerabilityID" : "CVE-2", "PkgName" : "libssl3", "Severity" : "HIGH"},
      {"VulnerabilityID" : "CVE-3", "PkgName" : "zlib", "Severity" : "UNKNOWN"}
    ]
},
  {"Target": "Dockerfile", "Misconfigurations": [
    {"ID": "DS002", "Status": "FAIL", "Severity": "MEDIUM"},
    {"ID": "DS003", "Status": "PASS", "Severity": "HIGH"}]}]
})";
constexpr const char* kPip = R"({"dependencies": [
  {"name": "django", "version": "4.2", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]},
  {"name": "own", "skip_reason": "not on PyPI"}, {"name": "x", "vulns": []}], "fixes": []})";
constexpr const char* kNpm = R"({"auditReportVersion": 2, "vulnerabilities": {
  "a": {"name": "a", "severity": "moderate", "via": [{"url": "u1"}]},
  "b": {"name": "b", "severity": "critical", "via": ["a"]}}, "metadata": {"x": {"y": 1}}})";
constexpr const char* kBandit = R"({"errors": [{"filename": "bad.py"}],
  "generated_at": "2026-06-30T10:00:00Z", "metrics": {"_totals": {"loc": 3}}, "results": [
  {"filename": "a.py", "test_id": "B602", "issue_severity": "HIGH", "issue_text": "shell"},
  {"filename": "a.py", "test_id": "B101", "issue_severity": "LOW", "issue_text": "assert"}]})";
constexpr const char* kLynis =
    "# Lynis Report\nlynis_version=3.0.8\nwarning[]=PKGS-7392|x|-|-|\nsuggestion[]=BOOT-5122|y|\n"
    "suggestion[]=X|z|\nvulnerable_package[]=curl\nreport_datetime_end=2026-06-30 10:00:00\n";

base::Result<ScanReport> read(const std::string& format, std::string_view text, std::size_t size,
                              FindingSeverity unrated = FindingSeverity::High) {
  const auto reader = make_scan_reader(format, unrated);
  for (std::size_t at = 0; at < text.size(); at += size) {
    TC_TRY(reader->read(text.substr(at, size)));
  }
  return reader->end();
}

// "critical high medium low info"
std::string counts(const ScanReport& report) {
  std::array<int, 5> counts{};
  for (const ScanFinding& one : report.findings) ++counts[static_cast<std::size_t>(one.severity)];
  return fmt::format("{}", fmt::join(counts, " "));
}

struct Sample {
  const char* format;
  const char* text;
  const char* counts;
  std::size_t skipped;
};
constexpr Sample kSamples[] = {
    {"sarif", kSarif, "1 1 1 1 0", 0},   {"trivy", kTrivy, "1 2 1 0 0", 0},
    {"pip-audit", kPip, "0 2 0 0 0", 1}, {"npm-audit", kNpm, "1 0 1 0 0", 0},
    {"bandit", kBandit, "0 1 0 1 0", 1}, {"lynis", kLynis, "0 1 1 2 0", 0},
};

TEST_CASE("each format, in pieces of any size") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.format);
    std::vector<std::string> prints;
    for (const std::size_t size : {1UL, 7UL, 100'000UL}) {
      const auto report = read(sample.format, sample.text, size);
      REQUIRE_MESSAGE(report, report);
      CHECK(counts(*report) == sample.counts);
      CHECK(report->skipped == sample.skipped);
      std::vector<std::string> now;
      for (const ScanFinding& one : report->findings) now.push_back(one.fingerprint);
      if (!prints.empty()) CHECK(now == prints);
      prints = now;
    }
    // No two findings are one.
    std::sort(prints.begin(), prints.end());
    CHECK(std::adjacent_find(prints.begin(), prints.end()) == prints.end());
  }
}

TEST_CASE("a document that is cut anywhere is an error, never fewer findings") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.format);
    const std::string_view text = sample.text;
    for (std::size_t cut = 0; cut + 2 < text.size(); ++cut) {
      const std::string_view part = text.substr(0, cut);
      if (sample.format == std::string("lynis") && part.find("datetime_end=") != part.npos) break;
      CAPTURE(cut);
      CHECK(!read(sample.format, part, 64));
    }
  }
}

TEST_CASE("other documents are no reports") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.format);
    CHECK(!read(sample.format, "{}", 64));
    CHECK(!read(sample.format, "[]", 64));
    CHECK(!read(sample.format, "<html>error</html>", 64));
    for (const Sample& other : kSamples) {
      if (other.format != sample.format) CHECK(!read(sample.format, other.text, 64));
    }
  }
  const auto failed =
      read("npm-audit", R"({"error": {"code": "ENOLOCK", "summary": "no lockfile"}})", 64);
  REQUIRE(!failed);
  CHECK(failed.error().message == "the scan failed: no lockfile (ENOLOCK)");
}

TEST_CASE("memory is one element: a million entries that nobody wants, and one that is too large") {
  JsonElements elements;
  int taken = 0;
  elements.want("a[].b", [&](std::string_view key, const boost::json::value& value) {
    ++taken;
    CHECK(key == "b");
    CHECK(value.as_object().at("c").as_array().size() == 2);
  });
  REQUIRE(elements.read("{\"x\": [1"));
  for (int i = 0; i < 100'000; ++i) REQUIRE(elements.read(", {\"b\": [null, true]}"));
  REQUIRE(elements.read("], \"a\": ["));
  for (int i = 0; i < 1'000; ++i) {
    REQUIRE(
        elements.read(i == 0 ? "{\"b\": {\"c\": [1.5, -2]}}" : ", {\"b\": {\"c\": [\"\", {}]}}"));
  }
  REQUIRE(elements.read("]}  \n"));
  REQUIRE(elements.end());
  CHECK(taken == 1'000);
  JsonElements large;
  large.want("a", [](std::string_view, const boost::json::value&) {});
  REQUIRE(large.read("{\"a\": \""));
  const std::string piece(64 << 10, 'x');
  base::Result<void> done = base::ok();
  for (int i = 0; i < 100 && done; ++i) done = large.read(piece);
  REQUIRE(!done);
  CHECK(done.error().code == base::ErrorCode::LimitExceeded);
}

struct Shop {
  Shop() {
    settings.interval = base::Duration{0};
    settings.state.path = folder.path / "findings.json";
    FindingsTool tool;
    tool.name = "images";
    tool.format = "trivy";
    tool.files = {(folder.path / "trivy*.json").string()};
    settings.tools.push_back(tool);
  }
  // Written at the given time.
  void put(const std::string& name, std::string_view text, std::int64_t seconds) const {
    const std::string path = folder.write(name, text);
    std::filesystem::last_write_time(path,
                                     std::filesystem::file_time_type::clock::from_sys(
                                         std::chrono::sys_seconds(std::chrono::seconds(seconds))));
  }
  void start(TestSource& test) const { test.restart(make_findings_source(settings, test.world())); }

  TestFolder folder;
  FindingsSettings settings;
};

TEST_CASE("findings, since when, over restarts; a broken file keeps the last good result") {
  TestSource test;
  const Shop shop;
  shop.start(test);
  RecordingRound round = test.round();
  CHECK(round.value("tocsin_agent_check_failed,check=images,reason=not_found") == 1);
  CHECK(!round.value("sec_findings,severity=critical,tool=images"));
  shop.put("trivy-1.json", kTrivy, 1'782'820'000);
  round = test.round();
  CHECK(round.value("sec_findings,severity=critical,tool=images") == 1);
  CHECK(round.value("sec_findings,severity=high,tool=images") == 2);
  CHECK(round.value("sec_findings,severity=info,tool=images") == 0);
  CHECK(round.value("sec_scan_timestamp_seconds,tool=images") == 1'782'813'600.5);
  CHECK(round.value("sec_oldest_finding_timestamp_seconds,severity=critical,tool=images") ==
        1'782'864'000);
  // A week later the same finding is a week old, although the agent was restarted.
  test.clock.wall_ms += 7LL * 86'400'000;
  shop.start(test);
  shop.put("trivy-2.json", kTrivy, 1'783'400'000);
  round = test.round();
  CHECK(round.value("sec_findings,severity=critical,tool=images") == 1);
  CHECK(round.value("sec_oldest_finding_timestamp_seconds,severity=critical,tool=images") ==
        1'782'864'000);
  // Half a file: failed, with the last good numbers beside it.
  shop.put("trivy-2.json", std::string_view(kTrivy).substr(0, 200), 1'783'400'100);
  for (int i = 0; i < 2; ++i) {
    round = test.round();
    CHECK(round.value("tocsin_agent_check_failed,check=images,reason=corruption") == 1);
    CHECK(round.value("sec_findings,severity=critical,tool=images") == 1);
  }
  // After a restart there are no numbers, and still the time of the last good scan.
  shop.start(test);
  round = test.round();
  CHECK(round.value("tocsin_agent_check_failed,check=images,reason=corruption") == 1);
  CHECK(!round.value("sec_findings,severity=critical,tool=images"));
  CHECK(round.value("sec_scan_timestamp_seconds,tool=images") == 1'782'813'600.5);
  // Fixed: nothing is old any more.
  shop.put("trivy-3.json", R"({"SchemaVersion": 2, "Results": []})", 1'783'400'200);
  round = test.round();
  CHECK(round.value("sec_findings,severity=critical,tool=images") == 0);
  CHECK(!round.value("sec_oldest_finding_timestamp_seconds,severity=critical,tool=images"));
  CHECK(round.value("sec_scan_timestamp_seconds,tool=images") == 1'783'400'200);
}

TEST_CASE("the newest of several files, or all of them; files that are too large") {
  TestSource test;
  Shop shop;
  shop.put("trivy-a.json", kTrivy, 1'782'820'000);
  shop.put("trivy-b.json", R"({"SchemaVersion": 2})", 1'782'830'000);
  shop.start(test);
  CHECK(test.round().value("sec_findings,severity=critical,tool=images") == 0);
  shop.settings.tools[0].all = true;
  shop.start(test);
  const RecordingRound all = test.round();
  CHECK(all.value("sec_findings,severity=critical,tool=images") == 1);
  CHECK(all.value("sec_scan_timestamp_seconds,tool=images") == 1'782'813'600.5);
  shop.settings.tools[0].bytes_max = 100;
  shop.start(test);
  CHECK(test.round().value("tocsin_agent_check_failed,check=images,reason=limit_exceeded") == 1);
}

TEST_CASE("settings: defaults, and mistakes with their place") {
  const auto files = base::make_real_file_system();
  const auto read = [&](const char* text, base::Diagnostics& diagnostics) {
    config::Source source{"agent.toml", text};
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table root(context, &node);
    return read_findings_settings(root, base::Duration{15'000}, "/var/lib/t");
  };
  base::Diagnostics none;
  CHECK(read("", none).tools.empty());
  const FindingsSettings usual = read("[[findings]]\nformat = \"lynis\"\nfiles = \"/x\"\n", none);
  CHECK(none.empty());
  REQUIRE(usual.tools.size() == 1);
  CHECK(usual.tools[0].name == "lynis");
  CHECK(usual.tools[0].unrated == FindingSeverity::High);
  CHECK(usual.state.path == "/var/lib/t/findings.json");
  base::Diagnostics wrong;
  read(
      "[[findings]]\nformat = \"trivi\"\nfiles = \"x\"\n"
      "[[findings]]\nformat = \"bandit\"\n"
      "[[findings]]\nformat = \"bandit\"\nfiles = \"/x\"\nunrated = \"bad\"\n",
      wrong);
  // trivi, x, no files, bad, two of a name
  CHECK(wrong.size() == 5);
  for (const base::Diagnostic& one : wrong) CHECK(one.line > 0);
}

}  // namespace
}  // namespace tocsin::agent
