#include "cli/import.h"

#include <doctest/doctest.h>

#include <sstream>

#include "cli/json_view.h"
#include "cli/options.h"
#include "cli/parser.h"
#include "common/sim/test_folder.h"

#include <boost/json.hpp>

namespace tocsin::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kGood =
    "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0, labels: {severity: ticket}}\n";

struct Bench : sim::TestFolder {
  std::string read(const std::string& name) {
    auto text = files->read(file(name), 1 << 20);
    return text ? *text : std::string();
  }
  int run(const ImportOptions& options) {
    out.str("");
    err.str("");
    return run_import(options, *files, out, err);
  }

  std::ostringstream out, err;
};

TEST_CASE("import writes files, and overwrites none unasked") {
  Bench bench;
  ImportOptions options;
  options.files = {bench.write("in/a.yml", kGood)};
  CHECK(bench.run(options) == 0);
  CHECK(has(bench.out.str(), "name = \"A\""));
  CHECK(has(bench.err.str(), "severity 'ticket' is none of ours"));
  CHECK(has(bench.err.str(), "a.yml:4:"));

  options.output = bench.file("out");
  CHECK(bench.run(options) == 0);
  CHECK(has(bench.read("out/a.toml"), "severity = \"medium\""));
  options.severities = {"ticket=low"};
  CHECK(bench.run(options) == 1);
  CHECK(has(bench.err.str(), "is there already; --force overwrites it"));
  options.force = true;
  CHECK(bench.run(options) == 0);
  CHECK(has(bench.read("out/a.toml"), "severity = \"low\""));
  CHECK_FALSE(has(bench.err.str(), "none of ours"));
}

TEST_CASE("import says what it cannot do") {
  Bench bench;
  ImportOptions options;
  options.output = bench.file("out");
  options.files = {bench.write("x/a.yml", kGood), bench.write("y/a.yml", kGood)};
  CHECK(bench.run(options) == 1);
  CHECK(has(bench.err.str(), "would both become"));
  CHECK_FALSE(bench.files->exists(options.output));

  options.files = {bench.file("missing.yml")};
  CHECK(bench.run(options) == kUnreachable);
  CHECK(has(bench.err.str(), "missing.yml"));

  options.files = {bench.write("b.yml", "groups: [")};
  CHECK(bench.run(options) == 1);
  options.severities = {"ticket=urgent"};
  CHECK(bench.run(options) == kUsage);
  CHECK(has(bench.err.str(), "expected NAME=critical"));
}

TEST_CASE("arguments of import") {
  auto parsed = parse_arguments({"import", "prometheus", "a.yml", "b.yml", "-o", "rules",
                                 "--severity", "ticket=low", "--merge-levels"},
                                {});
  REQUIRE(parsed.invocation);
  auto options = std::get<ImportOptions>(parsed.invocation->command);
  CHECK(options.from == ImportOptions::From::Prometheus);
  CHECK(options.files == std::vector<std::string>{"a.yml", "b.yml"});
  CHECK(options.output == "rules");
  CHECK(options.merge_levels);
  parsed = parse_arguments({"import", "alertmanager", "am.yml"}, {});
  REQUIRE(parsed.invocation);
  options = std::get<ImportOptions>(parsed.invocation->command);
  CHECK(options.from == ImportOptions::From::Alertmanager);
  CHECK(options.output == "-");
  CHECK_FALSE(parse_arguments({"import", "nagios", "a"}, {}).invocation);
  parsed = parse_arguments({"alerts", "-o", "wide"}, {});
  REQUIRE(parsed.invocation);
  CHECK(parsed.invocation->global.output == OutputFormat::Wide);
}

TEST_CASE("where a rule comes from") {
  const boost::json::value known{
      {"rule_commit", "1a2b3c4d5e6f7a8b"}, {"rule_author", "Ann"}, {"rule_subject", "Page early"}};
  CHECK(rule_origin(known) == "1a2b3c4d5e by Ann: Page early");
  CHECK(rule_origin(boost::json::object{}).empty());
}

}  // namespace
}  // namespace tocsin::cli
