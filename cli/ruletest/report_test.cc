// Text, JSON and JUnit of one result that has everything, and with hostile text in it.
#include "cli/ruletest/report.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

namespace tocsin::ruletest {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

SuiteResult sample() {
  SuiteResult result;
  FileResult file;
  file.file = "a.yml";
  file.sources.push_back({"a.yml", "one\ntwo: <x>\n"});
  file.diagnostics.push_back(
      {base::DiagnosticSeverity::Warning, "a.yml", 1, 1, "input too short", "lengthen it"});
  file.left_out = 1;
  CaseResult good;
  good.name = "good";
  good.at = {1, 1};
  good.assertions = 2;
  good.took = base::Duration{1500};
  good.unsupported.push_back({{2, 1}, "expression h: not supported", {}, {}, {}});
  CaseResult bad;
  bad.name = "b\x1b[31mad & <x>";
  bad.at = {2, 1};
  bad.assertions = 1;
  bad.failures.push_back(
      {{2, 6}, "at 5m: not as expected", {"same 1", "want 2"}, {"same 1", "got \x1b 3"}, {"why"}});
  bad.failures.push_back({{2, 1}, "second", {}, {}, {}});
  file.cases = {good, bad};
  FileResult broken;
  broken.file = "b.yml";
  broken.sources.push_back({"b.yml", "x\n"});
  broken.diagnostics.push_back({base::DiagnosticSeverity::Error, "b.yml", 1, 1, "bad <key>", ""});
  result.files = {file, broken};
  result.coverage.emplace();
  result.coverage->items = 4;
  result.coverage->covered = 1;
  RuleCoverage rule;
  rule.file = "r.toml";
  rule.line = 3;
  rule.name = "R";
  rule.items = 1;
  result.coverage->rules.push_back(rule);
  return result;
}

TEST_CASE("text") {
  const SuiteResult result = sample();
  const std::string text = findings_text(result, {});
  CHECK_MESSAGE(has(text, "a.yml:1:1: warning: input too short\n"), text);
  CHECK(has(text, "hint: lengthen it"));
  CHECK(has(text, "a.yml:2:6: failed: test 'b\\x1b[31mad & <x>': at 5m: not as expected\n"));
  CHECK(has(text, "    two: <x>\n         ^\n"));
  CHECK(has(text, "    - want 2\n    + got \\x1b 3\n    why\n"));
  CHECK_FALSE(has(text, "same 1"));
  CHECK(has(text, "b.yml:1:1: error: bad <key>\n"));
  CHECK_FALSE(has(text, "\x1b"));
  CHECK(has(findings_text(result, {false, true}), "      same 1\n    - want 2\n"));
  CHECK(has(findings_text(result, {true, false}), "\x1b[31m- want 2\x1b[0m"));

  const std::string summary = summary_text(result);
  CHECK(has(summary, "FAILED a.yml: 2 tests, 1 failed\n"));
  CHECK(has(summary, "not supported: a.yml:2: test 'good': expression h: not supported\n"));
  CHECK(has(summary, "FAILED b.yml: 0 tests, the files have errors\n"));
  CHECK(has(summary, "  MISS 0/1 r.toml:3 R: never\ncoverage: 1 of 4 = 25.0 %\n"));
  CHECK(
      summary.ends_with("2 files, 2 tests: 1 passed, 1 failed; 1 file with errors; "
                        "1 assertion not supported; 1 test left out by --run\n"));
}

TEST_CASE("JSON") {
  namespace json = boost::json;
  const json::value value = json::parse(to_json(sample()));
  CHECK_FALSE(value.at("passed").as_bool());
  const json::value& file = value.at("files").at(0);
  CHECK(file.at("left_out").to_number<int>() == 1);
  CHECK(file.at("diagnostics").at(0).at("severity").as_string() == "warning");
  const json::value& good = file.at("tests").at(0);
  CHECK(good.at("passed").as_bool());
  CHECK(good.at("seconds").as_double() == 1.5);
  CHECK(good.at("unsupported").at(0).at("line").to_number<int>() == 2);
  const json::value& failure = file.at("tests").at(1).at("failures").at(0);
  CHECK(failure.at("line").to_number<int>() == 2);
  CHECK(failure.at("column").to_number<int>() == 6);
  CHECK(failure.at("expected").at(1).as_string() == "want 2");
  CHECK(failure.at("got").as_array().size() == 2);
  CHECK(value.at("coverage").at("percent").as_double() == 25);
  CHECK(value.at("coverage").at("rules").at(0).at("what").as_string() == "never");
  SuiteResult plain = sample();
  plain.coverage.reset();
  CHECK_FALSE(json::parse(to_json(plain)).as_object().contains("coverage"));
}

TEST_CASE("JUnit") {
  const std::string xml = to_junit(sample());
  // Two tests, one assertion that is skipped, and the file that cannot run.
  CHECK_MESSAGE(has(xml, "<testsuites tests=\"4\" failures=\"1\" errors=\"1\">"), xml);
  CHECK(
      has(xml, "<testsuite name=\"a.yml\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""));
  CHECK(has(xml, "name=\"good\" time=\"1.500\""));
  CHECK(has(xml, "<skipped message=\"expression h: not supported\"/>"));
  CHECK(has(xml, "name=\"b\\x1b[31mad &amp; &lt;x&gt;\""));
  CHECK(has(xml, "<failure message=\"at 5m: not as expected (and 1 more)\">"));
  CHECK(has(xml, "expected: want 2&#10;"));
  CHECK(has(xml, "a.yml:2:1: second"));
  CHECK(has(xml, "<error message=\"the files have errors\">"));
  CHECK(has(xml, "bad &lt;key&gt;"));
  CHECK(has(xml, "<property name=\"coverage\" value=\"25.0\"/>"));
  CHECK_FALSE(has(xml, "\x1b"));
}

}  // namespace
}  // namespace tocsin::ruletest
