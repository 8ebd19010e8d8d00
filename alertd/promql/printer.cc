// print(): the canonical text of an expression; parse() gives the same tree back.
#include <fmt/core.h>

#include <cmath>
#include <iterator>

#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "alertd/promql/lexer.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return base::format_double(value);
}

std::string label_name(const std::string& name) {
  return model::is_legacy_label_name(name) ? name : quote(name);
}

std::string label_list(const std::vector<std::string>& labels) {
  std::string out = "(";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i > 0) out += ", ";
    out += label_name(labels[i]);
  }
  return out + ")";
}

std::string seconds(double value) {
  const double ms = value * 1000;
  if (std::fabs(ms) < 9e15 && ms == std::floor(ms)) {
    const auto whole = static_cast<std::int64_t>(ms);
    return (whole < 0 ? "-" : "") + base::format_duration(base::Duration{std::abs(whole)});
  }
  return number(value);
}

std::string duration(const DurationExpr& expr, bool outermost) {
  using Kind = DurationExpr::Kind;
  const auto infix = [&](const char* sign) {
    return fmt::format("({} {} {})", duration(*expr.left, false), sign,
                       duration(*expr.right, false));
  };
  switch (expr.kind) {
    case Kind::Constant:
      return outermost || expr.seconds >= 0 ? seconds(expr.seconds)
                                            : fmt::format("({})", seconds(expr.seconds));
    case Kind::Step:
      return "step()";
    case Kind::Range:
      return "range()";
    case Kind::Negate:
      return fmt::format("-{}", duration(*expr.left, false));
    case Kind::Add:
      return infix("+");
    case Kind::Subtract:
      return infix("-");
    case Kind::Multiply:
      return infix("*");
    case Kind::Divide:
      return infix("/");
    case Kind::Modulo:
      return infix("%");
    case Kind::Power:
      return infix("^");
    case Kind::MinOf:
      return fmt::format("min_of({}, {})", duration(*expr.left, true), duration(*expr.right, true));
    case Kind::MaxOf:
      return fmt::format("max_of({}, {})", duration(*expr.left, true), duration(*expr.right, true));
  }
  return "";
}

// Prints with a list of its own instead of the stack: the depth of a tree is no matter.
class Printer {
 public:
  std::string print(const Expr& root) {
    waiting_.emplace_back(&root);
    while (!waiting_.empty()) {
      const Piece piece = std::move(waiting_.back());
      waiting_.pop_back();
      if (const auto* text = std::get_if<std::string>(&piece)) {
        out_ += *text;
        continue;
      }
      next_.clear();
      std::visit([&](const auto& node) { visit(node); }, std::get<const Expr*>(piece)->node);
      waiting_.insert(waiting_.end(), std::make_move_iterator(next_.rbegin()),
                      std::make_move_iterator(next_.rend()));
    }
    return std::move(out_);
  }

 private:
  using Piece = std::variant<std::string, const Expr*>;

  void add(std::string text) { next_.emplace_back(std::move(text)); }
  void add(const ExprBox& expr) { next_.emplace_back(expr.get()); }

  void visit(const NumberLiteral& node) { add(number(node.value)); }
  void visit(const StringLiteral& node) { add(quote(node.value)); }

  void visit(const VectorSelector& node) {
    add(matchers(node) + shift(node.shift) + mode(node.mode));
  }

  void visit(const MatrixSelector& node) {
    add(matchers(node.selector) + "[" + duration(*node.range, true) + "]" +
        shift(node.selector.shift) + mode(node.selector.mode));
  }

  void visit(const Subquery& node) {
    add(node.expr);
    add("[" + duration(*node.range, true) + ":" + (node.step ? duration(*node.step, true) : "") +
        "]" + shift(node.shift));
  }

  void visit(const Unary& node) {
    add(node.negative ? "-" : "+");
    add(node.expr);
  }

  void visit(const Paren& node) {
    add("(");
    add(node.expr);
    add(")");
  }

  void visit(const Binary& node) {
    add(node.left);
    std::string text = fmt::format(" {} ", to_string(node.op));
    if (node.return_bool) text += "bool ";
    const Matching& match = node.matching;
    if (match.given) text += (match.on ? "on " : "ignoring ") + label_list(match.labels) + " ";
    if (match.group != Group::None) {
      text += (match.group == Group::Left ? "group_left " : "group_right ") +
              label_list(match.include) + " ";
    }
    if (match.fill_left) text += fmt::format("fill_left({}) ", number(*match.fill_left));
    if (match.fill_right) text += fmt::format("fill_right({}) ", number(*match.fill_right));
    add(std::move(text));
    add(node.right);
  }

  void visit(const Aggregation& node) {
    std::string text(to_string(node.op));
    if (node.without || !node.grouping.empty()) {
      text += (node.without ? " without " : " by ") + label_list(node.grouping) + " ";
    }
    add(text + "(");
    if (node.parameter) {
      add(node.parameter);
      add(", ");
    }
    add(node.expr);
    add(")");
  }

  void visit(const Call& node) {
    add(std::string(node.function->name) + "(");
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      if (i > 0) add(", ");
      add(node.args[i]);
    }
    add(")");
  }

  static std::string matchers(const VectorSelector& node) {
    std::string out = node.name;
    const std::size_t count = node.matchers.size() - (node.name.empty() ? 0 : 1);
    if (count == 0 && !node.name.empty()) return out;
    out += "{";
    bool quoted = node.quoted;
    for (std::size_t i = 0; i < count; ++i) {
      const model::Matcher& matcher = node.matchers[i];
      if (i > 0) out += ", ";
      if (quoted && matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal) {
        quoted = false;
        out += quote(matcher.value());
        continue;
      }
      out += label_name(matcher.name());
      out += model::to_string(matcher.op());
      out += quote(matcher.value());
    }
    return out + "}";
  }

  static std::string shift(const TimeShift& node) {
    std::string out;
    if (node.at == At::Start) out += " @ start()";
    if (node.at == At::End) out += " @ end()";
    if (node.at == At::Timestamp) {
      out += fmt::format(" @ {:.3f}", static_cast<double>(node.at_ms) / 1000.0);
    }
    if (node.offset) out += " offset " + duration(*node.offset, true);
    return out;
  }

  static std::string mode(SelectorMode mode) {
    if (mode == SelectorMode::Anchored) return " anchored";
    return mode == SelectorMode::Smoothed ? " smoothed" : "";
  }

  std::vector<Piece> waiting_;  // the last one is next
  std::vector<Piece> next_;     // of the node being printed, in order
  std::string out_;
};

}  // namespace

std::string print(const Expr& expr) {
  return Printer().print(expr);
}

}  // namespace tocsin::promql
