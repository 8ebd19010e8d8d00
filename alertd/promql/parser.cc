// Operators, calls and aggregations. Source: the grammar of Prometheus 3, promql/parser.
#include "alertd/promql/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "alertd/promql/functions.h"
#include "alertd/promql/parser_impl.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

struct OperatorInfo {
  BinaryOp op;
  int precedence;
};

constexpr int kUnaryPrecedence = 6;  // binds tighter than * and looser than ^
constexpr int kPowerPrecedence = 6;

std::optional<OperatorInfo> word_operator(std::string_view text) {
  const std::string word = base::to_lower(text);
  if (word == "or") return OperatorInfo{BinaryOp::Or, 1};
  if (word == "and") return OperatorInfo{BinaryOp::And, 2};
  if (word == "unless") return OperatorInfo{BinaryOp::Unless, 2};
  if (word == "atan2") return OperatorInfo{BinaryOp::Atan2, 5};
  return std::nullopt;
}

std::optional<OperatorInfo> operator_of(const Token& token) {
  switch (token.kind) {
    case TokenKind::Equal:
      return OperatorInfo{BinaryOp::Equal, 3};
    case TokenKind::NotEqual:
      return OperatorInfo{BinaryOp::NotEqual, 3};
    case TokenKind::Less:
      return OperatorInfo{BinaryOp::Less, 3};
    case TokenKind::LessEqual:
      return OperatorInfo{BinaryOp::LessEqual, 3};
    case TokenKind::Greater:
      return OperatorInfo{BinaryOp::Greater, 3};
    case TokenKind::GreaterEqual:
      return OperatorInfo{BinaryOp::GreaterEqual, 3};
    case TokenKind::Plus:
      return OperatorInfo{BinaryOp::Add, 4};
    case TokenKind::Minus:
      return OperatorInfo{BinaryOp::Subtract, 4};
    case TokenKind::Star:
      return OperatorInfo{BinaryOp::Multiply, 5};
    case TokenKind::Slash:
      return OperatorInfo{BinaryOp::Divide, 5};
    case TokenKind::Percent:
      return OperatorInfo{BinaryOp::Modulo, 5};
    case TokenKind::Caret:
      return OperatorInfo{BinaryOp::Power, kPowerPrecedence};
    case TokenKind::Identifier:
      return word_operator(token.text);
    default:
      return std::nullopt;
  }
}

constexpr std::array kAggregates{
    AggregateOp::Sum,    AggregateOp::Avg,       AggregateOp::Min,      AggregateOp::Max,
    AggregateOp::Count,  AggregateOp::Group,     AggregateOp::Stddev,   AggregateOp::Stdvar,
    AggregateOp::TopK,   AggregateOp::BottomK,   AggregateOp::Quantile, AggregateOp::CountValues,
    AggregateOp::LimitK, AggregateOp::LimitRatio};

std::optional<AggregateOp> aggregate_of(std::string_view text) {
  const std::string word = base::to_lower(text);
  for (const AggregateOp op : kAggregates) {
    if (to_string(op) == word) return op;
  }
  return std::nullopt;
}

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t length = 1;
    while (length <= 4 && !base::is_utf8(text.substr(at, length))) ++length;
    if (length > 4) return at;
    at += length;
  }
  return at;
}

std::string describe(const Token& token) {
  if (token.kind == TokenKind::End) return "end of expression";
  return fmt::format("'{}'", token.text);
}

}  // namespace

bool Parser::peek_word(std::string_view word, std::size_t ahead) const {
  const Token& token = peek(ahead);
  return token.kind == TokenKind::Identifier && token.text.size() == word.size() &&
         base::to_lower(token.text) == word;
}

bool Parser::accept(TokenKind kind) {
  if (!peek_is(kind)) return false;
  take();
  return true;
}

bool Parser::accept_word(std::string_view word) {
  if (!peek_word(word)) return false;
  take();
  return true;
}

bool Parser::expect(TokenKind kind, std::string_view what, std::string_view context) {
  if (accept(kind)) return true;
  unexpected(context, what);
  return false;
}

std::nullptr_t Parser::fail(const Location& at, std::string message, std::string hint) {
  if (errors_.empty()) {
    errors_.push_back({at.begin, at.end, std::move(message), std::move(hint)});
  }
  return nullptr;
}

std::nullptr_t Parser::unexpected(std::string_view context, std::string_view wanted) {
  return fail(peek().location, fmt::format("unexpected {} {}", describe(peek()), context),
              fmt::format("expected {}", wanted));
}

bool Parser::too_deep(std::uint32_t depth, const Location& at) {
  if (depth <= kTreeDepthMax) return false;
  fail(at, fmt::format("expression chains more than {} operators", kTreeDepthMax));
  return true;
}

Location Parser::until_here(const Location& begin) const {
  Location location = begin;
  if (at_ > 0) location.end = std::max(location.end, tokens_[at_ - 1].location.end);
  return location;
}

ExprBox Parser::parse_all() {
  if (peek_is(TokenKind::End)) {
    return fail(peek().location, "expression is empty", "write at least a metric name");
  }
  ExprBox expr = expression(1);
  if (!expr) return nullptr;
  if (!peek_is(TokenKind::End)) return unexpected("after the expression", "an operator or the end");
  return expr;
}

ExprBox Parser::expression(int precedence_min) {
  const Nested nested(*this);
  if (nested.too_deep()) return nullptr;
  const Location begin = peek().location;
  ExprBox left = unary_or_primary();
  while (left) {
    const auto info = operator_of(peek());
    if (!info || info->precedence < precedence_min) return left;
    take();
    Binary node;
    node.op = info->op;
    if (!matching(node)) return nullptr;
    const bool right_associative = info->op == BinaryOp::Power;
    node.right = expression(right_associative ? info->precedence : info->precedence + 1);
    if (!node.right) return nullptr;
    const std::uint32_t depth = std::max(left->depth, node.right->depth) + 1;
    node.left = std::move(left);
    left = make(begin, std::move(node), depth);
  }
  return nullptr;
}

ExprBox Parser::unary_or_primary() {
  if (!peek_is(TokenKind::Plus) && !peek_is(TokenKind::Minus)) {
    ExprBox expr = primary();
    return expr ? postfix(std::move(expr)) : nullptr;
  }
  const Location begin = peek().location;
  Unary node;
  node.negative = take().kind == TokenKind::Minus;
  node.expr = expression(kUnaryPrecedence);
  if (!node.expr) return nullptr;
  const std::uint32_t depth = node.expr->depth + 1;
  return make(begin, std::move(node), depth);
}

ExprBox Parser::primary() {
  const Location begin = peek().location;
  switch (peek().kind) {
    case TokenKind::Number:
    case TokenKind::Duration:
      return make(begin, NumberLiteral{take().number}, 1);
    case TokenKind::String:
      return make(begin, StringLiteral{take().string}, 1);
    case TokenKind::LeftParen:
      return paren();
    case TokenKind::LeftBrace:
      return selector(nullptr);
    case TokenKind::Identifier:
      return named();
    default:
      return unexpected("in the expression", "a metric, a number, a string or '('");
  }
}

ExprBox Parser::paren() {
  const Location begin = take().location;
  Paren node;
  node.expr = expression(1);
  if (!node.expr || !expect(TokenKind::RightParen, "')'", "in parentheses")) return nullptr;
  const std::uint32_t depth = node.expr->depth + 1;
  return make(begin, std::move(node), depth);
}

ExprBox Parser::named() {
  const Token& name = take();
  const bool called = peek_is(TokenKind::LeftParen);
  if (const auto op = aggregate_of(name.text)) {
    if (called || peek_word("by") || peek_word("without")) return aggregation(name, *op);
  }
  if (called) return call(name);
  const std::string word = base::to_lower(name.text);
  if (word == "inf" || word == "nan") {
    return make(name.location, NumberLiteral{*base::parse_double(word)}, 1);
  }
  for (const std::string_view reserved : {"on", "ignoring", "group_left", "group_right", "bool"}) {
    if (word != reserved) continue;
    return fail(name.location, fmt::format("unexpected '{}'", name.text),
                reserved == "bool" ? "'bool' follows a comparison operator"
                                   : "matching modifiers follow a binary operator, 'on' or "
                                     "'ignoring' first");
  }
  return selector(&name);
}

ExprBox Parser::call(const Token& name) {
  Call node;
  node.function = find_function(name.text);
  if (node.function == nullptr) {
    if (name.text == "holt_winters") {
      return fail(name.location, "unknown function 'holt_winters'",
                  "since Prometheus 3 it is called 'double_exponential_smoothing'");
    }
    const auto close = base::closest(name.text, function_names());
    return fail(name.location, fmt::format("unknown function '{}'", name.text),
                close ? fmt::format("did you mean '{}'?", *close) : "");
  }
  if (node.function->experimental && !options_.experimental_functions) {
    return fail(name.location, fmt::format("function '{}' is experimental", name.text),
                "experimental functions are not enabled here");
  }
  if (!arguments(node.args)) return nullptr;
  std::uint32_t depth = 0;
  for (const ExprBox& arg : node.args) depth = std::max(depth, arg->depth);
  return make(name.location, std::move(node), depth + 1);
}

bool Parser::arguments(std::vector<ExprBox>& args) {
  if (!expect(TokenKind::LeftParen, "'('", "before the arguments")) return false;
  if (accept(TokenKind::RightParen)) return true;
  while (true) {
    ExprBox arg = expression(1);
    if (!arg) return false;
    args.push_back(std::move(arg));
    if (accept(TokenKind::RightParen)) return true;
    if (!expect(TokenKind::Comma, "',' or ')'", "in the arguments")) return false;
  }
}

ExprBox Parser::aggregation(const Token& name, AggregateOp op) {
  Aggregation node;
  node.op = op;
  const bool experimental = op == AggregateOp::LimitK || op == AggregateOp::LimitRatio;
  if (experimental && !options_.experimental_functions) {
    return fail(name.location, fmt::format("aggregation '{}' is experimental", name.text),
                "experimental functions are not enabled here");
  }
  const bool before = peek_word("by") || peek_word("without");
  if (before) {
    node.without = base::to_lower(take().text) == "without";
    if (!label_list(node.grouping)) return nullptr;
  }
  if (!aggregation_body(node)) return nullptr;
  if (!before && (peek_word("by") || peek_word("without"))) {
    node.without = base::to_lower(take().text) == "without";
    if (!label_list(node.grouping)) return nullptr;
  }
  std::uint32_t depth = node.expr->depth;
  if (node.parameter) depth = std::max(depth, node.parameter->depth);
  return make(name.location, std::move(node), depth + 1);
}

bool Parser::aggregation_body(Aggregation& node) {
  const Location begin = peek().location;
  std::vector<ExprBox> args;
  if (!arguments(args)) return false;
  const std::size_t wanted = has_parameter(node.op) ? 2 : 1;
  if (args.size() != wanted) {
    fail(until_here(begin), fmt::format("wrong number of arguments for aggregation '{}': expected "
                                        "{}, got {}",
                                        to_string(node.op), wanted, args.size()));
    return false;
  }
  node.expr = std::move(args.back());
  if (wanted == 2) node.parameter = std::move(args.front());
  return true;
}

// Label names may be any word or a quoted text; a trailing comma is allowed.
bool Parser::label_list(std::vector<std::string>& labels) {
  if (!expect(TokenKind::LeftParen, "'('", "before the labels")) return false;
  while (!accept(TokenKind::RightParen)) {
    const Token& token = peek();
    if (token.kind == TokenKind::String) {
      if (token.string.empty() || !base::is_utf8(token.string)) {
        fail(token.location, "label name must be a non-empty UTF-8 text");
        return false;
      }
      labels.push_back(take().string);
    } else if (token.kind == TokenKind::Identifier && model::is_legacy_label_name(token.text)) {
      labels.emplace_back(take().text);
    } else {
      unexpected("in the list of labels", "a label name");
      return false;
    }
    if (accept(TokenKind::RightParen)) return true;
    if (!expect(TokenKind::Comma, "',' or ')'", "in the list of labels")) return false;
  }
  return true;
}

bool Parser::matching(Binary& node) {
  if (peek_word("bool")) {
    if (!is_comparison(node.op)) {
      fail(peek().location, "'bool' is only allowed after a comparison operator");
      return false;
    }
    take();
    node.return_bool = true;
  }
  Matching& match = node.matching;
  if (peek_word("on") || peek_word("ignoring")) {
    match.given = true;
    match.on = base::to_lower(take().text) == "on";
    if (!label_list(match.labels)) return false;
    if (peek_word("group_left") || peek_word("group_right")) {
      const Token& word = take();
      if (is_set_operator(node.op)) {
        fail(word.location, fmt::format("no grouping allowed for '{}'", to_string(node.op)));
        return false;
      }
      match.group = base::to_lower(word.text) == "group_left" ? Group::Left : Group::Right;
      if (peek_is(TokenKind::LeftParen) && !label_list(match.include)) return false;
      for (const std::string& label : match.include) {
        if (!match.on || std::ranges::count(match.labels, label) == 0) continue;
        fail(word.location, fmt::format("label '{}' is both in 'on' and in the group", label));
        return false;
      }
    }
  }
  return fill(match);
}

bool Parser::fill(Matching& match) {
  while (peek_is(TokenKind::LeftParen, 1) &&
         (peek_word("fill") || peek_word("fill_left") || peek_word("fill_right"))) {
    const Token& token = take();
    const std::string word = base::to_lower(token.text);
    take();
    double sign = 1;
    if (accept(TokenKind::Minus)) {
      sign = -1;
    } else {
      accept(TokenKind::Plus);
    }
    double value = 0;
    if (peek_is(TokenKind::Number) || peek_is(TokenKind::Duration)) {
      value = take().number;
    } else if (peek_word("inf") || peek_word("nan")) {
      value = *base::parse_double(base::to_lower(take().text));
    } else {
      unexpected("in the fill modifier", "a number");
      return false;
    }
    if (!expect(TokenKind::RightParen, "')'", "in the fill modifier")) return false;
    const bool left = word != "fill_right";
    const bool right = word != "fill_left";
    if ((left && match.fill_left) || (right && match.fill_right)) {
      fail(token.location, fmt::format("'{}' is given more than once", word));
      return false;
    }
    if (left) match.fill_left = sign * value;
    if (right) match.fill_right = sign * value;
  }
  return true;
}

Parsed parse(std::string_view text, const ParseOptions& options) {
  Parsed result;
  if (text.size() > kTextBytesMax) {
    result.errors.push_back(
        {0, text.size(),
         fmt::format("expression is {} bytes, limit {}", text.size(), kTextBytesMax), ""});
    return result;
  }
  if (!base::is_utf8(text)) {
    const std::size_t bad = first_invalid_utf8(text);
    result.errors.push_back({bad, bad + 1, "expression is not valid UTF-8", ""});
    return result;
  }
  Tokens tokens = tokenize(text);
  if (tokens.error) {
    result.errors.push_back(std::move(*tokens.error));
    return result;
  }
  Parser parser(std::move(tokens.tokens), options);
  ExprBox expr = parser.parse_all();
  result.errors = parser.take_errors();
  if (!expr) return result;
  check_types(*expr, result.errors);
  if (result.errors.empty()) result.expr = std::move(expr);
  return result;
}

base::Result<model::Labels> parse_series(std::string_view text, std::size_t& length) {
  // Only the identity is PromQL: values may follow that are not, so cut at the closing brace.
  std::size_t end = text.find_first_of(" \t{");
  if (end == std::string_view::npos) end = text.size();
  if (end < text.size() && text[end] == '{') {
    char open = '\0';
    for (++end; end < text.size() && (open != '\0' || text[end] != '}'); ++end) {
      const char c = text[end];
      if (open == '\0' && (c == '"' || c == '\'' || c == '`')) {
        open = c;
      } else if (c == open) {
        open = '\0';
      } else if (c == '\\' && open != '\0' && open != '`') {
        ++end;
      }
    }
    end = std::min(end + 1, text.size());
  }
  Tokens tokens = tokenize(text.substr(0, end));
  const auto bad = [](const ParseError& error) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("bad series: {}", error.message));
  };
  if (tokens.error) return bad(*tokens.error);
  Parser parser(std::move(tokens.tokens), {});
  std::vector<model::LabelView> labels;
  std::vector<std::string> storage;
  if (!parser.parse_series_labels(labels, storage, length)) return bad(parser.take_errors().at(0));
  model::LabelsBuilder builder;
  for (const model::LabelView& label : labels) builder.set(label.name, label.value);
  return builder.build();
}

}  // namespace tocsin::promql
