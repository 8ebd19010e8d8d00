// `tocsin test` as a command: how it ends. What it runs and prints is tested in cli/ruletest.
#include "cli/test_rules.h"

#include <doctest/doctest.h>

#include <sstream>

#include "cli/options.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::cli {
namespace {

constexpr const char* kTests = R"(tests:
- name: good
  input_series: [{series: input, values: 1x5}]
  promql_expr_test: [{expr: input, exp_samples: [{labels: input, value: 1}]}]
- name: wrong
  input_series: [{series: input, values: 1x5}]
  promql_expr_test: [{expr: input, exp_samples: [{labels: input, value: 3}]}]
)";

struct Fixture {
  sim::SimFileSystem files;
  base::SimClock clock;
  std::ostringstream out, err;

  Fixture() {
    REQUIRE(files.create_folders("/t/empty"));
    files.set_content("/t/a.yml", kTests);
  }
  int run(const std::string& path, const std::string& only = "") {
    TestOptions options;
    options.paths = {path};
    if (!only.empty()) options.run = {only};
    return run_tests(options, {files, clock, out, err});
  }
};

TEST_CASE("exit codes are those of all commands") {
  Fixture f;
  CHECK(f.run("/t/a.yml", "good") == kOk);
  CHECK(f.run("/t/a.yml") == kNegative);
  // Nothing to work on.
  CHECK(f.run("/t/none.yml") == kUnreachable);
  CHECK(f.run("/t/empty") == kUnreachable);
  CHECK(f.run("/t/a.yml", "nobody") == kUnreachable);
  // Wrong, whatever there is to work on.
  f.err.str("");
  CHECK(f.run("/t/none.yml", "(") == kUsage);
  CHECK(f.err.str().find("--run '('") != std::string::npos);
}

}  // namespace
}  // namespace tocsin::cli
