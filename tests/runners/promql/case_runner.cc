#include "tests/runners/promql/case_runner.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include "alertd/promql/ast.h"
#include "tests/runners/promql/check.h"
#include "tests/runners/promql/pinned.h"
#include "tests/runners/promql/planned.h"

namespace tocsin::promql_runner {
namespace {

constexpr base::Duration kMinute{60'000};

// What would mean something else in a range query, or has no middle step.
bool has_range_form(const Eval& eval) {
  if (eval.string || eval.range_vector || eval.ordered) return false;
  return !RE2::PartialMatch(eval.query, R"((start|end|range|step)\(\))");
}

}  // namespace

std::string check_round_trip(const promql::Expr& expr) {
  const std::string printed = promql::print(expr);
  const promql::Parsed again = promql::parse(printed, kAllOptions);
  if (!again.expr) {
    return fmt::format("printed as '{}', which does not parse: {}", printed,
                       again.errors.at(0).message);
  }
  return promql::same_tree(expr, *again.expr)
             ? ""
             : fmt::format("printed as '{}', which is another expression", printed);
}

Counts CaseRunner::run(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    if (const auto* load = std::get_if<Load>(&command)) {
      for (const promql::NotedSeries& series : load->series) source_.add(series, load->step);
    } else if (const auto* eval = std::get_if<Eval>(&command)) {
      run_eval(*eval);
    } else {
      source_.clear();
    }
  }
  return counts_;
}

void CaseRunner::run_eval(const Eval& eval) {
  const std::string problem = problem_of(eval);
  if (problem.empty()) {
    ++counts_.passed;
    return;
  }
  if (exceptions_.find(file_, eval.query) != nullptr) {
    ++counts_.excepted;
    return;
  }
  ++counts_.failed;
  fmt::print("  {}:{}: {}\n      {}\n", file_, eval.line, eval.query, problem);
}

std::string CaseRunner::problem_of(const Eval& eval) {
  const promql::Parsed parsed = promql::parse(eval.query, kAllOptions);
  if (!parsed.expr) return "does not parse: " + parsed.errors.at(0).message;
  if (!eval.unsupported.empty()) return eval.unsupported;
  const std::string problem = check_round_trip(*parsed.expr);
  if (!problem.empty()) return problem;
  if (eval.range) return run_range(eval, *parsed.expr);
  const std::string plain = run_instant(eval, *parsed.expr, eval.begin.count());
  return plain.empty() ? run_pinned(eval, *parsed.expr) : plain;
}

std::string CaseRunner::run_range(const Eval& eval, const promql::Expr& expr) const {
  const auto outcome =
      engine_.range(source_, expr, base::WallTime{eval.begin}, base::WallTime{eval.end}, eval.step);
  return check(eval, outcome);
}

std::string CaseRunner::run_instant(const Eval& eval, const promql::Expr& expr,
                                    std::int64_t at_ms) const {
  const base::WallTime at = base::wall_time(at_ms);
  const auto outcome = engine_.instant(source_, expr, at);
  std::string problem = check(eval, outcome);
  if (problem.empty()) problem = check_planned(engine_, source_, expr, at, outcome);
  if (!problem.empty() || !outcome || !has_range_form(eval)) return problem;
  const auto range = engine_.range(source_, expr, at - kMinute, at + kMinute, kMinute);
  const std::string middle = check_middle(eval, at_ms, *outcome, range);
  return middle.empty() ? "" : "as a range query: " + middle;
}

// With `@ time` on every selector the result is the same whenever it is evaluated.
std::string CaseRunner::run_pinned(const Eval& eval, const promql::Expr& expr) const {
  if (calls_time_function(expr)) return "";
  const std::int64_t t = eval.begin.count();
  const std::string query = pinned(eval.query, t);
  const promql::Parsed parsed = promql::parse(query, kAllOptions);
  if (!parsed.expr) return "with @ does not parse: " + query;
  const std::vector<std::int64_t> times =
      t == 0 ? std::vector<std::int64_t>{-1000, 0, 1000}
             : std::vector<std::int64_t>{-10 * t, 0, t / 5, t, 10 * t};
  for (const std::int64_t at_ms : times) {
    const std::string problem = run_instant(eval, *parsed.expr, at_ms);
    if (!problem.empty()) return fmt::format("at {} ms as '{}': {}", at_ms, query, problem);
  }
  return "";
}

}  // namespace tocsin::promql_runner
