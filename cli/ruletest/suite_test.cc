// Which files are tests, which of their tests run, and what is refused before anything runs.
#include "cli/ruletest/suite.h"

#include <doctest/doctest.h>

#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruletest {
namespace {

constexpr const char* kRules = R"(groups:
- name: g
  rules:
  - {record: doubled, expr: 2 * input}
  - {alert: High, expr: input > 5}
)";

constexpr const char* kTests = R"(rule_files: [/t/rules/a.yml]
tests:
- name: low input
  input_series: [{series: input, values: 1x5}]
  promql_expr_test: [{expr: doubled, exp_samples: [{labels: doubled, value: 2}]}]
- name: wrong
  input_series: [{series: input, values: 1x5}]
  promql_expr_test: [{expr: doubled, exp_samples: [{labels: doubled, value: 3}]}]
)";

struct Fixture {
  sim::SimFileSystem files;
  base::SimClock clock;
  SuiteOptions options;

  Fixture() {
    put("/t/rules/a.yml", kRules);
    put("/t/tests/a.yml", kTests);
  }
  void put(const std::string& path, const std::string& content) {
    CHECK(files.create_folders(path.substr(0, path.rfind('/'))));
    files.set_content(path, content);
  }
  base::Result<SuiteResult> run(std::vector<std::string> paths) {
    options.paths = std::move(paths);
    return run_suite(options, files, clock);
  }
  std::string error(std::vector<std::string> paths) {
    const auto result = run(std::move(paths));
    return result ? "" : result.error().message;
  }
};

TEST_CASE("folders are searched, what is no test is left alone") {
  Fixture fixture;
  fixture.put("/t/tests/deep/er/b.yaml", "tests: []\n");
  fixture.put("/t/tests/compose.yml", "services: {}\n");
  fixture.put("/t/tests/broken.yml", "{{ a template }}\n");
  fixture.put("/t/.git/c.yml", "tests: []\n");
  const auto result = fixture.run({"/t", "/t/tests/a.yml", "/t/tests/a.yml"});
  REQUIRE(result);
  REQUIRE(result->files.size() == 2);
  CHECK(result->files[0].file == "/t/tests/a.yml");
  CHECK(result->files[1].file == "/t/tests/deep/er/b.yaml");
  CHECK_FALSE(result->passed());
  CHECK(result->files[0].cases.at(0).passed());
  CHECK_FALSE(result->files[0].cases.at(1).passed());
}

TEST_CASE("--run") {
  Fixture fixture;
  fixture.options.run = {"^low", "nothing has this"};
  const auto result = fixture.run({"/t/tests"});
  REQUIRE(result);
  CHECK(result->passed());
  CHECK(result->files.at(0).cases.size() == 1);
  CHECK(result->files.at(0).left_out == 1);
  fixture.options.run = {"lwo"};
  CHECK(fixture.error({"/t/tests"}) == "no test has a name that --run lwo finds");
  fixture.options.run = {"("};
  CHECK(fixture.error({"/t/tests"}).starts_with("--run '(': missing"));
}

TEST_CASE("what cannot be tested") {
  Fixture fixture;
  CHECK(fixture.error({"/t/none"}) == "'/t/none' does not exist");
  CHECK(fixture.error({"/t/rules"}).starts_with("no test files found"));
  std::string deep = "/t/deep";
  for (int i = 0; i < 40; ++i) deep += "/a";
  fixture.put(deep + "/a.yml", "tests: []\n");
  CHECK(fixture.error({"/t/deep"}).find("nested deeper than 32") != std::string::npos);
}

TEST_CASE("coverage counts rules that no test names, and minds those that cannot be read") {
  Fixture fixture;
  fixture.options.coverage = true;
  auto result = fixture.run({"/t/tests"});
  REQUIRE(result);
  REQUIRE(result->coverage);
  CHECK(result->coverage->items == 2);
  CHECK(result->coverage->covered == 1);

  fixture.put("/t/rules/b.yml", "groups: [{name: h, rules: [{record: r, expr: vector(1)}]}]\n");
  fixture.put("/t/rules/alertd.toml", "[server]\nlisten = \"x\"\n");
  fixture.put("/t/rules/values.yml", "image: x\n");
  result = fixture.run({"/t"});
  REQUIRE(result);
  CHECK(result->coverage->items == 3);
  CHECK(result->files.size() == 1);

  fixture.put("/t/rules/c.yml", "groups: [{name: h, rules: [{record: r, expr: '1 +'}]}]\n");
  result = fixture.run({"/t"});
  REQUIRE(result);
  REQUIRE(result->files.size() == 2);
  CHECK(result->files[1].file == "/t/rules/c.yml");
  CHECK_FALSE(result->files[1].passed());
}

}  // namespace
}  // namespace tocsin::ruletest
