#include "alertd/api/selectors.h"

#include <fmt/core.h>

#include <variant>

#include "alertd/api/parameters.h"
#include "alertd/promql/ast.h"
#include "common/base/diagnostic.h"

namespace tocsin::api {

base::Result<promql::ExprPtr> parse_parameter(std::string_view name, std::string_view text,
                                              const promql::ParseOptions& options) {
  promql::Parsed parsed = promql::parse(text, options);
  if (parsed.expr) return std::move(parsed.expr);
  std::string message = fmt::format("invalid parameter \"{}\":", name);
  for (const promql::ParseError& error : parsed.errors) {
    const base::Position at = base::position_of(text, error.begin);
    message += fmt::format(" {}:{}: parse error: {}{}{};", at.line, at.column, error.message,
                           error.hint.empty() ? "" : "; ", error.hint);
  }
  message.pop_back();
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

base::Result<std::vector<std::vector<model::Matcher>>> selectors_parameter(
    const net::ServerRequest& request, const std::string& name,
    const promql::ParseOptions& options) {
  std::vector<std::vector<model::Matcher>> sets;
  for (const std::string& text : list_parameter(request, name)) {
    TC_TRY(const promql::ExprPtr expr, parse_parameter(name, text, options));
    const auto* selector = std::get_if<promql::VectorSelector>(&expr->node);
    if (selector == nullptr || selector->shift.offset || selector->shift.at != promql::At::None) {
      return base::error(
          base::ErrorCode::InvalidArgument,
          fmt::format("invalid parameter \"{}\": '{}' is not a series selector", name, text));
    }
    sets.push_back(selector->matchers);
  }
  return sets;
}

}  // namespace tocsin::api
