// The parser's class; private to parser.cc and parser_selector.cc.
//
// Precedence climbing over a vector of tokens. Every function returns null after it recorded the
// first syntax error; nothing is thrown. Depth is counted on the way down (nesting) and on the way
// up (tree), so no text can exhaust the stack.
#pragma once

#include <string>
#include <vector>

#include "alertd/promql/lexer.h"
#include "alertd/promql/parser.h"

namespace tocsin::promql {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const ParseOptions& options)
      : tokens_(std::move(tokens)), options_(options) {}

  /// Parses one expression that fills the whole text.
  ExprBox parse_all();
  /// Parses `name{...}`; the number of bytes read goes to `length`.
  bool parse_series_labels(std::vector<model::LabelView>& labels, std::vector<std::string>& storage,
                           std::size_t& length);

  std::vector<ParseError> take_errors() { return std::move(errors_); }

 private:
  struct Nested;

  // parser.cc
  ExprBox expression(int precedence_min);
  ExprBox unary_or_primary();
  ExprBox primary();
  ExprBox paren();
  ExprBox named();
  ExprBox call(const Token& name);
  ExprBox aggregation(const Token& name, AggregateOp op);
  bool aggregation_body(Aggregation& node);
  bool matching(Binary& node);
  bool fill(Matching& matching);
  bool label_list(std::vector<std::string>& labels);
  bool arguments(std::vector<ExprBox>& args);

  // parser_selector.cc
  ExprBox selector(const Token* name);
  bool matchers(VectorSelector& node);
  bool matcher(VectorSelector& node);
  bool quoted_name(VectorSelector& node, const Token& token);
  ExprBox postfix(ExprBox expr);
  ExprBox brackets(ExprBox expr);
  ExprBox subquery(ExprBox expr, DurationBox range);
  bool offset(Expr& expr);
  bool at_modifier(Expr& expr);
  bool selector_mode(Expr& expr, SelectorMode mode);
  TimeShift* shift_of(Expr& expr, std::string_view word, const Location& at);
  DurationBox duration(int precedence_min);
  DurationBox duration_operand();
  DurationBox duration_call();
  DurationBox offset_operand();
  DurationBox constant_duration(const Token& token);
  bool check_duration(const DurationExpr& expr, bool positive);

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool peek_is(TokenKind kind, std::size_t ahead = 0) const { return peek(ahead).kind == kind; }
  bool peek_word(std::string_view word, std::size_t ahead = 0) const;
  bool accept(TokenKind kind);
  bool accept_word(std::string_view word);
  bool expect(TokenKind kind, std::string_view what, std::string_view context);
  /// Records the first syntax error and returns null, so that `return fail(...)` works for any box.
  std::nullptr_t fail(const Location& at, std::string message, std::string hint = "");
  std::nullptr_t unexpected(std::string_view context, std::string_view wanted);
  template <class Node>
  ExprBox make(const Location& begin, Node node, std::uint32_t depth);
  bool too_deep(std::uint32_t depth, const Location& at);
  Location until_here(const Location& begin) const;

  std::vector<Token> tokens_;
  ParseOptions options_;
  std::size_t at_ = 0;
  std::uint32_t nesting_ = 0;
  std::vector<ParseError> errors_;
};

/// Counts one level of nesting for as long as it lives.
struct Parser::Nested {
  explicit Nested(Parser& owner) : parser(owner) { ++parser.nesting_; }
  ~Nested() { --parser.nesting_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  bool too_deep() const {
    if (parser.nesting_ <= kNestingMax) return false;
    parser.fail(parser.peek().location, "expression is nested more than 128 deep");
    return true;
  }
  Parser& parser;
};

template <class Node>
ExprBox Parser::make(const Location& begin, Node node, std::uint32_t depth) {
  if (too_deep(depth, begin)) return nullptr;
  auto expr = std::make_unique<Expr>();
  expr->location = until_here(begin);
  expr->depth = depth;
  expr->node = std::move(node);
  return expr;
}

}  // namespace tocsin::promql
