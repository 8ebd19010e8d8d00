// Recursive descent over the tokens. Recursion is bounded by kDepthMax.

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "common/base/diagnostic.h"
#include "common/base/strings.h"
#include "common/gotemplate/format.h"
#include "common/gotemplate/lexer.h"
#include "common/gotemplate/tree.h"

namespace tocsin::gotemplate {
namespace {

constexpr int kDepthMax = 100;

enum class Stop { Eof, End, Else };

std::string strip_underscores(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

// Go's integer forms: decimal, 0x, 0o, 0b and the old octal 0755.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int radix = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    radix = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens, const Functions& functions,
         Template::Tree& tree)
      : text_(text), tokens_(std::move(tokens)), functions_(functions), tree_(tree) {}

  base::Result<void> run() {
    TC_TRY(const Stop stop, items(tree_.main));
    if (stop == Stop::End) return fail_at(previous_, "unexpected {{end}}");
    if (stop == Stop::Else) return fail_at(previous_, "unexpected {{else}}");
    return base::ok();
  }

 private:
  base::Error fail_at(const Token& token, std::string_view message) const {
    return error_at(text_, token.offset, message);
  }
  base::Error unexpected(const Token& token, std::string_view where) const {
    if (token.kind == TokenKind::End) {
      return fail_at(token, fmt::format("unexpected end of the template in {}", where));
    }
    return fail_at(token, fmt::format("unexpected {} in {}", quote(token.text), where));
  }

  const Token& peek() const { return tokens_[at_]; }
  const Token& next() {
    previous_ = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return previous_;
  }
  void skip_space() {
    while (peek().kind == TokenKind::Space) next();
  }
  base::Result<void> expect(TokenKind kind, std::string_view where) {
    skip_space();
    if (peek().kind != kind) return unexpected(peek(), where);
    next();
    return base::ok();
  }

  // Positions are asked for nearly in order: count on from the last one.
  base::Position position(std::size_t offset) {
    if (offset < last_offset_) {
      last_offset_ = 0;
      last_position_ = {};
    }
    const base::Position step =
        base::position_of(text_.substr(last_offset_), offset - last_offset_);
    if (step.line > 1) last_position_.column = 1;
    last_position_.line += step.line - 1;
    last_position_.column += step.column - 1;
    last_offset_ = offset;
    return last_position_;
  }

  Node make(NodeKind kind, const Token& token) {
    const base::Position at = position(token.offset);
    Node node;
    node.kind = kind;
    node.line = static_cast<std::uint32_t>(at.line);
    node.column = static_cast<std::uint32_t>(at.column);
    return node;
  }

  base::Result<Stop> items(std::vector<Node>& into) {
    if (++depth_ > kDepthMax) return fail_at(peek(), "template is nested too deeply");
    for (;;) {
      const Token token = next();
      if (token.kind == TokenKind::End) {
        --depth_;
        return Stop::Eof;
      }
      if (token.kind == TokenKind::Text) {
        Node node = make(NodeKind::Text, token);
        node.text = token.text;
        into.push_back(std::move(node));
        continue;
      }
      skip_space();
      const Token word = peek();
      if (word.kind == TokenKind::Word && (word.text == "end" || word.text == "else")) {
        next();
        --depth_;
        if (word.text == "else") return Stop::Else;
        TC_TRY(expect(TokenKind::RightDelim, "end"));
        return Stop::End;
      }
      TC_TRY(statement(word, into));
    }
  }

  base::Result<void> statement(const Token& word, std::vector<Node>& into) {
    if (word.kind == TokenKind::Word) {
      static constexpr std::pair<std::string_view, NodeKind> kControls[] = {
          {"if", NodeKind::If}, {"range", NodeKind::Range}, {"with", NodeKind::With}};
      for (const auto& [name, kind] : kControls) {
        if (word.text != name) continue;
        next();
        TC_TRY(Node node, control(kind, word));
        into.push_back(std::move(node));
        return base::ok();
      }
      if (word.text == "break" || word.text == "continue") {
        if (range_depth_ == 0) {
          return fail_at(word, fmt::format("{{{{{}}}}} outside {{{{range}}}}", word.text));
        }
        next();
        into.push_back(make(word.text == "break" ? NodeKind::Break : NodeKind::Continue, word));
        return expect(TokenKind::RightDelim, word.text);
      }
      if (word.text == "template") return include(word, into);
      if (word.text == "block") return block(word, into);
      if (word.text == "define") return define(word);
    }
    Node node = make(NodeKind::Action, word);
    TC_TRY(Node pipe, pipeline("command", TokenKind::RightDelim));
    node.children.push_back(std::move(pipe));
    into.push_back(std::move(node));
    return base::ok();
  }

  base::Result<Node> control(NodeKind kind, const Token& word) {
    Node node = make(kind, word);
    in_range_head_ = kind == NodeKind::Range;
    TC_TRY(Node pipe, pipeline(word.text, TokenKind::RightDelim));
    node.children.push_back(std::move(pipe));
    if (kind == NodeKind::Range) ++range_depth_;
    TC_TRY(Stop stop, items(node.body));
    if (kind == NodeKind::Range) --range_depth_;
    if (stop == Stop::Else) {
      node.has_otherwise = true;
      skip_space();
      const Token after = peek();
      const bool chained =
          after.kind == TokenKind::Word && ((kind == NodeKind::If && after.text == "if") ||
                                            (kind == NodeKind::With && after.text == "with"));
      if (chained) {
        // {{else if}} is an if inside the else; one {{end}} closes both.
        if (++depth_ > kDepthMax) return fail_at(after, "template is nested too deeply");
        next();
        TC_TRY(Node inner, control(kind, after));
        --depth_;
        node.otherwise.push_back(std::move(inner));
        return node;
      }
      TC_TRY(expect(TokenKind::RightDelim, "else"));
      TC_TRY(stop, items(node.otherwise));
      if (stop == Stop::Else) return fail_at(previous_, "second {{else}}");
    }
    if (stop == Stop::Eof)
      return fail_at(word, fmt::format("{{{{{}}}}} has no {{{{end}}}}", word.text));
    return node;
  }

  base::Result<std::string> name_after(std::string_view where) {
    skip_space();
    const Token token = next();
    if (token.kind != TokenKind::String && token.kind != TokenKind::RawString) {
      return unexpected(token, where);
    }
    auto name = unquote(token.text);
    if (!name) return fail_at(token, name.error().message);
    return name;
  }

  base::Result<void> include(const Token& word, std::vector<Node>& into) {
    next();
    Node node = make(NodeKind::Include, word);
    TC_TRY(node.text, name_after("template clause"));
    skip_space();
    if (peek().kind == TokenKind::RightDelim) {
      next();
    } else {
      TC_TRY(Node pipe, pipeline("template clause", TokenKind::RightDelim));
      node.children.push_back(std::move(pipe));
    }
    into.push_back(std::move(node));
    return base::ok();
  }

  // Parses a body up to its {{end}} and stores it under the name.
  base::Result<void> definition_body(const std::string& name, const Token& word) {
    std::vector<Node> body;
    const int outer = std::exchange(range_depth_, 0);
    TC_TRY(const Stop stop, items(body));
    range_depth_ = outer;
    if (stop == Stop::Eof)
      return fail_at(word, fmt::format("{{{{{}}}}} has no {{{{end}}}}", word.text));
    if (stop == Stop::Else) return fail_at(previous_, "unexpected {{else}}");
    tree_.definitions[name] = std::move(body);
    return base::ok();
  }

  base::Result<void> define(const Token& word) {
    if (depth_ > 1) return fail_at(word, "{{define}} is allowed at the top level only");
    next();
    TC_TRY(const std::string name, name_after("define clause"));
    TC_TRY(expect(TokenKind::RightDelim, "define clause"));
    return definition_body(name, word);
  }

  base::Result<void> block(const Token& word, std::vector<Node>& into) {
    next();
    Node node = make(NodeKind::Include, word);
    TC_TRY(node.text, name_after("block clause"));
    TC_TRY(Node pipe, pipeline("block clause", TokenKind::RightDelim));
    node.children.push_back(std::move(pipe));
    TC_TRY(definition_body(node.text, word));
    into.push_back(std::move(node));
    return base::ok();
  }

  // $v :=, $v =, and in a range $i, $e :=.
  base::Result<void> declaration(Node& pipe, bool range) {
    const std::size_t start = at_;
    std::vector<std::string> names;
    while (peek().kind == TokenKind::Variable) {
      names.emplace_back(next().text);
      skip_space();
      if (peek().kind == TokenKind::Comma && range && names.size() == 1) {
        next();
        skip_space();
        if (peek().kind != TokenKind::Variable) return unexpected(peek(), "range");
        continue;
      }
      if (peek().kind == TokenKind::Declare || peek().kind == TokenKind::Assign) {
        pipe.declares = next().kind == TokenKind::Declare;
        pipe.names = std::move(names);
        return base::ok();
      }
      break;
    }
    if (names.size() > 1) return unexpected(peek(), "range");
    at_ = start;
    return base::ok();
  }

  base::Result<Node> pipeline(std::string_view where, TokenKind close) {
    if (++depth_ > kDepthMax) return fail_at(peek(), "template is nested too deeply");
    const bool range = std::exchange(in_range_head_, false);
    skip_space();
    Node pipe = make(NodeKind::Pipe, peek());
    TC_TRY(declaration(pipe, range));
    for (;;) {
      skip_space();
      const Token token = peek();
      if (token.kind == close) {
        if (pipe.children.empty())
          return fail_at(token, fmt::format("missing value for {}", where));
        next();
        --depth_;
        return pipe;
      }
      TC_TRY(Node one, command(where));
      if (!pipe.children.empty() && !is_callable(one.children.front().kind)) {
        return fail_at(token, fmt::format("non executable command in pipeline stage {}",
                                          pipe.children.size() + 1));
      }
      pipe.children.push_back(std::move(one));
      skip_space();
      if (peek().kind == TokenKind::Pipe) {
        next();
        skip_space();
        if (peek().kind == close)
          return fail_at(peek(), fmt::format("missing value for {}", where));
      } else if (peek().kind != close) {
        return unexpected(peek(), where);
      }
    }
  }

  static bool is_callable(NodeKind kind) {
    return kind == NodeKind::Call || kind == NodeKind::Field || kind == NodeKind::Variable ||
           kind == NodeKind::Chain || kind == NodeKind::Pipe;
  }

  base::Result<Node> command(std::string_view where) {
    Node node = make(NodeKind::Command, peek());
    for (;;) {
      TC_TRY(Node one, operand(where));
      node.children.push_back(std::move(one));
      if (peek().kind != TokenKind::Space) return node;
      skip_space();
      const TokenKind kind = peek().kind;
      if (kind == TokenKind::Pipe || kind == TokenKind::RightDelim ||
          kind == TokenKind::RightParen || kind == TokenKind::End) {
        return node;
      }
    }
  }

  base::Result<Node> operand(std::string_view where) {
    TC_TRY(Node node, term(where));
    if (peek().kind != TokenKind::Field) return node;
    if (node.kind == NodeKind::Constant || node.kind == NodeKind::Nil ||
        node.kind == NodeKind::Dot) {
      return fail_at(peek(), "unexpected . after a constant");
    }
    if (node.kind != NodeKind::Field && node.kind != NodeKind::Variable) {
      Node chain = make(NodeKind::Chain, peek());
      chain.children.push_back(std::move(node));
      node = std::move(chain);
    }
    while (peek().kind == TokenKind::Field) node.names.emplace_back(next().text);
    return node;
  }

  base::Result<Node> term(std::string_view where) {
    const Token token = next();
    switch (token.kind) {
      case TokenKind::Dot:
        return make(NodeKind::Dot, token);
      case TokenKind::Field: {
        Node node = make(NodeKind::Field, token);
        node.names.emplace_back(token.text);
        return node;
      }
      case TokenKind::Variable: {
        Node node = make(NodeKind::Variable, token);
        node.text = token.text;
        return node;
      }
      case TokenKind::LeftParen:
        return pipeline("parenthesized pipeline", TokenKind::RightParen);
      case TokenKind::Word:
        return word(token);
      case TokenKind::Number:
        return number(token);
      case TokenKind::Character:
      case TokenKind::String:
      case TokenKind::RawString:
        return text_constant(token);
      default:
        return unexpected(token, where);
    }
  }

  base::Result<Node> word(const Token& token) {
    if (token.text == "true" || token.text == "false") {
      Node node = make(NodeKind::Constant, token);
      node.constant = Value(token.text == "true");
      return node;
    }
    if (token.text == "nil") return make(NodeKind::Nil, token);
    if (!is_builtin(token.text) && functions_.count(std::string(token.text)) == 0) {
      std::vector<std::string> names;
      for (const auto& [name, function] : functions_) names.push_back(name);
      const auto close = base::closest(token.text, names);
      return fail_at(token,
                     fmt::format("function {} not defined{}", quote(token.text),
                                 close ? fmt::format("; did you mean {}?", quote(*close)) : ""));
    }
    Node node = make(NodeKind::Call, token);
    node.text = token.text;
    return node;
  }

  base::Result<Node> number(const Token& token) {
    Node node = make(NodeKind::Constant, token);
    const std::string digits = strip_underscores(token.text);
    if (const auto integer = parse_integer(digits)) {
      node.constant = Value(*integer);
    } else if (const auto value = base::parse_double(digits);
               value && digits.find_first_of("nN") == std::string::npos) {
      node.constant = Value(*value);
    } else {
      return fail_at(token, fmt::format("bad number syntax: {}", quote(token.text)));
    }
    return node;
  }

  base::Result<Node> text_constant(const Token& token) {
    auto text = unquote(token.text);
    if (!text) return fail_at(token, text.error().message);
    Node node = make(NodeKind::Constant, token);
    if (token.kind != TokenKind::Character) {
      node.constant = Value(std::move(*text));
      return node;
    }
    std::uint32_t point = 0;
    if (text->empty() || decode_utf8(*text, point) != text->size()) {
      return fail_at(token, fmt::format("malformed character constant: {}", token.text));
    }
    node.constant = Value(static_cast<std::int64_t>(point));
    return node;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  const Functions& functions_;
  Template::Tree& tree_;
  std::size_t at_ = 0;
  std::size_t last_offset_ = 0;
  base::Position last_position_;
  Token previous_{TokenKind::End, 0, {}};
  int depth_ = 0;
  int range_depth_ = 0;
  bool in_range_head_ = false;
};

}  // namespace

base::Result<void> parse_into(std::string_view text, const Functions& functions,
                              Template::Tree& tree) {
  TC_TRY(std::vector<Token> tokens, lex(text));
  return Parser(text, std::move(tokens), functions, tree).run();
}

}  // namespace tocsin::gotemplate
