#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/collectors/findings/findings_source.h"
#include "agent/collectors/findings/json_elements.h"
#include "agent/collectors/kept/test_source.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

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
  "ArtifactName": "app:1", "ArtifactType": "container_image",
  "Metadata": {"ImageConfig":
    {"architecture": "amd64", "created": "2026-01-02T03:04:05.123456789Z"}},
  "Results": [
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

constexpr const char* kGrype = R"({"matches": [
  {"vulnerability": {"id": "CVE-1", "severity": "Critical"}, "relatedVulnerabilities": [],
   "artifact": {"name": "openssl", "version": "3.0", "type": "deb", "locations": [{"path": "/a"}]}},
  {"vulnerability": {"id": "CVE-1", "severity": "Critical"},
   "artifact": {"name": "openssl", "version": "3.0", "type": "deb", "locations": [{"path": "/b"}]}},
  {"vulnerability": {"id": "CVE-2", "severity": "Negligible"}, "artifact": {"name": "zlib"}},
  {"vulnerability": {"id": "CVE-3", "severity": "Unknown"}, "artifact": {"name": "zlib"}}],
  "source": {"type": "image"}, "distro": {"name": "debian"},
  "descriptor": {"name": "grype", "version": "0.74.0", "timestamp": "2026-06-30T10:00:00.1Z"}})";
constexpr const char* kGitlab = R"({"version": "15.0.7", "vulnerabilities": [
  {"id": "1", "severity": "High", "name": "SQL injection", "identifiers": [{"value": "CWE-89"}],
   "location": {"file": "a.py", "start_line": 3}},
  {"id": "2", "severity": "High", "name": "SQL injection", "identifiers": [{"value": "CWE-89"}],
   "location": {"file": "b.py", "start_line": 3}},
  {"id": "3", "severity": "Unknown", "identifiers": [{"value": "CVE-9"}],
   "location": {"image": "app:1", "dependency": {"package": {"name": "curl"}}}},
  {"id": "4", "severity": "Info", "name": "x"}],
  "scan": {"type": "sast", "status": "success", "end_time": "2026-06-30T10:00:00"}})";

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
    {"grype", kGrype, "2 1 0 0 1", 0},   {"gitlab", kGitlab, "0 3 0 0 1", 0},
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

TEST_CASE("GitLab's report of a scan that failed, and its time") {
  CHECK(base::to_ms(*read("gitlab", kGitlab, 64)->scanned) == 1'782'813'600'000);
  CHECK(base::to_ms(*read("grype", kGrype, 64)->scanned) == 1'782'813'600'100);
  const auto failed =
      read("gitlab", R"({"vulnerabilities": [], "scan": {"status": "failure"}})", 9);
  REQUIRE(!failed);
  CHECK(failed.error().message == "the scan failed: status 'failure'");
}

TEST_CASE("a register that people keep") {
  const auto report = read("register",
                           "\xef\xbb\xbfID;Title;Severity;Due;Status\r\n"
                           "P-1;\"Log-in; \"\"admin\"\"\nand more\";High;2026-07-01;open\r\n"
                           "P-2;x;Critical;2026-06-30;Fixed\r\n\r\n"
                           "P-3;y;whatever;;in work\r\nP-4;z;low;2026-06-30;\r\n",
                           5, FindingSeverity::Medium);
  REQUIRE_MESSAGE(report, report);
  CHECK(counts(*report) == "0 1 1 1 0");
  CHECK(base::format_rfc3339(*report->findings[0].due).starts_with("2026-07-01T23:59:59"));
  CHECK(!report->findings[1].due);
  const auto wrong = [](const char* text) { return read("register", text, 64).error().message; };
  CHECK(wrong("") == "the register is empty");
  CHECK(wrong("id,severity\n") == "the register has no column 'due'");
  CHECK(wrong("id,severity,due\na,high,soon\n") ==
        "finding 1: 'soon' is no day such as 2027-03-31");
  CHECK(wrong("id,severity,due\na,high,\na,low,\n") == "finding 2: a second 'a'");
  CHECK(wrong("id,severity,due\n,high,\n") == "finding 1: no id");
  CHECK(wrong("id,severity,due\n\"a,high,\n") == "a quote has no end: is the file whole?");
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
    settings.state.path = folder.file("findings.json");
    FindingsTool tool;
    tool.name = "images";
    tool.format = "trivy";
    tool.files = {folder.file("trivy*.json")};
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

  sim::TestFolder folder;
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
  CHECK(round.value("sec_image_created_timestamp_seconds,image=app:1,tool=images") ==
        1'767'323'045.123);
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

TEST_CASE("a register: what is overdue, by the day; it is no scan that grows old") {
  TestSource test;  // on the 1st of July
  Shop shop;
  shop.settings.tools[0].format = "register";
  shop.settings.tools[0].files = {shop.folder.file("pentest.csv")};
  shop.put("pentest.csv",
           "id,severity,due,status\nP-1,high,2026-06-30,open\nP-2,high,2026-07-01,open\n"
           "P-3,high,2026-06-01,closed\nP-4,low,,open\n",
           1'782'820'000);
  shop.start(test);
  RecordingRound round = test.round();
  CHECK(round.value("sec_findings,severity=high,tool=images") == 2);
  CHECK(round.value("sec_findings_overdue,severity=high,tool=images") == 1);
  CHECK(round.value("sec_findings_overdue,severity=critical,tool=images") == 0);
  CHECK(round.value("sec_finding_due_timestamp_seconds,tool=images") == 1'782'863'999);
  CHECK(!round.value("sec_scan_timestamp_seconds,tool=images"));
  test.clock.wall_ms += 86'400'000;  // a day later, with the same file
  round = test.round();
  CHECK(round.value("sec_findings_overdue,severity=high,tool=images") == 2);
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
