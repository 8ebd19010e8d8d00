// Selectors against what exists: the commonest reason for a rule that never fires is a name.

#include <fmt/core.h>

#include <algorithm>
#include <functional>

#include "alertd/promql/functions.h"
#include "cli/lint/expr_checks.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

/// How a selector is used: decides how bad an unknown metric is.
enum class Use {
  Plain,
  Alternative,  ///< Another side of an `or` exists.
  Absent,       ///< Inside absent(): the rule may be about its absence.
  Subtracted,   ///< The right side of `unless`: the rule works without it.
};

struct Used {
  const VectorSelector* selector;
  Location where;
  Use use;
};

const std::string* name_of(const VectorSelector& selector) {
  for (const model::Matcher& matcher : selector.matchers) {
    if (matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal) {
      return &matcher.value();
    }
  }
  return nullptr;
}

class Exists {
 public:
  explicit Exists(const ExprWorld& world) : world_(world) {}

  bool operator()(const VectorSelector& selector) const {
    const std::string* name = name_of(selector);
    if (name != nullptr) return known(*name);
    std::vector<model::Matcher> on_name;
    for (const model::Matcher& matcher : selector.matchers) {
      if (matcher.name() == model::kMetricName) on_name.push_back(matcher);
    }
    if (on_name.empty() || !world_.inventory->matching(on_name).empty()) return true;
    const auto names = world_.reporter.corpus().recorded_names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& recorded) {
      return std::all_of(on_name.begin(), on_name.end(),
                         [&](const model::Matcher& m) { return m.matches(recorded); });
    });
  }

  bool all_of(const Expr& expr) const {
    const auto selectors = selectors_of(expr);
    return std::all_of(selectors.begin(), selectors.end(),
                       [&](const VectorSelector* one) { return (*this)(*one); });
  }

 private:
  bool known(const std::string& name) const {
    return world_.inventory->find(name) != nullptr || is_synthetic(name) ||
           !world_.reporter.corpus().recordings(name).empty();
  }

  const ExprWorld& world_;
};

/// Finds all selectors with their use. Recursion is bounded by the parser's depth of trees.
void collect(const Expr& expr, Use use, const std::function<bool(const Expr&)>& all_exist,
             std::vector<Used>& found) {
  if (const auto* selector = std::get_if<VectorSelector>(&expr.node)) {
    found.push_back({selector, expr.location, use});
    return;
  }
  if (const auto* matrix = std::get_if<MatrixSelector>(&expr.node)) {
    found.push_back({&matrix->selector, expr.location, use});
    return;
  }
  const auto into = [&](const Expr& child, Use how) { collect(child, how, all_exist, found); };
  if (const auto* binary = std::get_if<Binary>(&expr.node)) {
    const auto side = [&](const Expr& one, const Expr& other) {
      const bool spare = binary->op == BinaryOp::Or && all_exist(other);
      into(one, spare && use == Use::Plain ? Use::Alternative : use);
    };
    side(*binary->left, *binary->right);
    if (binary->op == BinaryOp::Unless) {
      into(*binary->right, use == Use::Plain ? Use::Subtracted : use);
    } else {
      side(*binary->right, *binary->left);
    }
    return;
  }
  if (const auto* call = std::get_if<Call>(&expr.node)) {
    const bool absent = call->function->name.starts_with("absent");
    for (const ExprBox& arg : call->args) into(*arg, absent ? Use::Absent : use);
    return;
  }
  if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
    if (aggregation->parameter) into(*aggregation->parameter, use);
    into(*aggregation->expr, use);
  } else if (const auto* subquery = std::get_if<Subquery>(&expr.node)) {
    into(*subquery->expr, use);
  } else if (const auto* unary = std::get_if<Unary>(&expr.node)) {
    into(*unary->expr, use);
  } else if (const auto* paren = std::get_if<Paren>(&expr.node)) {
    into(*paren->expr, use);
  }
}

Remark unknown_metric(const VectorSelector& selector, const ExprWorld& world, Use use) {
  const std::string* name = name_of(selector);
  Remark remark{"metric-unknown", Level::Error, "", ""};
  if (name == nullptr) {
    remark.message = "no metric has a name that these matchers take";
    remark.hint = "patterns must match the whole name";
    return remark;
  }
  remark.message = fmt::format("no host sends the metric '{}'", *name);
  const auto recorded = world.reporter.corpus().recorded_names();
  const std::vector<std::string> candidates(recorded.begin(), recorded.end());
  std::string near = world.inventory->near(*name);
  if (near.empty()) near = base::closest(*name, candidates).value_or("");
  remark.hint = near.empty()
                    ? "correct the name, or install what exports it; if it only appears now and "
                      "then, write '# tocsin: allow metric-unknown' above the rule"
                    : fmt::format("did you mean '{}'?", near);
  if (use == Use::Absent) {
    remark.level = Level::Warning;
    remark.message += ": absent() of it is true all the time";
  } else if (use == Use::Subtracted) {
    remark.level = Level::Warning;
    remark.message += ": 'unless' takes nothing away";
  } else if (use == Use::Alternative) {
    remark.level = Level::Info;
    remark.message += "; the other side of 'or' has what it needs";
  } else {
    remark.message += ": this selects nothing";
  }
  return remark;
}

class SelectorCheck {
 public:
  SelectorCheck(const Subject& subject, ExprWorld& world, const Used& used)
      : subject_(subject), world_(world), used_(used) {}

  void run() {
    check_contradictions();
    for (const model::Matcher& matcher : used_.selector->matchers) {
      if (matcher.name() == model::kMetricName) continue;
      check_pattern(matcher);
      check_label(matcher);
    }
  }

 private:
  /// The place of a matcher inside the braces, as far as the text shows it.
  Location place_of(const model::Matcher& matcher) const {
    Location where = used_.where;
    const std::string_view text =
        std::string_view(subject_.rule->expr_text).substr(where.begin, where.end - where.begin);
    std::size_t at = text.find('{');
    while (at != std::string_view::npos) {
      at = text.find(matcher.name(), at + 1);
      if (at == std::string_view::npos) return where;
      const std::string_view rest = text.substr(at + matcher.name().size());
      const std::size_t sign = rest.find_first_not_of(" \t\n\"");
      if (sign != std::string_view::npos &&
          rest.substr(sign).starts_with(model::to_string(matcher.op()))) {
        where.begin += at;
        const std::size_t open = rest.find_first_of("\"'`", sign);
        const std::size_t close =
            open == std::string_view::npos ? open : rest.find(rest[open], open + 1);
        where.end =
            where.begin + matcher.name().size() + (close == std::string_view::npos ? 0 : close + 1);
        return where;
      }
    }
    return where;
  }

  void say(const model::Matcher& matcher, Remark remark) {
    world_.reporter.at_expr(subject_, place_of(matcher), std::move(remark));
  }

  void check_contradictions() {
    const auto& matchers = used_.selector->matchers;
    for (const model::Matcher& fixed : matchers) {
      if (fixed.op() != model::MatchOp::Equal || fixed.name() == model::kMetricName) continue;
      for (const model::Matcher& other : matchers) {
        if (other.name() != fixed.name() || other.matches(fixed.value())) continue;
        if (other.op() == model::MatchOp::Equal && &other < &fixed) continue;  // said already
        say(other,
            {"matcher-contradiction", Level::Error,
             fmt::format("{} and {} cannot both be true", fixed.to_string(), other.to_string()),
             "several values: name=~\"a|b\""});
        return;
      }
    }
  }

  void check_pattern(const model::Matcher& matcher) {
    const bool positive = matcher.op() == model::MatchOp::Regex;
    if (!positive && matcher.op() != model::MatchOp::NotRegex) return;
    const std::string& pattern = matcher.value();
    const std::string_view plain = positive ? "=" : "!=";
    if (pattern == ".*") {
      if (positive) {
        say(matcher, {"regex-plain", Level::Info,
                      fmt::format("{}=~\".*\" takes every series, also those without '{}'",
                                  matcher.name(), matcher.name()),
                      fmt::format("leave it out, or write {}!=\"\"", matcher.name())});
      } else {
        say(matcher, {"matcher-contradiction", Level::Error,
                      fmt::format("{}!~\".*\" takes no series at all", matcher.name()),
                      fmt::format("series without the label: {}=\"\"", matcher.name())});
      }
    } else if (!pattern.empty() &&
               pattern.find_first_of(R"(\.+*?()|[]{}^$)") == std::string::npos) {
      say(matcher, {"regex-plain", Level::Info,
                    fmt::format("the pattern \"{}\" is a plain text, compared with the whole value",
                                pattern),
                    fmt::format("write {}{}\"{}\"; to find it inside a value: \".*{}.*\"",
                                matcher.name(), plain, pattern, pattern)});
    } else if (pattern.starts_with('^') || (pattern.ends_with('$') && !pattern.ends_with("\\$"))) {
      say(matcher, {"regex-plain", Level::Info,
                    fmt::format("^ and $ in \"{}\" say nothing: a pattern always matches the whole "
                                "value",
                                pattern),
                    "leave them out"});
    }
  }

  void check_label(const model::Matcher& matcher) {
    const LabelSet labels = metric_labels();
    if (!labels.open && !labels.can_have(matcher.name())) {
      return unknown_label(matcher, labels);
    }
    if (world_.inventory == nullptr || matcher.matches_empty()) return;
    const std::string* name = name_of(*used_.selector);
    const MetricStock* metric = name == nullptr ? nullptr : world_.inventory->find(*name);
    if (metric == nullptr || !world_.reporter.corpus().recordings(*name).empty()) return;
    const auto stock = metric->labels.find(matcher.name());
    if (stock == metric->labels.end() || !stock->second.complete) return;
    const auto& values = stock->second.values;
    if (std::any_of(values.begin(), values.end(),
                    [&](const std::string& value) { return matcher.matches(value); })) {
      return;
    }
    Remark remark{"value-unseen", Level::Warning,
                  fmt::format("no series of '{}' satisfies {}", *name, matcher.to_string()), ""};
    const std::vector<std::string> known(values.begin(), values.end());
    const auto near = base::closest(matcher.value(), known);
    if (matcher.op() == model::MatchOp::Regex &&
        std::any_of(known.begin(), known.end(), [&](const std::string& value) {
          return value.find(matcher.value()) != std::string::npos;
        })) {
      remark.hint = fmt::format("the whole value must match: \".*{}.*\"", matcher.value());
    } else if (near) {
      remark.hint = fmt::format("did you mean \"{}\"?", *near);
    } else {
      const std::size_t shown = std::min<std::size_t>(known.size(), 8);
      remark.hint = "seen: " + base::join(std::span(known).first(shown), ", ") +
                    (shown < known.size() ? ", ..." : "");
    }
    say(matcher, std::move(remark));
  }

  /// What the metric has, whatever these matchers take away.
  LabelSet metric_labels() {
    VectorSelector bare;
    bare.name = used_.selector->name;
    for (const model::Matcher& matcher : used_.selector->matchers) {
      if (matcher.name() == model::kMetricName) bare.matchers.push_back(matcher);
    }
    return world_.flow.of_selector(bare);
  }

  void unknown_label(const model::Matcher& matcher, const LabelSet& labels) {
    // up{cluster=""}, x{mode!="idle"}: true for series without the label, so nothing is lost.
    if (matcher.matches_empty() && matcher.op() == model::MatchOp::Equal) return;
    const bool harmless = matcher.matches_empty();
    const std::string* name = name_of(*used_.selector);
    const std::vector<std::string> known(labels.names.begin(), labels.names.end());
    const auto near = base::closest(matcher.name(), known);
    say(matcher,
        {"label-unknown", harmless ? Level::Warning : Level::Error,
         fmt::format("'{}' has no label '{}': {}", name == nullptr ? "the metric" : *name,
                     matcher.name(),
                     harmless ? "this matcher takes every series" : "this selects nothing"),
         near            ? fmt::format("did you mean '{}'?", *near)
         : known.empty() ? std::string("it has no labels")
                         : "it has: " + base::join(known, ", ")});
  }

  const Subject& subject_;
  ExprWorld& world_;
  const Used& used_;
};

}  // namespace

void check_metric_names(const Expr& expr, const ExprWorld& world,
                        const std::function<void(const VectorSelector&, Remark)>& report) {
  if (world.inventory == nullptr) return;
  const Exists exists(world);
  for (const VectorSelector* selector : selectors_of(expr)) {
    if (!exists(*selector)) report(*selector, unknown_metric(*selector, world, Use::Plain));
  }
}

void check_selectors(const Subject& subject, ExprWorld& world) {
  const Exists exists(world);
  std::vector<Used> used;
  collect(
      *subject.rule->expr, Use::Plain,
      [&](const Expr& expr) { return world.inventory != nullptr && exists.all_of(expr); }, used);
  for (const Used& one : used) {
    if (world.inventory != nullptr && !exists(*one.selector)) {
      world.reporter.at_expr(subject, one.where, unknown_metric(*one.selector, world, one.use));
    }
    SelectorCheck(subject, world, one).run();
  }
}

}  // namespace tocsin::lint
