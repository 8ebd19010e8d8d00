// Runs the cases of one *.test file against the engine, each in all the ways that must agree.
#pragma once

#include <string>
#include <vector>

#include "alertd/promql/engine.h"
#include "alertd/promql/test_source.h"
#include "tests/runners/promql/exceptions.h"
#include "tests/runners/promql/test_file.h"

namespace tocsin::promql_runner {

/// Everything on, as in the suite's own run.
inline constexpr promql::ParseOptions kAllOptions{.experimental_functions = true,
                                                  .duration_expressions = true};

struct Counts {
  int passed = 0;
  int excepted = 0;  ///< Not passed, but in the table of exceptions.
  int failed = 0;
  int total() const { return passed + excepted + failed; }
};

/// Returns "" if printing the expression and parsing that gives the same tree, else what differs.
std::string check_round_trip(const promql::Expr& expr);

/// One file: its samples and its engine.
///
/// Each instant case runs as it is and, with `@ time` on every outermost selector, at {-10t, 0,
/// t/5, t, 10t} ({-1s, 0, 1s} if t is 0) unless it calls a function of the time itself; and each of
/// those once more as a range query over [t-1m, t+1m] of which the middle must be what is expected.
class CaseRunner {
 public:
  CaseRunner(std::string file, ExceptionLog& exceptions)
      : file_(std::move(file)), exceptions_(exceptions) {}

  /// Runs all commands in order; prints what fails.
  Counts run(const std::vector<Command>& commands);

 private:
  void run_eval(const Eval& eval);
  std::string problem_of(const Eval& eval);
  std::string run_range(const Eval& eval, const promql::Expr& expr) const;
  std::string run_instant(const Eval& eval, const promql::Expr& expr, std::int64_t at_ms) const;
  std::string run_pinned(const Eval& eval, const promql::Expr& expr) const;

  std::string file_;
  ExceptionLog& exceptions_;
  promql::TestSource source_;
  promql::Engine engine_{promql::EngineOptions{.delayed_name_removal = true}};
  Counts counts_;
};

}  // namespace tocsin::promql_runner
