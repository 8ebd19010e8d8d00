// The table of PromQL's functions: one row says name, types and implementation.
//
// Adding a function is adding a row in function_table.cc. The parser reads names and types; the
// evaluator calls whichever implementation the row has. Rows without one are in the language but
// not here yet: they parse, and evaluating them is an error that says so.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/ast.h"
#include "alertd/promql/sliding.h"
#include "common/base/result.h"
#include "common/model/sample.h"

namespace tocsin::promql {

class Evaluator;
struct Table;
struct Grid;

/// What a function of a range vector sees: one series, one step.
struct Window {
  std::span<const model::Sample> samples;  ///< Never empty; no stale markers.
  std::int64_t begin_ms = 0;               ///< The window is (begin_ms, end_ms].
  std::int64_t end_ms = 0;
  std::int64_t at_ms = 0;       ///< The step's time; differs from end_ms with offset or @.
  double parameter = 0;         ///< First scalar argument at this step, if any.
  double second_parameter = 0;  ///< Second scalar argument.
  std::vector<double>* scratch = nullptr;
};

/// Returns the value, or the absent marker (kAbsent in table.h) for none.
using RangeFunction = double (*)(const Window& window);
/// Maps each value of an instant vector; the metric name is dropped.
using MathFunction = double (*)(double value);
/// Everything else: evaluates its own arguments.
using SpecialFunction = base::Result<Table> (*)(Evaluator& evaluator, const Expr& expr,
                                                const Grid& grid);

/// Looks at a scalar argument before the series are read; may warn or refuse.
using ParameterCheck = base::Result<void> (*)(Evaluator& evaluator, const Expr& arg,
                                              std::span<const double> values);

/// One row.
struct FunctionInfo {
  std::string_view name;
  std::vector<ValueType> args;  ///< The last one repeats if args_max is greater.
  std::uint8_t args_min = 0;
  std::uint8_t args_max = 0;  ///< 255: any number.
  ValueType result = ValueType::InstantVector;
  bool experimental = false;
  bool time_dependent = false;      ///< Not step invariant even if its arguments are.
  bool wants_counter = false;       ///< Tells if the metric's name is not that of a counter.
  bool keeps_name = false;          ///< A range function whose values are plain samples.
  Extreme extreme = Extreme::None;  ///< The same as `range`, from step to step.
  RangeFunction range = nullptr;
  ParameterCheck check = nullptr;
  MathFunction math = nullptr;
  SpecialFunction special = nullptr;

  ValueType arg(std::size_t index) const {
    return args[index < args.size() ? index : args.size() - 1];
  }
};

/// Returns the row, or null. The pointer lives as long as the program.
const FunctionInfo* find_function(std::string_view name);
/// Returns all names, for "did you mean".
std::vector<std::string> function_names();

}  // namespace tocsin::promql
