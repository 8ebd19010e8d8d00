// promql_conformance [--floor PERCENT] [--verbose] DIRECTORY: runs every *.test file and
// parser-cases.tsv.
//
// Prints passed and total by file. Fails if a query does not parse (other than for something that
// is not supported yet), or if fewer than the floor pass. A directory that is not there is skipped
// with a message, because the reference suites are not part of this repository.
#include <fmt/core.h>
#include <re2/re2.h>

#include <filesystem>
#include <iostream>
#include <sstream>
#include <vector>

#include "alertd/promql/engine.h"
#include "alertd/promql/test_source.h"
#include "common/base/file_system.h"
#include "common/base/strings.h"
#include "tests/runners/promql/check.h"
#include "tests/runners/promql/parser_cases.h"
#include "tests/runners/promql/pinned.h"
#include "tests/runners/promql/test_file.h"

namespace {

using namespace tocsin;
using promql_runner::Eval;

struct Counts {
  int passed = 0;
  int unsupported = 0;
  int failed = 0;
  int unparsable = 0;
  int total() const { return passed + unsupported + failed; }
};

class Runner {
 public:
  explicit Runner(std::string file) : file_(std::move(file)) {}

  Counts run(const std::vector<promql_runner::Command>& commands) {
    for (const auto& command : commands) {
      if (const auto* load = std::get_if<promql_runner::Load>(&command)) {
        for (const promql::NotedSeries& series : load->series) source_.add(series, load->step);
      } else if (const auto* eval = std::get_if<Eval>(&command)) {
        run_eval(*eval);
      } else {
        source_.clear();
      }
    }
    return counts_;
  }

 private:
  static bool mentions_unsupported(const std::string& message) {
    return message.find("not supported") != std::string::npos;
  }

  void run_eval(const Eval& eval) {
    const promql::Parsed parsed =
        promql::parse(eval.query, {.experimental_functions = true, .duration_expressions = true});
    if (!parsed.expr) {
      const std::string& message = parsed.errors.at(0).message;
      if (mentions_unsupported(message)) {
        ++counts_.unsupported;
      } else {
        ++counts_.failed;
        ++counts_.unparsable;
        report(eval, "does not parse: " + message);
      }
      return;
    }
    const std::string printed = promql::print(*parsed.expr);
    const promql::Parsed again =
        promql::parse(printed, {.experimental_functions = true, .duration_expressions = true});
    if (!again.expr || promql::print(*again.expr) != printed) {
      ++counts_.failed;
      return report(eval, "does not survive printing: " + printed);
    }
    const auto outcome = evaluate(eval, *parsed.expr);
    std::string problem =
        eval.unsupported.empty() ? promql_runner::check(eval, outcome) : eval.unsupported;
    if (problem.empty() && outcome) problem = check_as_range(eval, *again.expr, *outcome);
    if (problem.empty() && outcome) problem = check_pinned(eval);
    if (problem.empty()) {
      ++counts_.passed;
    } else if (mentions_unsupported(problem)) {
      ++counts_.unsupported;
    } else {
      ++counts_.failed;
      report(eval, problem);
    }
  }

  base::Result<promql::QueryResult> evaluate(const Eval& eval, const promql::Expr& expr) const {
    const base::WallTime begin{eval.begin};
    if (!eval.range) return engine_.instant(source_, expr, begin);
    return engine_.range(source_, expr, begin, base::WallTime{eval.end}, eval.step);
  }

  std::string check_as_range(const Eval& eval, const promql::Expr& expr,
                             const promql::QueryResult& instant) const {
    const bool fixed_kind = eval.range || eval.range_vector || eval.string || eval.ordered;
    if (fixed_kind || RE2::PartialMatch(eval.query, R"((start|end|range|step)\(\))")) return "";
    const base::WallTime at{eval.begin};
    const base::Duration minute{60'000};
    return promql_runner::check_middle(
        eval, instant, engine_.range(source_, expr, at - minute, at + minute, minute));
  }

  // With `@ time` on every selector the result is the same whenever it is evaluated.
  std::string check_pinned(const Eval& eval) const {
    if (eval.range || promql_runner::calls_time_function(eval.query)) return "";
    const std::string query = promql_runner::pinned(eval.query, eval.begin.count());
    const promql::Parsed parsed =
        promql::parse(query, {.experimental_functions = true, .duration_expressions = true});
    if (!parsed.expr) return "pinned with @ does not parse: " + query;
    const std::int64_t t = eval.begin.count();
    const std::int64_t second = 1000;
    const std::vector<std::int64_t> times =
        t == 0 ? std::vector<std::int64_t>{-second, 0, second}
               : std::vector<std::int64_t>{-10 * t, 0, t / 5, t, 10 * t};
    for (const std::int64_t at_ms : times) {
      const auto outcome = engine_.instant(source_, *parsed.expr, base::wall_time(at_ms));
      const std::string problem = promql_runner::check(eval, outcome);
      if (!problem.empty()) {
        return fmt::format("at {} ms as '{}': {}", at_ms, query, problem);
      }
    }
    return "";
  }

  void report(const Eval& eval, const std::string& problem) const {
    fmt::print("  {}:{}: {}\n      {}\n", file_, eval.line, eval.query, problem);
  }

  std::string file_;
  promql::TestSource source_;
  promql::Engine engine_{promql::EngineOptions{.delayed_name_removal = true}};
  Counts counts_;
};

std::string read_file(const std::filesystem::path& path) {
  const auto files = base::make_real_file_system();
  const auto text = files->read(path.string(), std::size_t{16} << 20U);
  return text ? *text : "";
}

}  // namespace

int main(int argc, char** argv) {
  double floor = 100;
  std::string directory;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--floor" && i + 1 < argc) {
      floor = base::parse_double(argv[++i]).value_or(100);
    } else {
      directory = arg;
    }
  }
  if (!std::filesystem::is_directory(directory)) {
    fmt::print("skipped: no directory '{}'\n", directory);
    return 0;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  Counts all;
  for (const std::filesystem::path& file : files) {
    const auto commands = promql_runner::parse_test_file(read_file(file));
    if (!commands) {
      fmt::print("{}: {}\n", file.filename().string(), commands.error().message);
      ++all.unparsable;
      continue;
    }
    const Counts counts = Runner(file.filename().string()).run(*commands);
    fmt::print("{:32} {:4} of {:4} passed, {} not supported, {} failed\n", file.filename().string(),
               counts.passed, counts.total(), counts.unsupported, counts.failed);
    all.passed += counts.passed;
    all.unsupported += counts.unsupported;
    all.failed += counts.failed;
    all.unparsable += counts.unparsable;
  }
  const double rate = all.total() == 0 ? 100 : 100.0 * all.passed / all.total();
  fmt::print("total: {} of {} passed ({:.1f} %), {} not supported, {} failed\n", all.passed,
             all.total(), rate, all.unsupported, all.failed);
  bool good = all.unparsable == 0 && rate >= floor;
  const std::filesystem::path cases = std::filesystem::path(directory) / "parser-cases.tsv";
  if (std::filesystem::exists(cases)) {
    const auto counts = promql_runner::check_parser_cases(read_file(cases));
    fmt::print("parser-cases.tsv: {} of {}\n", counts.passed, counts.total);
    good = good && 100.0 * counts.passed / counts.total >= floor;
  }
  return good ? 0 : 1;
}
