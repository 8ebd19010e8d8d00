// All functions of PromQL, one row each. See functions.h.
#include <algorithm>

#include "alertd/promql/functions.h"

namespace tocsin::promql {
namespace {

constexpr auto S = ValueType::Scalar;
constexpr auto V = ValueType::InstantVector;
constexpr auto M = ValueType::RangeVector;
constexpr auto T = ValueType::String;

FunctionInfo row(std::string_view name, std::vector<ValueType> args, int min, int max,
                 ValueType result = V) {
  FunctionInfo info;
  info.name = name;
  info.args = std::move(args);
  info.args_min = static_cast<std::uint8_t>(min);
  info.args_max = static_cast<std::uint8_t>(max);
  info.result = result;
  return info;
}
FunctionInfo experimental(FunctionInfo info) {
  info.experimental = true;
  return info;
}
FunctionInfo timed(FunctionInfo info) {
  info.time_dependent = true;
  return info;
}

std::vector<FunctionInfo> make_table() {
  std::vector<FunctionInfo> t;
  for (const char* name :
       {"rate", "increase", "delta", "irate", "idelta", "deriv", "avg_over_time", "min_over_time",
        "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time",
        "last_over_time", "present_over_time", "changes", "resets"}) {
    t.push_back(row(name, {M}, 1, 1));
  }
  for (const char* name : {"first_over_time", "mad_over_time", "ts_of_first_over_time",
                           "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time"}) {
    t.push_back(experimental(row(name, {M}, 1, 1)));
  }
  t.push_back(row("absent_over_time", {M}, 1, 1));
  t.push_back(row("quantile_over_time", {S, M}, 2, 2));
  t.push_back(timed(row("predict_linear", {M, S}, 2, 2)));
  t.push_back(experimental(row("double_exponential_smoothing", {M, S, S}, 3, 3)));
  for (const char* name : {"abs",
                           "ceil",
                           "floor",
                           "exp",
                           "sqrt",
                           "ln",
                           "log2",
                           "log10",
                           "sgn",
                           "sin",
                           "cos",
                           "tan",
                           "asin",
                           "acos",
                           "atan",
                           "sinh",
                           "cosh",
                           "tanh",
                           "asinh",
                           "acosh",
                           "atanh",
                           "deg",
                           "rad",
                           "absent",
                           "sort",
                           "sort_desc",
                           "histogram_avg",
                           "histogram_count",
                           "histogram_sum",
                           "histogram_stddev",
                           "histogram_stdvar"}) {
    t.push_back(row(name, {V}, 1, 1));
  }
  t.push_back(timed(row("timestamp", {V}, 1, 1)));
  t.push_back(row("round", {V, S}, 1, 2));
  t.push_back(row("clamp", {V, S, S}, 3, 3));
  t.push_back(row("clamp_min", {V, S}, 2, 2));
  t.push_back(row("clamp_max", {V, S}, 2, 2));
  for (const char* name : {"minute", "hour", "day_of_month", "day_of_week", "day_of_year",
                           "days_in_month", "month", "year"}) {
    t.push_back(timed(row(name, {V}, 0, 1)));
  }
  t.push_back(timed(row("time", {S}, 0, 0, S)));
  for (const char* name : {"start", "end", "step", "range"}) {
    t.push_back(experimental(row(name, {S}, 0, 0, S)));
  }
  t.push_back(row("pi", {S}, 0, 0, S));
  t.push_back(row("scalar", {V}, 1, 1, S));
  t.push_back(row("vector", {S}, 1, 1));
  t.push_back(experimental(row("min_of", {S, S}, 2, 2, S)));
  t.push_back(experimental(row("max_of", {S, S}, 2, 2, S)));
  t.push_back(row("histogram_quantile", {S, V}, 2, 2));
  t.push_back(experimental(row("histogram_quantiles", {V, T, S}, 3, 12)));
  t.push_back(row("histogram_fraction", {S, S, V}, 3, 3));
  t.push_back(row("label_replace", {V, T, T, T, T}, 5, 5));
  t.push_back(row("label_join", {V, T, T, T}, 3, 255));
  t.push_back(experimental(row("sort_by_label", {V, T}, 1, 255)));
  t.push_back(experimental(row("sort_by_label_desc", {V, T}, 1, 255)));
  t.push_back(experimental(row("info", {V, V}, 1, 2)));
  std::ranges::sort(t, {}, &FunctionInfo::name);
  return t;
}

// Built once, then only read: the table is a constant, not state.
const std::vector<FunctionInfo>& table() {
  static const std::vector<FunctionInfo> rows = make_table();
  return rows;
}

}  // namespace

const FunctionInfo* find_function(std::string_view name) {
  const auto& rows = table();
  const auto at = std::ranges::lower_bound(rows, name, {}, &FunctionInfo::name);
  return at != rows.end() && at->name == name ? &*at : nullptr;
}

std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const FunctionInfo& info : table()) names.emplace_back(info.name);
  return names;
}

}  // namespace tocsin::promql
