// print(): the canonical text of an expression; parse() gives the same tree back.
#include <fmt/core.h>

#include <cmath>

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

class Printer {
 public:
  std::string take() { return std::move(out_); }

  void print(const Expr& expr) {
    std::visit([&](const auto& node) { visit(node); }, expr.node);
  }

 private:
  void visit(const NumberLiteral& node) { out_ += number(node.value); }
  void visit(const StringLiteral& node) { out_ += quote(node.value); }

  void visit(const VectorSelector& node) {
    matchers(node);
    shift(node.shift);
    mode(node.mode);
  }

  void visit(const MatrixSelector& node) {
    matchers(node.selector);
    out_ += "[" + duration(*node.range, true) + "]";
    shift(node.selector.shift);
    mode(node.selector.mode);
  }

  void visit(const Subquery& node) {
    print(*node.expr);
    out_ += "[" + duration(*node.range, true) + ":";
    if (node.step) out_ += duration(*node.step, true);
    out_ += "]";
    shift(node.shift);
  }

  void visit(const Unary& node) {
    out_ += node.negative ? "-" : "+";
    print(*node.expr);
  }

  void visit(const Paren& node) {
    out_ += "(";
    print(*node.expr);
    out_ += ")";
  }

  void visit(const Binary& node) {
    print(*node.left);
    out_ += fmt::format(" {} ", to_string(node.op));
    if (node.return_bool) out_ += "bool ";
    const Matching& match = node.matching;
    if (match.given) out_ += (match.on ? "on " : "ignoring ") + label_list(match.labels) + " ";
    if (match.group != Group::None) {
      out_ += (match.group == Group::Left ? "group_left " : "group_right ") +
              label_list(match.include) + " ";
    }
    if (match.fill_left) out_ += fmt::format("fill_left({}) ", number(*match.fill_left));
    if (match.fill_right) out_ += fmt::format("fill_right({}) ", number(*match.fill_right));
    print(*node.right);
  }

  void visit(const Aggregation& node) {
    out_ += to_string(node.op);
    if (node.without || !node.grouping.empty()) {
      out_ += (node.without ? " without " : " by ") + label_list(node.grouping) + " ";
    }
    out_ += "(";
    if (node.parameter) {
      print(*node.parameter);
      out_ += ", ";
    }
    print(*node.expr);
    out_ += ")";
  }

  void visit(const Call& node) {
    out_ += node.function->name;
    out_ += "(";
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      if (i > 0) out_ += ", ";
      print(*node.args[i]);
    }
    out_ += ")";
  }

  void matchers(const VectorSelector& node) {
    out_ += node.name;
    const std::size_t count = node.matchers.size() - (node.name.empty() ? 0 : 1);
    if (count == 0 && !node.name.empty()) return;
    out_ += "{";
    bool quoted = node.quoted;
    for (std::size_t i = 0; i < count; ++i) {
      const model::Matcher& matcher = node.matchers[i];
      if (i > 0) out_ += ", ";
      if (quoted && matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal) {
        quoted = false;
        out_ += quote(matcher.value());
        continue;
      }
      out_ += label_name(matcher.name());
      out_ += model::to_string(matcher.op());
      out_ += quote(matcher.value());
    }
    out_ += "}";
  }

  void shift(const TimeShift& node) {
    if (node.at == At::Start) out_ += " @ start()";
    if (node.at == At::End) out_ += " @ end()";
    if (node.at == At::Timestamp) {
      out_ += fmt::format(" @ {:.3f}", static_cast<double>(node.at_ms) / 1000.0);
    }
    if (node.offset) out_ += " offset " + duration(*node.offset, true);
  }

  void mode(SelectorMode mode) {
    if (mode == SelectorMode::Anchored) out_ += " anchored";
    if (mode == SelectorMode::Smoothed) out_ += " smoothed";
  }

  std::string out_;
};

}  // namespace

std::string print(const Expr& expr) {
  Printer printer;
  printer.print(expr);
  return printer.take();
}

}  // namespace tocsin::promql
