// The syntax tree of a PromQL expression: plain data, made by the parser, read by everybody else.
//
// Every node knows where it stands in the text (bytes for excerpts, line and column for
// annotations), its type, and whether its value is the same at every step of a range query.
// Children are owned; a tree is immutable once parse() has returned it. Durations may be
// expressions of their own (`[5m + step()]`), so they are small trees too, evaluated when the
// query's grid is known.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/model/matcher.h"

namespace tocsin::promql {

struct FunctionInfo;  // functions.h

enum class ValueType : std::uint8_t { Scalar, InstantVector, RangeVector, String };

/// Returns "scalar", "instant vector", "range vector" or "string".
std::string_view to_string(ValueType type);

/// Where a node stands: bytes [begin, end); line and column of `begin` count from 1.
struct Location {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

/// A duration in seconds, possibly computed.
struct DurationExpr {
  enum class Kind : std::uint8_t {
    Constant,
    Step,
    Range,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    MinOf,
    MaxOf
  };
  Kind kind = Kind::Constant;
  double seconds = 0;  ///< Of a Constant.
  std::unique_ptr<DurationExpr> left;
  std::unique_ptr<DurationExpr> right;
  Location location;
};
using DurationBox = std::unique_ptr<DurationExpr>;

struct Expr;
using ExprBox = std::unique_ptr<Expr>;

struct NumberLiteral {
  double value = 0;
};

struct StringLiteral {
  std::string value;
};

enum class At : std::uint8_t { None, Timestamp, Start, End };

/// `offset` and `@` of a selector or a subquery.
struct TimeShift {
  DurationBox offset;  ///< Null for none.
  At at = At::None;
  std::int64_t at_ms = 0;  ///< If `at` is Timestamp.
};

enum class SelectorMode : std::uint8_t { Plain, Anchored, Smoothed };

struct VectorSelector {
  std::string name;     ///< The metric name if written before the braces; also in `matchers`.
  bool quoted = false;  ///< The metric name is a text of its own inside the braces.
  std::vector<model::Matcher> matchers;  ///< In order of writing; that of `name` is last.
  TimeShift shift;
  SelectorMode mode = SelectorMode::Plain;
};

struct MatrixSelector {
  VectorSelector selector;
  DurationBox range;
};

struct Subquery {
  ExprBox expr;
  DurationBox range;
  DurationBox step;  ///< Null: the engine's default.
  TimeShift shift;
};

struct Unary {
  bool negative = false;
  ExprBox expr;
};

enum class BinaryOp : std::uint8_t {
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo,
  Power,
  Atan2,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  And,
  Or,
  Unless
};

/// Returns "+", "atan2", "==", "and", ...
std::string_view to_string(BinaryOp op);
inline bool is_comparison(BinaryOp op) {
  return op >= BinaryOp::Equal && op <= BinaryOp::GreaterEqual;
}
inline bool is_set_operator(BinaryOp op) {
  return op >= BinaryOp::And;
}

enum class Group : std::uint8_t { None, Left, Right };

/// How the two sides of a binary operator find each other.
struct Matching {
  bool given = false;               ///< `on` or `ignoring` was written.
  bool on = false;                  ///< `on`, else `ignoring`.
  std::vector<std::string> labels;  ///< Of `on` or `ignoring`.
  Group group = Group::None;
  std::vector<std::string> include;  ///< Of `group_left` or `group_right`.
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct Binary {
  BinaryOp op = BinaryOp::Add;
  bool return_bool = false;
  Matching matching;
  ExprBox left;
  ExprBox right;
};

enum class AggregateOp : std::uint8_t {
  Sum,
  Avg,
  Min,
  Max,
  Count,
  Group,
  Stddev,
  Stdvar,
  TopK,
  BottomK,
  Quantile,
  CountValues,
  LimitK,
  LimitRatio
};

/// Returns "sum", "topk", ...
std::string_view to_string(AggregateOp op);
/// Returns whether the operator takes a parameter before the vector.
inline bool has_parameter(AggregateOp op) {
  return op >= AggregateOp::TopK;
}

struct Aggregation {
  AggregateOp op = AggregateOp::Sum;
  bool without = false;
  std::vector<std::string> grouping;
  ExprBox parameter;  ///< Null unless has_parameter(op).
  ExprBox expr;
};

struct Call {
  const FunctionInfo* function = nullptr;
  std::vector<ExprBox> args;
};

struct Paren {
  ExprBox expr;
};

struct Expr {
  Expr() = default;
  /// Takes a tree apart without recursion: its depth is no matter.
  ~Expr();
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;

  using Node = std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery,
                            Unary, Binary, Aggregation, Call, Paren>;
  Location location;
  ValueType type = ValueType::Scalar;
  bool step_invariant = false;  ///< The same value whatever the evaluation time.
  std::uint32_t depth = 1;      ///< Of the tree below and including this node.
  Node node;
};

/// Returns the expression inside any number of parentheses.
const Expr& without_parens(const Expr& expr);

/// Returns whether two trees are the same, wherever in their texts they stand. NaN equals NaN.
bool same_tree(const Expr& a, const Expr& b);

/// Calls `visit` for the expression and everything below it, parents first, in order of writing.
/// Needs no stack space for depth.
void walk(const Expr& expr, const std::function<void(const Expr&)>& visit);

/// Returns every selector of the expression, in order of writing; pointers into the tree.
std::vector<const VectorSelector*> selectors_of(const Expr& expr);

}  // namespace tocsin::promql
