// Selectors, their modifiers, subqueries and durations. See parser_impl.h.
#include <fmt/core.h>

#include <cmath>

#include "alertd/promql/parser_impl.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

// As Go's time.Duration: about 292 years.
constexpr double kSecondsMax = 9'223'372'036;

std::optional<model::MatchOp> match_op(TokenKind kind) {
  switch (kind) {
    case TokenKind::Assign:
      return model::MatchOp::Equal;
    case TokenKind::NotEqual:
      return model::MatchOp::NotEqual;
    case TokenKind::MatchRegex:
      return model::MatchOp::Regex;
    case TokenKind::MatchNotRegex:
      return model::MatchOp::NotRegex;
    default:
      return std::nullopt;
  }
}

DurationBox make_duration(DurationExpr::Kind kind, const Location& at, DurationBox left,
                          DurationBox right = nullptr) {
  auto box = std::make_unique<DurationExpr>();
  box->kind = kind;
  box->location = at;
  box->left = std::move(left);
  box->right = std::move(right);
  return box;
}

struct DurationOperator {
  DurationExpr::Kind kind;
  int precedence;
};

std::optional<DurationOperator> duration_operator(TokenKind kind) {
  using Kind = DurationExpr::Kind;
  switch (kind) {
    case TokenKind::Plus:
      return DurationOperator{Kind::Add, 1};
    case TokenKind::Minus:
      return DurationOperator{Kind::Subtract, 1};
    case TokenKind::Star:
      return DurationOperator{Kind::Multiply, 2};
    case TokenKind::Slash:
      return DurationOperator{Kind::Divide, 2};
    case TokenKind::Percent:
      return DurationOperator{Kind::Modulo, 2};
    case TokenKind::Caret:
      return DurationOperator{Kind::Power, 3};
    default:
      return std::nullopt;
  }
}

bool is_constant(const DurationExpr& expr) {
  return expr.kind == DurationExpr::Kind::Constant;
}

}  // namespace

ExprBox Parser::selector(const Token* name) {
  const Location begin = name != nullptr ? name->location : peek().location;
  VectorSelector node;
  if (name != nullptr) node.name = std::string(name->text);
  if (peek_is(TokenKind::LeftBrace) && !matchers(node)) return nullptr;
  if (!node.name.empty()) {
    node.matchers.push_back(model::Matcher::equal(std::string(model::kMetricName), node.name));
  }
  return make(begin, std::move(node), 1);
}

bool Parser::matchers(VectorSelector& node) {
  take();
  while (!accept(TokenKind::RightBrace)) {
    if (!matcher(node)) return false;
    if (accept(TokenKind::RightBrace)) return true;
    if (!expect(TokenKind::Comma, "',' or '}'", "in the selector")) return false;
  }
  return true;
}

// A quoted text alone in braces is the metric name: {"http.requests", job="a"}.
bool Parser::quoted_name(VectorSelector& node, const Token& token) {
  for (const model::Matcher& matcher : node.matchers) {
    if (matcher.name() == model::kMetricName && node.quoted) {
      fail(token.location, fmt::format("metric name must not be set twice: '{}' or '{}'",
                                       matcher.value(), token.string));
      return false;
    }
  }
  if (!node.name.empty()) {
    fail(token.location,
         fmt::format("metric name must not be set twice: '{}' or '{}'", node.name, token.string));
    return false;
  }
  if (token.string.empty() || !base::is_utf8(token.string)) {
    fail(token.location, "metric name must be a non-empty UTF-8 text");
    return false;
  }
  node.quoted = true;
  node.matchers.push_back(model::Matcher::equal(std::string(model::kMetricName), token.string));
  return true;
}

bool Parser::matcher(VectorSelector& node) {
  const Token& label = peek();
  std::string name;
  if (label.kind == TokenKind::String) {
    name = take().string;
    if (peek_is(TokenKind::Comma) || peek_is(TokenKind::RightBrace)) {
      return quoted_name(node, label);
    }
    if (name.empty() || !base::is_utf8(name)) {
      fail(label.location, "label name must be a non-empty UTF-8 text");
      return false;
    }
  } else if (label.kind == TokenKind::Identifier) {
    name = std::string(take().text);
    if (!model::is_legacy_label_name(name)) {
      fail(label.location, fmt::format("bad label name '{}'", name), "quote it: \"...\"");
      return false;
    }
  } else {
    unexpected("in the selector", "a label name or '}'");
    return false;
  }
  const auto op = match_op(peek().kind);
  if (!op) {
    unexpected("in the selector", "one of = != =~ !~");
    return false;
  }
  take();
  const Token& value = peek();
  if (!expect(TokenKind::String, "a quoted string", "in the selector")) return false;
  if (name == model::kMetricName && !node.name.empty()) {
    fail(label.location,
         fmt::format("metric name must not be set twice: '{}' or '{}'", node.name, value.string));
    return false;
  }
  auto made = model::Matcher::make(*op, std::move(name), value.string);
  if (!made) {
    fail(value.location, made.error().message);
    return false;
  }
  node.matchers.push_back(std::move(*made));
  return true;
}

bool Parser::parse_series_labels(std::vector<model::LabelView>& labels,
                                 std::vector<std::string>& storage, std::size_t& length) {
  const Token* name = peek_is(TokenKind::Identifier) ? &take() : nullptr;
  if (name == nullptr && !peek_is(TokenKind::LeftBrace)) {
    unexpected("in the series", "a metric name or '{'");
    return false;
  }
  const ExprBox expr = selector(name);
  if (!expr) return false;
  if (!peek_is(TokenKind::End)) {
    unexpected("after the series", "a space");
    return false;
  }
  length = tokens_[at_ > 0 ? at_ - 1 : 0].location.end;
  const auto& matchers = std::get<VectorSelector>(expr->node).matchers;
  storage.reserve(matchers.size() * 2);
  for (const model::Matcher& matcher : matchers) {
    if (matcher.op() != model::MatchOp::Equal) {
      fail(expr->location, "labels of a series are given with '='");
      return false;
    }
    storage.push_back(matcher.name());
    storage.push_back(matcher.value());
    labels.push_back({storage[storage.size() - 2], storage.back()});
  }
  return true;
}

ExprBox Parser::postfix(ExprBox expr) {
  while (expr) {
    if (peek_is(TokenKind::LeftBracket)) {
      expr = brackets(std::move(expr));
    } else if (peek_is(TokenKind::At)) {
      if (!at_modifier(*expr)) return nullptr;
    } else if (peek_word("offset")) {
      if (!offset(*expr)) return nullptr;
    } else if (peek_word("anchored")) {
      if (!selector_mode(*expr, SelectorMode::Anchored)) return nullptr;
    } else if (peek_word("smoothed")) {
      if (!selector_mode(*expr, SelectorMode::Smoothed)) return nullptr;
    } else {
      return expr;
    }
  }
  return nullptr;
}

ExprBox Parser::brackets(ExprBox expr) {
  const Location begin = expr->location;
  const Location bracket = take().location;
  DurationBox range = duration(1);
  if (!range || !check_duration(*range, true)) return nullptr;
  if (accept(TokenKind::Colon)) return subquery(std::move(expr), std::move(range));
  if (!expect(TokenKind::RightBracket, "']' or ':'", "in the range")) return nullptr;
  auto* selected = std::get_if<VectorSelector>(&expr->node);
  if (selected == nullptr) {
    return fail(until_here(bracket), "ranges are only allowed for vector selectors",
                "a subquery needs a colon: [5m:]");
  }
  if (selected->shift.offset || selected->shift.at != At::None) {
    return fail(until_here(bracket), "no offset or @ modifier allowed before a range",
                "write it after the range");
  }
  MatrixSelector node{std::move(*selected), std::move(range)};
  return make(begin, std::move(node), 1);
}

ExprBox Parser::subquery(ExprBox expr, DurationBox range) {
  const Location begin = expr->location;
  Subquery node;
  if (!peek_is(TokenKind::RightBracket)) {
    node.step = duration(1);
    if (!node.step || !check_duration(*node.step, true)) return nullptr;
  }
  if (!expect(TokenKind::RightBracket, "']'", "in the subquery")) return nullptr;
  const std::uint32_t depth = expr->depth + 1;
  node.range = std::move(range);
  node.expr = std::move(expr);
  return make(begin, std::move(node), depth);
}

TimeShift* Parser::shift_of(Expr& expr, std::string_view word, const Location& at) {
  if (auto* vector = std::get_if<VectorSelector>(&expr.node)) return &vector->shift;
  if (auto* matrix = std::get_if<MatrixSelector>(&expr.node)) return &matrix->selector.shift;
  if (auto* subquery = std::get_if<Subquery>(&expr.node)) return &subquery->shift;
  fail(at, fmt::format("'{}' must follow a selector or a subquery", word));
  return nullptr;
}

bool Parser::selector_mode(Expr& expr, SelectorMode mode) {
  const Token& word = take();
  SelectorMode* target = nullptr;
  if (auto* vector = std::get_if<VectorSelector>(&expr.node)) target = &vector->mode;
  if (auto* matrix = std::get_if<MatrixSelector>(&expr.node)) target = &matrix->selector.mode;
  if (target == nullptr) {
    fail(word.location, fmt::format("'{}' must follow a selector", word.text));
    return false;
  }
  if (*target != SelectorMode::Plain) {
    fail(word.location, "'anchored' and 'smoothed' may be given once");
    return false;
  }
  *target = mode;
  expr.location = until_here(expr.location);
  return true;
}

bool Parser::offset(Expr& expr) {
  const Token& word = take();
  TimeShift* shift = shift_of(expr, "offset", word.location);
  if (shift == nullptr) return false;
  if (shift->offset) {
    fail(word.location, "offset may not be set multiple times");
    return false;
  }
  DurationBox value = offset_operand();
  if (!value || !check_duration(*value, false)) return false;
  shift->offset = std::move(value);
  expr.location = until_here(expr.location);
  return true;
}

bool Parser::at_modifier(Expr& expr) {
  const Token& sign_at = take();
  TimeShift* shift = shift_of(expr, "@", sign_at.location);
  if (shift == nullptr) return false;
  if (shift->at != At::None) {
    fail(sign_at.location, "@ may not be set multiple times");
    return false;
  }
  if ((peek_word("start") || peek_word("end")) && peek_is(TokenKind::LeftParen, 1)) {
    shift->at = base::to_lower(take().text) == "start" ? At::Start : At::End;
    take();
    if (!expect(TokenKind::RightParen, "')'", "after @")) return false;
    expr.location = until_here(expr.location);
    return true;
  }
  double sign = 1;
  if (accept(TokenKind::Minus)) {
    sign = -1;
  } else {
    accept(TokenKind::Plus);
  }
  const Token& number = peek();
  if (number.kind != TokenKind::Number && number.kind != TokenKind::Duration) {
    unexpected("after @", "a timestamp in seconds, start() or end()");
    return false;
  }
  take();
  const double seconds = sign * number.number;
  if (!std::isfinite(seconds) || std::fabs(seconds) > 9.2e15) {
    fail(number.location, fmt::format("timestamp '{}' after @ is out of bounds", number.text));
    return false;
  }
  shift->at = At::Timestamp;
  shift->at_ms = std::llround(seconds * 1000);
  expr.location = until_here(expr.location);
  return true;
}

DurationBox Parser::duration(int precedence_min) {
  const Nested nested(*this);
  if (nested.too_deep()) return nullptr;
  const Location begin = peek().location;
  std::uint32_t chained = 0;
  DurationBox left;
  if (peek_is(TokenKind::Minus) || peek_is(TokenKind::Plus)) {
    const bool negative = take().kind == TokenKind::Minus;
    left = duration(3);
    if (left && negative && is_constant(*left)) {
      left->seconds = -left->seconds;
      left->location = until_here(begin);
    } else if (left && negative) {
      left = make_duration(DurationExpr::Kind::Negate, until_here(begin), std::move(left));
    }
  } else {
    left = duration_operand();
  }
  while (left) {
    const auto info = duration_operator(peek().kind);
    if (!info || info->precedence < precedence_min) return left;
    const Token& sign = take();
    if (!options_.duration_expressions) {
      return fail(sign.location, "calculating with durations is experimental",
                  "duration expressions are not enabled here");
    }
    if (++chained > kNestingMax) return fail(sign.location, "duration expression is too long");
    const bool power = info->kind == DurationExpr::Kind::Power;
    DurationBox right = duration(power ? info->precedence : info->precedence + 1);
    if (!right) return nullptr;
    const bool divides =
        info->kind == DurationExpr::Kind::Divide || info->kind == DurationExpr::Kind::Modulo;
    if (divides && is_constant(*right) && right->seconds == 0) {
      return fail(right->location, "division by zero in a duration");
    }
    left = make_duration(info->kind, until_here(begin), std::move(left), std::move(right));
  }
  return nullptr;
}

DurationBox Parser::constant_duration(const Token& token) {
  DurationBox box = make_duration(DurationExpr::Kind::Constant, token.location, nullptr);
  box->seconds = token.number;
  return check_duration(*box, false) ? std::move(box) : nullptr;
}

DurationBox Parser::duration_operand() {
  const Token& token = peek();
  if (token.kind == TokenKind::Number || token.kind == TokenKind::Duration) {
    return constant_duration(take());
  }
  if (token.kind == TokenKind::LeftParen) {
    take();
    DurationBox inside = duration(1);
    if (!inside || !expect(TokenKind::RightParen, "')'", "in the duration")) return nullptr;
    return inside;
  }
  if (token.kind == TokenKind::Identifier && peek_is(TokenKind::LeftParen, 1)) {
    return duration_call();
  }
  return unexpected("in the duration", "a duration such as 5m");
}

DurationBox Parser::duration_call() {
  const Token& name = take();
  const std::string word = base::to_lower(name.text);
  if (!options_.duration_expressions) {
    return fail(name.location, fmt::format("'{}()' in a duration is experimental", word),
                "duration expressions are not enabled here");
  }
  take();
  if (word == "step" || word == "range") {
    if (!expect(TokenKind::RightParen, "')'", "in the duration")) return nullptr;
    const auto kind = word == "step" ? DurationExpr::Kind::Step : DurationExpr::Kind::Range;
    return make_duration(kind, until_here(name.location), nullptr);
  }
  if (word != "min_of" && word != "max_of") {
    return fail(name.location, fmt::format("unexpected '{}' in the duration", name.text),
                "only step(), range(), min_of() and max_of() are allowed there");
  }
  DurationBox left = duration(1);
  if (!left || !expect(TokenKind::Comma, "','", "in the duration")) return nullptr;
  DurationBox right = duration(1);
  if (!right || !expect(TokenKind::RightParen, "')'", "in the duration")) return nullptr;
  const auto kind = word == "min_of" ? DurationExpr::Kind::MinOf : DurationExpr::Kind::MaxOf;
  return make_duration(kind, until_here(name.location), std::move(left), std::move(right));
}

// `foo offset 5m + 1` is `(foo offset 5m) + 1`: only signs and parentheses belong to the offset.
DurationBox Parser::offset_operand() {
  const Location begin = peek().location;
  bool negative = false;
  std::uint32_t signs = 0;
  while (peek_is(TokenKind::Minus) || peek_is(TokenKind::Plus)) {
    if (++signs > kNestingMax) return fail(begin, "too many signs before an offset");
    if (take().kind == TokenKind::Minus) negative = !negative;
  }
  DurationBox value = duration_operand();
  if (!value || !negative) return value;
  if (is_constant(*value)) {
    value->seconds = -value->seconds;
    value->location = until_here(begin);
    return value;
  }
  return make_duration(DurationExpr::Kind::Negate, until_here(begin), std::move(value));
}

bool Parser::check_duration(const DurationExpr& expr, bool positive) {
  if (!is_constant(expr)) return true;
  if (!std::isfinite(expr.seconds) || std::fabs(expr.seconds) > kSecondsMax) {
    fail(expr.location, "duration is out of range", "at most 292 years");
    return false;
  }
  if (positive && std::llround(expr.seconds * 1000) <= 0) {
    fail(expr.location, "duration must be greater than 0");
    return false;
  }
  return true;
}

}  // namespace tocsin::promql
