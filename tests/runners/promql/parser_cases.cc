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

}  // namespace

ParserCounts check_parser_cases(std::string_view text) {
  ParserCounts counts;
  const promql::ParseOptions options{.experimental_functions = true, .duration_expressions = true};
  std::size_t number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    std::string problem;
    std::size_t where = 0;
    const auto input = promql::unquote(line.substr(tab + 1), problem, where);
    if (!input) continue;
    ++counts.total;
    const bool wanted = line.substr(0, tab) == "OK";
    bool parses = false;
    std::string message;
    if (is_series_line(*input)) {
      const auto series = promql::parse_noted_series(*input);
      // Native histograms are refused, whatever they look like.
      const bool histogram = input->find("{{") != std::string::npos;
      parses = histogram ? wanted : series.has_value();
      if (!series) message = series.error().message;
    } else {
      const promql::Parsed parsed = promql::parse(*input, options);
      parses = parsed.expr != nullptr;
      if (!parses) message = parsed.errors.at(0).message;
    }
    if (parses == wanted) {
      ++counts.passed;
    } else {
      fmt::print("  parser-cases.tsv:{}: {} should {}: {}\n", number, *input,
                 wanted ? "parse" : "fail", message);
    }
  }
  return counts;
}

}  // namespace tocsin::promql_runner
