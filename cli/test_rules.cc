#include "cli/test_rules.h"

#include <fmt/core.h>

#include <ostream>

#include "cli/ruletest/report.h"
#include "cli/table.h"

namespace tocsin::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kNothingToTest = 2;
constexpr int kUsageError = 64;

void print(const TestOptions& options, const TestWorld& world,
           const ruletest::SuiteResult& result) {
  switch (options.format) {
    case TestOptions::Format::Text:
      world.err << ruletest::findings_text(result, {options.color, options.diff});
      world.out << ruletest::summary_text(result);
      return;
    case TestOptions::Format::Json:
      world.out << ruletest::to_json(result);
      return;
    case TestOptions::Format::Junit:
      world.out << ruletest::to_junit(result);
      return;
  }
}

}  // namespace

int run_tests(const TestOptions& options, const TestWorld& world) {
  ruletest::SuiteOptions suite;
  suite.paths = options.paths;
  suite.run = options.run;
  suite.ignore_unknown_fields = options.ignore_unknown_fields;
  suite.coverage = options.coverage || options.coverage_min.has_value();
  const auto result = ruletest::run_suite(suite, world.files, world.clock);
  if (!result) {
    world.err << "tocsin test: " << printable(result.error().message) << '\n';
    const bool usage = result.error().code == base::ErrorCode::InvalidArgument;
    return usage ? kUsageError : kNothingToTest;
  }
  print(options, world, *result);
  bool good = result->passed();
  if (options.coverage_min && result->coverage->percent() < *options.coverage_min) {
    world.err << fmt::format(
        "tocsin test: {:.1f} % of the rules are covered by tests, --coverage-min wants {} %\n",
        result->coverage->percent(), *options.coverage_min);
    good = false;
  }
  return good ? 0 : kFailed;
}

}  // namespace tocsin::cli
