// What a plain alert's condition looks at: the label sets that must not vanish unnoticed.
//
// The result of `up == 0` is empty both when all is well and when nobody reports any more. The same
// comparison with `bool` answers for every label set that there is: `up == bool 0`. So the
// outermost comparisons of the expression are given `bool`, and what comes out then are the label
// sets "seen". That holds only if nothing below them filters by value, too (`count(up == 0) > 0` is
// empty on a good day), so expressions with inner filters, set operators or absent() have no such
// input.
#pragma once

#include <string>
#include <string_view>

#include "alertd/promql/engine.h"

namespace tocsin::ruler {

/// The input of a plain alert, or why it has none.
struct RuleInput {
  promql::ExprPtr expr;  ///< Null if there is none.
  std::string why_not;   ///< Then: "it has the set operator 'or'".
};

/// Derives the input from a parsed expression; `text` is what it was parsed from. Thread: any.
RuleInput derive_input(const promql::Expr& expr, std::string_view text);

/// Returns why label sets come and go in the result although all reports come in; empty if they do
/// not. For the value expression of a levelled alert.
std::string filters_by_value(const promql::Expr& expr);

}  // namespace tocsin::ruler
