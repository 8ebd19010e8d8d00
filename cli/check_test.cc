// How findings are printed, and how an inventory is fetched.
#include "cli/check.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <sstream>

#include "cli/api_client.h"
#include "cli/check_report.h"
#include "cli/inventory.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

LintResult sample() {
  LintResult result;
  result.sources.push_back({"a b.toml", "one\n\tü = 'x <y>'\n"});
  result.rules.push_back({"a b.toml", "g", "R", 1});
  result.rules.push_back({"a b.toml", "g", "S", 2});
  result.files = 1;
  result.groups = 1;
  lint::Finding finding;
  finding.id = "metric-unknown";
  finding.level = lint::Level::Error;
  finding.file = "a b.toml";
  finding.line = 2;
  finding.column = 8;  // the x: behind a tab, two bytes of ü, and " = '"
  finding.width = 5;
  finding.message = "no \x1b[31mhost & <b>";
  finding.hint = "do it";
  finding.group = "g";
  finding.rule = "R";
  result.findings.push_back(finding);
  finding.id = "range-short";
  finding.level = lint::Level::Warning;
  finding.rule = "S";
  result.findings.push_back(finding);
  return result;
}

TEST_CASE("text underlines what is meant and is harmless") {
  const std::string text = report_text(sample(), false);
  // The tab is one column, the letter of two bytes is one column: x stands in the seventh.
  CHECK_MESSAGE(has(text, "\n     ü = 'x <y>'\n          ^~~~~\n"), text);
  CHECK(has(text, "a b.toml:2:8: error: "));
  CHECK(has(text, "[metric-unknown]"));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(has(report_text(sample(), true), "\x1b["));
  CHECK(summary_text(sample()) ==
        "checked 1 files with 1 groups and 2 rules: 1 errors, 1 warnings\n");
}

TEST_CASE("JSON, SARIF and JUnit") {
  namespace json = boost::json;
  const json::value list = json::parse(report_json(sample()));
  CHECK(list.at(0).at("id").as_string() == "metric-unknown");
  CHECK(list.at(0).at("severity").as_string() == "error");
  CHECK(list.at(0).at("end_column").as_int64() == 13);

  const json::value sarif = json::parse(report_sarif(sample()));
  const json::value& result = sarif.at("runs").at(0).at("results").at(0);
  const json::value& place = result.at("locations").at(0).at("physicalLocation");
  CHECK(place.at("artifactLocation").at("uri").as_string() == "a%20b.toml");
  CHECK(place.at("region").at("startColumn").as_int64() == 7);  // characters, not bytes
  CHECK(place.at("region").at("endColumn").as_int64() == 12);
  const auto index = static_cast<std::size_t>(result.at("ruleIndex").as_int64());
  const json::value& rules = sarif.at("runs").at(0).at("tool").at("driver").at("rules");
  CHECK(rules.at(index).at("id").as_string() == "metric-unknown");

  const std::string junit = report_junit(sample(), false);
  CHECK(has(junit, "tests=\"3\" failures=\"1\""));  // the file and two rules
  CHECK(has(junit, "&amp; &lt;b&gt;"));
  CHECK(junit.find('\x1b') == std::string::npos);
  CHECK(has(report_junit(sample(), true), "tests=\"3\" failures=\"2\""));
}

/// Answers by path; everything else is 404.
class FakeServer final : public ApiClient {
 public:
  std::map<std::string, std::string> answers;
  std::vector<std::string> asked;
  ApiAnswer call(const ApiRequest& request) override {
    asked.push_back(request.path);
    ApiAnswer answer;
    const auto at = answers.find(request.path);
    if (at == answers.end()) {
      answer.exit_code = kNegative;
      answer.error = "404";
    } else {
      answer.data = at->second;
    }
    return answer;
  }
};

TEST_CASE("alertd gives the inventory at once, others in pieces") {
  FakeServer ours;
  ours.answers["/api/v1/inventory"] =
      R"({"format":"tocsin-inventory-1","metrics":{"a":{"type":"gauge","labels":{}}}})";
  const auto at_once = fetch_inventory(ours, nullptr, 10, "x");
  REQUIRE(at_once);
  CHECK(at_once->metrics.size() == 1);
  CHECK(ours.asked.size() == 1);

  FakeServer other;
  other.answers = {{"/api/v1/label/__name__/values", R"(["a","h_bucket"])"},
                   {"/api/v1/metadata", R"({"h":[{"type":"histogram","help":"","unit":""}]})"},
                   {"/api/v1/labels", R"(["__name__","le"])"},
                   {"/api/v1/label/le/values", R"(["1","2","+Inf"])"}};
  const std::set<std::string> wanted{"h_bucket"};
  const auto pieces = fetch_inventory(other, &wanted, 2, "x");
  REQUIRE(pieces);
  CHECK_FALSE(pieces->find("a")->labels_known);
  const lint::MetricStock* metric = pieces->find("h_bucket");
  REQUIRE(metric != nullptr);
  CHECK(metric->type == model::MetricType::Counter);
  CHECK_FALSE(metric->labels.at("le").complete);
  CHECK(metric->labels.at("le").values.size() == 2);

  // Without metadata the types are unknown, which is no error; without names it is one.
  other.answers.erase("/api/v1/metadata");
  CHECK(fetch_inventory(other, &wanted, 2, "x")->find("h_bucket")->type ==
        model::MetricType::Unknown);
  other.answers.erase("/api/v1/label/__name__/values");
  CHECK_FALSE(fetch_inventory(other, &wanted, 2, "x"));
}

TEST_CASE("exit status") {
  sim::SimFileSystem files;
  REQUIRE(files.create_folders("/r"));
  const auto write = [&](const std::string& expr) {
    REQUIRE(files.write_atomic("/r/a.yml",
                               "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: " + expr +
                                   "\n    labels: {severity: high}\n    annotations: {summary: s, "
                                   "runbook_url: 'https://x'}\n",
                               0644));
  };
  const auto run = [&](CheckOptions options) {
    options.paths = {"/r/a.yml"};
    std::ostringstream out, err;
    return run_check(options, CheckWorld{files, nullptr, out, err});
  };
  CheckOptions strict;
  strict.strict = true;
  CheckOptions load_only;
  load_only.load_only = true;
  write("x > 1");
  CHECK(run({}) == 0);
  CHECK(run(strict) == 0);
  write("x");
  CHECK(run({}) == 0);
  CHECK(run(strict) == 1);
  write("up > 1");
  CHECK(run({}) == 1);
  CHECK(run(load_only) == 0);
  CheckOptions no_file;
  no_file.inventory_file = "/none.json";
  CHECK(run(no_file) == 2);
}

}  // namespace
}  // namespace tocsin::cli
