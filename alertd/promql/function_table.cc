// All functions of PromQL, one row each. See functions.h.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "alertd/promql/functions.h"
#include "alertd/promql/range_functions.h"
#include "alertd/promql/special_functions.h"

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

// Function of one range vector.
FunctionInfo window(std::string_view name, RangeFunction function) {
  FunctionInfo info = row(name, {M}, 1, 1);
  info.range = function;
  return info;
}
// Function of each value.
FunctionInfo math(std::string_view name, MathFunction function) {
  FunctionInfo info = row(name, {V}, 1, 1);
  info.math = function;
  return info;
}
FunctionInfo with(FunctionInfo info, SpecialFunction function) {
  info.special = function;
  return info;
}
// A date's part, of the values of a vector or of the step's time.
FunctionInfo date(std::string_view name, SpecialFunction function) {
  FunctionInfo info = with(row(name, {V}, 0, 1), function);
  info.time_dependent = true;
  return info;
}
FunctionInfo experimental(FunctionInfo info) {
  info.experimental = true;
  return info;
}
FunctionInfo counter(FunctionInfo info) {
  info.wants_counter = true;
  return info;
}
FunctionInfo sliding(FunctionInfo info, Extreme extreme) {
  info.extreme = extreme;
  return info;
}

FunctionInfo keeps_name(FunctionInfo info) {
  info.keeps_name = true;
  return info;
}
FunctionInfo timed(FunctionInfo info) {
  info.time_dependent = true;
  return info;
}
FunctionInfo parameters(FunctionInfo info, RangeFunction function, ParameterCheck check) {
  info.range = function;
  info.check = check;
  return info;
}

double sign(double value) {
  if (value > 0) return 1;
  return value < 0 ? -1 : value;
}

void add_range_functions(std::vector<FunctionInfo>& t) {
  t.push_back(counter(window("rate", rate)));
  t.push_back(counter(window("increase", increase)));
  t.push_back(window("delta", delta));
  t.push_back(window("irate", irate));
  t.push_back(window("idelta", idelta));
  t.push_back(window("deriv", deriv));
  t.push_back(window("avg_over_time", avg_over_time));
  t.push_back(sliding(window("min_over_time", min_over_time), Extreme::Min));
  t.push_back(sliding(window("max_over_time", max_over_time), Extreme::Max));
  t.push_back(window("sum_over_time", sum_over_time));
  t.push_back(window("count_over_time", count_over_time));
  t.push_back(window("stddev_over_time", stddev_over_time));
  t.push_back(window("stdvar_over_time", stdvar_over_time));
  t.push_back(keeps_name(window("last_over_time", last_over_time)));
  t.push_back(experimental(keeps_name(window("first_over_time", first_over_time))));
  t.push_back(window("present_over_time", present_over_time));
  t.push_back(window("changes", changes));
  t.push_back(window("resets", resets));
  t.push_back(experimental(window("mad_over_time", mad_over_time)));
  t.push_back(experimental(window("ts_of_first_over_time", ts_of_first_over_time)));
  t.push_back(experimental(window("ts_of_last_over_time", ts_of_last_over_time)));
  t.push_back(experimental(window("ts_of_max_over_time", ts_of_max_over_time)));
  t.push_back(experimental(window("ts_of_min_over_time", ts_of_min_over_time)));
  t.push_back(
      parameters(row("quantile_over_time", {S, M}, 2, 2), quantile_over_time, check_quantile));
  t.push_back(timed(parameters(row("predict_linear", {M, S}, 2, 2), predict_linear, nullptr)));
  t.push_back(experimental(parameters(row("double_exponential_smoothing", {M, S, S}, 3, 3),
                                      double_exponential_smoothing, check_smoothing)));
  t.push_back(with(row("absent_over_time", {M}, 1, 1), absent_over_time));
}

void add_math_functions(std::vector<FunctionInfo>& t) {
  t.push_back(math("abs", [](double v) { return std::fabs(v); }));
  t.push_back(math("ceil", [](double v) { return std::ceil(v); }));
  t.push_back(math("floor", [](double v) { return std::floor(v); }));
  t.push_back(math("exp", [](double v) { return std::exp(v); }));
  t.push_back(math("sqrt", [](double v) { return std::sqrt(v); }));
  t.push_back(math("ln", [](double v) { return std::log(v); }));
  t.push_back(math("log2", [](double v) { return std::log2(v); }));
  t.push_back(math("log10", [](double v) { return std::log10(v); }));
  t.push_back(math("sgn", sign));
  t.push_back(math("sin", [](double v) { return std::sin(v); }));
  t.push_back(math("cos", [](double v) { return std::cos(v); }));
  t.push_back(math("tan", [](double v) { return std::tan(v); }));
  t.push_back(math("asin", [](double v) { return std::asin(v); }));
  t.push_back(math("acos", [](double v) { return std::acos(v); }));
  t.push_back(math("atan", [](double v) { return std::atan(v); }));
  t.push_back(math("sinh", [](double v) { return std::sinh(v); }));
  t.push_back(math("cosh", [](double v) { return std::cosh(v); }));
  t.push_back(math("tanh", [](double v) { return std::tanh(v); }));
  t.push_back(math("asinh", [](double v) { return std::asinh(v); }));
  t.push_back(math("acosh", [](double v) { return std::acosh(v); }));
  t.push_back(math("atanh", [](double v) { return std::atanh(v); }));
  t.push_back(math("deg", [](double v) { return v * 180 / std::numbers::pi; }));
  t.push_back(math("rad", [](double v) { return v * std::numbers::pi / 180; }));
  t.push_back(with(row("round", {V, S}, 1, 2), round));
  t.push_back(with(row("clamp", {V, S, S}, 3, 3), clamp));
  t.push_back(with(row("clamp_min", {V, S}, 2, 2), clamp_min));
  t.push_back(with(row("clamp_max", {V, S}, 2, 2), clamp_max));
  t.push_back(experimental(with(row("min_of", {S, S}, 2, 2, S), min_of)));
  t.push_back(experimental(with(row("max_of", {S, S}, 2, 2, S), max_of)));
  t.push_back(with(row("pi", {S}, 0, 0, S), pi));
}

void add_time_functions(std::vector<FunctionInfo>& t) {
  t.push_back(timed(with(row("time", {S}, 0, 0, S), time)));
  t.push_back(timed(with(row("timestamp", {V}, 1, 1), timestamp)));
  t.push_back(date("minute", minute));
  t.push_back(date("hour", hour));
  t.push_back(date("day_of_month", day_of_month));
  t.push_back(date("day_of_week", day_of_week));
  t.push_back(date("day_of_year", day_of_year));
  t.push_back(date("days_in_month", days_in_month));
  t.push_back(date("month", month));
  t.push_back(date("year", year));
  t.push_back(experimental(with(row("start", {S}, 0, 0, S), query_start)));
  t.push_back(experimental(with(row("end", {S}, 0, 0, S), query_end)));
  t.push_back(experimental(with(row("step", {S}, 0, 0, S), query_step)));
  t.push_back(experimental(with(row("range", {S}, 0, 0, S), query_range)));
}

void add_vector_functions(std::vector<FunctionInfo>& t) {
  t.push_back(with(row("absent", {V}, 1, 1), absent));
  t.push_back(with(row("scalar", {V}, 1, 1, S), scalar_of));
  t.push_back(with(row("vector", {S}, 1, 1), vector_of));
  t.push_back(with(row("sort", {V}, 1, 1), sort));
  t.push_back(with(row("sort_desc", {V}, 1, 1), sort_desc));
  t.push_back(experimental(with(row("sort_by_label", {V, T}, 1, 255), sort_by_label)));
  t.push_back(experimental(with(row("sort_by_label_desc", {V, T}, 1, 255), sort_by_label_desc)));
  t.push_back(with(row("label_replace", {V, T, T, T, T}, 5, 5), label_replace));
  t.push_back(with(row("label_join", {V, T, T, T}, 3, 255), label_join));
  t.push_back(with(row("histogram_quantile", {S, V}, 2, 2), histogram_quantile));
  t.push_back(
      experimental(with(row("histogram_quantiles", {V, T, S}, 3, 12), histogram_quantiles)));
  t.push_back(with(row("histogram_fraction", {S, S, V}, 3, 3), histogram_fraction));
  // In the language, not here yet: all need native histograms.
  for (const char* name : {"histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev",
                           "histogram_stdvar"}) {
    t.push_back(row(name, {V}, 1, 1));
  }
  t.push_back(experimental(with(row("info", {V, V}, 1, 2), info)));
}

std::vector<FunctionInfo> make_table() {
  std::vector<FunctionInfo> rows;
  add_range_functions(rows);
  add_math_functions(rows);
  add_time_functions(rows);
  add_vector_functions(rows);
  std::ranges::sort(rows, {}, &FunctionInfo::name);
  return rows;
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
