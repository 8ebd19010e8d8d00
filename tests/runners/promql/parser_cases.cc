#include "tests/runners/promql/parser_cases.h"

#include <fmt/core.h>

#include "alertd/promql/engine.h"
#include "alertd/promql/lexer.h"
#include "alertd/promql/parser.h"
#include "alertd/promql/series_notation.h"
#include "common/base/strings.h"

namespace tocsin::promql_runner {
namespace {

// Some inputs are lines of series, `{} 1 2 3`: an identity followed by values.
bool is_series_line(std::string_view input) {
  std::size_t length = 0;
  if (!promql::parse_series(input, length) || length >= input.size()) return false;
  const std::string_view rest = base::trim(input.substr(length));
  if (rest.starts_with('-') && (rest.size() < 2 || rest[1] == ' ')) return false;  // an operator
  return !rest.empty() && (input[length] == ' ' || input[length] == '\t') &&
         std::string_view("0123456789_-{").find(rest[0]) != std::string_view::npos;
}

// Returns "" if the input is accepted, else why not.
std::string refusal(const std::string& input) {
  if (is_series_line(input)) {
    const auto series = promql::parse_noted_series(input);
    return series ? "" : series.error().message;
  }
  const promql::Parsed parsed = promql::parse(input, kAllOptions);
  if (!parsed.expr) return parsed.errors.at(0).message;
  const std::string problem = check_round_trip(*parsed.expr);
  if (problem.empty()) return "";
  return problem;
}

// Returns "" if the line is as it says.
std::string problem_of(bool wanted, const std::string& input) {
  const std::string message = refusal(input);
  if (message.empty() == wanted) return "";
  return wanted ? "should parse: " + message : "should not parse";
}

}  // namespace

Counts check_parser_cases(std::string_view file, std::string_view text, ExceptionLog& exceptions) {
  Counts counts;
  std::size_t number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    if (base::trim(line).empty() || line.starts_with('#')) continue;
    const std::size_t tab = line.find('\t');
    const std::string_view word = line.substr(0, tab);
    std::string problem = "the line is not OK or FAIL, a tab and a Go string";
    std::string shown(line);
    if (tab != std::string_view::npos && (word == "OK" || word == "FAIL")) {
      std::size_t where = 0;
      const auto input = promql::unquote(line.substr(tab + 1), problem, where);
      if (input) {
        shown = *input;
        problem = problem_of(word == "OK", shown);
      }
    }
    if (problem.empty()) {
      ++counts.passed;
    } else if (exceptions.find(file, shown) != nullptr) {
      ++counts.excepted;
    } else {
      ++counts.failed;
      fmt::print("  {}:{}: {}\n      {}\n", file, number, shown, problem);
    }
  }
  return counts;
}

}  // namespace tocsin::promql_runner
