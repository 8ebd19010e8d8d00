// Inside of parse(): what the parser offers to tools that read PromQL's notation of series.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "alertd/promql/engine.h"
#include "common/base/result.h"
#include "common/model/labels.h"

namespace tocsin::promql {

inline constexpr std::size_t kTextBytesMax = 65536;
/// Of parentheses, calls and right-hand sides: bounds the parser's recursion.
inline constexpr std::uint32_t kNestingMax = 128;
/// Of the tree: `a + b + c + ...` nests to the left without brackets; bounds the evaluator's
/// recursion.
inline constexpr std::uint32_t kTreeDepthMax = 512;

/// Parses a series' identity, `name{a="b",...}`, at the start of `text`, as test files write it.
///
/// Sets `length` to the bytes read, so that values may follow.
/// Errors: InvalidArgument.
base::Result<model::Labels> parse_series(std::string_view text, std::size_t& length);

/// Returns what the expression uses that is in the language but cannot be evaluated yet (functions
/// of native histograms, `anchored`, `smoothed`): every evaluation of it would fail.
std::vector<ParseError> not_supported_yet(const Expr& expr);

/// Sets the types of the whole tree and appends every type error. Internal.
void check_types(Expr& expr, std::vector<ParseError>& errors);

}  // namespace tocsin::promql
