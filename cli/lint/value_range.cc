#include "cli/lint/value_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "alertd/promql/functions.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ValueRange hull(const ValueRange& a, const ValueRange& b) {
  ValueRange result;
  result.low = std::min(a.low, b.low);
  result.high = std::max(a.high, b.high);
  result.low_open = (a.low > b.low || a.low_open) && (b.low > a.low || b.low_open);
  result.high_open = (a.high < b.high || a.high_open) && (b.high < a.high || b.high_open);
  result.nan = a.nan || b.nan;
  return result;
}

struct NamedRange {
  std::string_view name;
  double low;
  double high;
};

/// Functions whose values lie in an interval whatever their argument.
constexpr std::array kFunctions = std::to_array<NamedRange>({
    {"abs", 0, kInfinity},
    {"absent", 1, 1},
    {"absent_over_time", 1, 1},
    {"changes", 0, kInfinity},
    {"cos", -1, 1},
    {"count_over_time", 1, kInfinity},
    {"day_of_month", 1, 31},
    {"day_of_week", 0, 6},
    {"day_of_year", 1, 366},
    {"days_in_month", 28, 31},
    {"exp", 0, kInfinity},
    {"hour", 0, 23},
    {"increase", 0, kInfinity},
    {"irate", 0, kInfinity},
    {"minute", 0, 59},
    {"month", 1, 12},
    {"present_over_time", 1, 1},
    {"rate", 0, kInfinity},
    {"resets", 0, kInfinity},
    {"sgn", -1, 1},
    {"sin", -1, 1},
    {"stddev_over_time", 0, kInfinity},
    {"stdvar_over_time", 0, kInfinity},
    {"time", 0, kInfinity},
});

/// Functions that return one of the values of their argument, or between them.
constexpr std::array<std::string_view, 12> kWithin{
    "avg_over_time",      "min_over_time", "max_over_time", "last_over_time",
    "first_over_time",    "sort",          "sort_desc",     "label_replace",
    "quantile_over_time", "label_join",    "scalar",        "vector"};

ValueRange of_selector(const VectorSelector& selector) {
  if (selector.name == "up") return ValueRange::between(0, 1);
  for (const std::string_view suffix : {"_total", "_bucket", "_count"}) {
    if (selector.name.ends_with(suffix)) return ValueRange::from(0);
  }
  return {};
}

const Expr& vector_argument(const Call& call) {
  for (const ExprBox& arg : call.args) {
    if (arg->type == ValueType::InstantVector || arg->type == ValueType::RangeVector) return *arg;
  }
  return *call.args.front();
}

ValueRange of_clamp(const Call& call) {
  ValueRange range = value_range(*call.args[0]);
  const std::string_view name = call.function->name;
  const auto bound = [&](std::size_t index) { return value_range(*call.args[index]); };
  if (name != "clamp_max") {
    const double low = bound(1).low;
    if (low > range.low) range.low_open = false;
    range.low = std::max(range.low, low);
    range.high = std::max(range.high, range.low);
  }
  if (name != "clamp_min") {
    const double high = bound(name == "clamp" ? 2 : 1).high;
    if (high < range.high) range.high_open = false;
    range.high = std::min(range.high, high);
    range.low = std::min(range.low, range.high);
  }
  return range;
}

ValueRange of_call(const Call& call) {
  const std::string_view name = call.function->name;
  for (const NamedRange& known : kFunctions) {
    if (known.name == name) return ValueRange::between(known.low, known.high);
  }
  if (name.starts_with("clamp")) return of_clamp(call);
  if (name == "sqrt") return {.low = 0, .nan = true};
  if (name == "timestamp") return ValueRange::from(0);
  if (name == "histogram_fraction") return {.low = 0, .high = 1, .nan = true};
  if (std::find(kWithin.begin(), kWithin.end(), name) != kWithin.end() && !call.args.empty()) {
    ValueRange range = value_range(vector_argument(call));
    if (name == "scalar") range.nan = true;
    return range;
  }
  if (name == "sum_over_time" && value_range(*call.args[0]).low >= 0) return ValueRange::from(0);
  return {.nan = true};
}

ValueRange of_aggregation(const Aggregation& aggregation) {
  const ValueRange inside = value_range(*aggregation.expr);
  switch (aggregation.op) {
    case AggregateOp::Count:
    case AggregateOp::CountValues:
      return ValueRange::from(1);
    case AggregateOp::Group:
      return ValueRange::point(1);
    case AggregateOp::Stddev:
    case AggregateOp::Stdvar:
      return {.low = 0, .nan = inside.nan};
    case AggregateOp::Sum: {
      ValueRange range{.nan = inside.nan};
      if (inside.low >= 0) {
        range.low = inside.low;
        range.low_open = inside.low_open;
      }
      if (inside.high <= 0) range.high = inside.high;
      return range;
    }
    default:
      return inside;  // one of the values, or between them
  }
}

ValueRange of_arithmetic(BinaryOp op, const ValueRange& a, const ValueRange& b) {
  ValueRange result;
  result.nan = a.nan || b.nan;
  switch (op) {
    case BinaryOp::Add:
      result.low = a.low + b.low;
      result.high = a.high + b.high;
      break;
    case BinaryOp::Subtract:
      result.low = a.low - b.high;
      result.high = a.high - b.low;
      break;
    case BinaryOp::Multiply: {
      const auto product = [](double x, double y) { return x == 0 || y == 0 ? 0 : x * y; };
      const auto [low, high] = std::minmax({product(a.low, b.low), product(a.low, b.high),
                                            product(a.high, b.low), product(a.high, b.high)});
      result.low = low;
      result.high = high;
      break;
    }
    case BinaryOp::Divide:
      result.nan = true;
      if (a.low >= 0 && b.low >= 0) result.low = 0;
      if (b.low == b.high && b.low > 0) {
        result.low = a.low / b.low;
        result.high = a.high / b.low;
        result.nan = a.nan;
      }
      break;
    case BinaryOp::Modulo:
      result.nan = true;
      if (a.low >= 0) result.low = 0;
      break;
    default:
      result.nan = true;
  }
  if (std::isnan(result.low)) result.low = -kInfinity;
  if (std::isnan(result.high)) result.high = kInfinity;
  // Open ends stay open only where the sum says so; elsewhere the wider answer is the safe one.
  if (op == BinaryOp::Add || op == BinaryOp::Subtract) {
    const bool minus = op == BinaryOp::Subtract;
    result.low_open = a.low_open || (minus ? b.high_open : b.low_open);
    result.high_open = a.high_open || (minus ? b.low_open : b.high_open);
  }
  return result;
}

/// What a filter lets through.
ValueRange narrowed(ValueRange value, BinaryOp op, const ValueRange& bound) {
  const auto raise = [&](double low, bool open) {
    if (low < value.low || (low == value.low && !open)) return;
    value.low = low;
    value.low_open = open;
  };
  const auto lower = [&](double high, bool open) {
    if (high > value.high || (high == value.high && !open)) return;
    value.high = high;
    value.high_open = open;
  };
  if (op == BinaryOp::Greater) raise(bound.low, true);
  if (op == BinaryOp::GreaterEqual) raise(bound.low, bound.low_open);
  if (op == BinaryOp::Less) lower(bound.high, true);
  if (op == BinaryOp::LessEqual) lower(bound.high, bound.high_open);
  if (op == BinaryOp::Equal) {
    raise(bound.low, bound.low_open);
    lower(bound.high, bound.high_open);
  }
  value.nan = value.nan && op == BinaryOp::NotEqual;
  // A filter that lets nothing through is reported where it stands, not once more above.
  if (value.low > value.high) return {.nan = true};
  return value;
}

BinaryOp mirrored(BinaryOp op) {
  switch (op) {
    case BinaryOp::Less:
      return BinaryOp::Greater;
    case BinaryOp::LessEqual:
      return BinaryOp::GreaterEqual;
    case BinaryOp::Greater:
      return BinaryOp::Less;
    case BinaryOp::GreaterEqual:
      return BinaryOp::LessEqual;
    default:
      return op;
  }
}

ValueRange of_binary(const Binary& binary) {
  const ValueRange left = value_range(*binary.left);
  const ValueRange right = value_range(*binary.right);
  if (binary.op == BinaryOp::Or) return hull(left, right);
  if (is_set_operator(binary.op)) return left;
  if (!is_comparison(binary.op)) return of_arithmetic(binary.op, left, right);
  if (binary.return_bool) return ValueRange::between(0, 1);
  // A scalar on the left filters the vector on the right.
  if (binary.left->type == ValueType::Scalar) return narrowed(right, mirrored(binary.op), left);
  return narrowed(left, binary.op, right);
}

}  // namespace

ValueRange value_range(const Expr& expr) {
  if (const auto* number = std::get_if<NumberLiteral>(&expr.node)) {
    if (std::isnan(number->value)) return {.nan = true};
    return ValueRange::point(number->value);
  }
  if (const auto* selector = std::get_if<VectorSelector>(&expr.node)) return of_selector(*selector);
  if (const auto* matrix = std::get_if<MatrixSelector>(&expr.node)) {
    return of_selector(matrix->selector);
  }
  if (const auto* subquery = std::get_if<Subquery>(&expr.node)) return value_range(*subquery->expr);
  if (const auto* paren = std::get_if<Paren>(&expr.node)) return value_range(*paren->expr);
  if (const auto* unary = std::get_if<Unary>(&expr.node)) {
    const ValueRange inside = value_range(*unary->expr);
    if (!unary->negative) return inside;
    return {-inside.high, -inside.low, inside.high_open, inside.low_open, inside.nan};
  }
  if (const auto* call = std::get_if<Call>(&expr.node)) return of_call(*call);
  if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
    return of_aggregation(*aggregation);
  }
  if (const auto* binary = std::get_if<Binary>(&expr.node)) return of_binary(*binary);
  return {.nan = true};
}

Truth compare(const ValueRange& left, BinaryOp op, const ValueRange& right) {
  // Where the left interval lies altogether, seen from the right one.
  const bool apart_below =
      left.high < right.low || (left.high == right.low && (left.high_open || right.low_open));
  const bool apart_above =
      left.low > right.high || (left.low == right.high && (left.low_open || right.high_open));
  const bool not_above = left.high <= right.low;
  const bool not_below = left.low >= right.high;
  const bool same = left.low == left.high && right.low == right.high && left.low == right.low;
  const auto say = [&](bool always, bool never) {
    if (never) return Truth::Never;
    return always && !left.nan && !right.nan ? Truth::Always : Truth::Depends;
  };
  switch (op) {
    case BinaryOp::Less:
      return say(apart_below, not_below);
    case BinaryOp::LessEqual:
      return say(not_above, apart_above);
    case BinaryOp::Greater:
      return say(apart_above, not_above);
    case BinaryOp::GreaterEqual:
      return say(not_below, apart_below);
    case BinaryOp::Equal:
      return say(same, apart_below || apart_above);
    case BinaryOp::NotEqual:
      return say(apart_below || apart_above, same && !left.nan && !right.nan);
    default:
      return Truth::Depends;
  }
}

bool is_conditional(const Expr& expr) {
  if (const auto* paren = std::get_if<Paren>(&expr.node)) return is_conditional(*paren->expr);
  if (const auto* unary = std::get_if<Unary>(&expr.node)) return is_conditional(*unary->expr);
  if (const auto* subquery = std::get_if<Subquery>(&expr.node)) {
    return is_conditional(*subquery->expr);
  }
  if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
    return is_conditional(*aggregation->expr);
  }
  if (const auto* call = std::get_if<Call>(&expr.node)) {
    if (call->function->name.starts_with("absent")) return true;
    return std::any_of(call->args.begin(), call->args.end(),
                       [](const ExprBox& arg) { return is_conditional(*arg); });
  }
  const auto* binary = std::get_if<Binary>(&expr.node);
  if (binary == nullptr) return false;
  if (binary->op == BinaryOp::Or) {
    return is_conditional(*binary->left) && is_conditional(*binary->right);
  }
  if (is_set_operator(binary->op)) return true;
  if (is_comparison(binary->op) && !binary->return_bool) return true;
  return is_conditional(*binary->left) || is_conditional(*binary->right);
}

std::string describe(const ValueRange& range) {
  const std::string low = base::format_double(range.low);
  const std::string high = base::format_double(range.high);
  if (range.low == range.high) return "always " + low;
  const bool below = std::isfinite(range.high);
  const bool above = std::isfinite(range.low);
  if (above && below) return "between " + low + " and " + high;
  if (above) return (range.low_open ? "greater than " : "at least ") + low;
  if (below) return (range.high_open ? "less than " : "at most ") + high;
  return "any number";
}

}  // namespace tocsin::lint
