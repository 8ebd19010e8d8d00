// Binary operators between vectors: two sides find each other by labels that both have.

#include <fmt/core.h>

#include <algorithm>

#include "cli/lint/expr_checks.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

bool is_vector(const Expr& expr) {
  return expr.type == ValueType::InstantVector;
}

std::string quoted(const std::set<std::string>& names) {
  const std::vector<std::string> list(names.begin(), names.end());
  return base::join(list, ", ");
}

class JoinCheck {
 public:
  JoinCheck(const Subject& subject, ExprWorld& world, const Expr& expr, const Binary& binary)
      : subject_(subject),
        world_(world),
        expr_(expr),
        binary_(binary),
        left_(world.flow.of(*binary.left)),
        right_(world.flow.of(*binary.right)) {}

  void run() {
    const Matching& matching = binary_.matching;
    if (matching.on) {
      for (const std::string& label : matching.labels) {
        if (label == model::kMetricName) continue;
        if (unmatched(label)) return;
        unknown_on(label);
      }
      check_many();
    } else {
      std::set<std::string> sure(left_.sure.begin(), left_.sure.end());
      sure.insert(right_.sure.begin(), right_.sure.end());
      for (const std::string& label : sure) {
        const bool ignored = std::find(matching.labels.begin(), matching.labels.end(), label) !=
                             matching.labels.end();
        if (!ignored && unmatched(label)) return;
      }
    }
    check_included();
  }

 private:
  void say(const Location& where, Remark remark) {
    world_.reporter.at_expr(subject_, where, std::move(remark));
  }

  /// Reports a label that one side has and the other cannot have.
  bool unmatched(const std::string& label) {
    const bool left_lacks = !left_.can_have(label) && right_.is_sure(label);
    const bool right_lacks = !right_.can_have(label) && left_.is_sure(label);
    if (!left_lacks && !right_lacks) return false;
    const LabelSet& lacking = left_lacks ? left_ : right_;
    const LabelSet& having = left_lacks ? right_ : left_;
    const std::string why = dropped_by(lacking);
    const std::string form = to_text();
    Remark remark;
    remark.id = "join-never";
    // Written in a by() is no proof that it is there: then a label may be empty on both sides.
    const bool nothing_shared = !left_.open && !right_.open && common_labels(left_, right_).empty();
    remark.level = having.proved.contains(label) || nothing_shared ? Level::Error : Level::Warning;
    remark.message =
        fmt::format("'{}' never matches: the {} side has the label '{}', the {} side has not{}",
                    form, left_lacks ? "right" : "left", label, left_lacks ? "left" : "right",
                    why.empty() ? std::string() : " (" + why + ")");
    if (binary_.op == BinaryOp::Unless) remark.message += "; nothing is taken away";
    remark.hint = hint(label);
    say(expr_.location, std::move(remark));
    return true;
  }

  std::string to_text() const {
    std::string text(to_string(binary_.op));
    if (binary_.matching.given) {
      text += fmt::format(" {} ({})", binary_.matching.on ? "on" : "ignoring",
                          base::join(binary_.matching.labels, ", "));
    }
    return text;
  }

  std::string hint(const std::string& label) const {
    const std::set<std::string> common = common_labels(left_, right_);
    const char* group = is_set_operator(binary_.op) ? ""
                        : left_.can_have(label)     ? " group_left ()"
                                                    : " group_right ()";
    if (!common.empty()) {
      return fmt::format("keep '{}' on both sides, or match on what both have: {} on ({}){}", label,
                         to_string(binary_.op), quoted(common), group);
    }
    if (left_.open || right_.open) {
      return fmt::format("keep '{}' on both sides, or match without it: {} ignoring ({}){}", label,
                         to_string(binary_.op), label, group);
    }
    return fmt::format("keep '{}' on both sides, or match on nothing: {} on (){}", label,
                       to_string(binary_.op), group);
  }

  void unknown_on(const std::string& label) {
    if (left_.can_have(label) || right_.can_have(label)) return;
    if (left_.open || right_.open) return;
    say(expr_.location, {"label-unknown", Level::Warning,
                         fmt::format("on ({}): neither side has the label '{}'",
                                     base::join(binary_.matching.labels, ", "), label),
                         common_hint()});
  }

  std::string common_hint() const {
    const std::set<std::string> common = common_labels(left_, right_);
    return common.empty() ? std::string("the sides have no label in common")
                          : "both sides have: " + quoted(common);
  }

  /// What one side's by() keeps beyond the labels matched on.
  std::set<std::string> surplus(const LabelSet& labels) const {
    std::set<std::string> result;
    if (labels.open || labels.closed_by == nullptr) return result;
    const auto* aggregation = std::get_if<Aggregation>(&labels.closed_by->node);
    if (aggregation == nullptr || aggregation->without) return result;
    // A label added behind the aggregation, as by label_replace(), may name each of its series.
    for (const std::string& name : binary_.matching.labels) {
      const auto& by = aggregation->grouping;
      if (std::find(by.begin(), by.end(), name) == by.end()) return result;
    }
    for (const std::string& name : labels.sure) {
      const auto& on = binary_.matching.labels;
      if (std::find(on.begin(), on.end(), name) == on.end()) result.insert(name);
    }
    return result;
  }

  void check_many() {
    if (is_set_operator(binary_.op) || binary_.matching.group != Group::None) return;
    const std::set<std::string> left = surplus(left_);
    const std::set<std::string> right = surplus(right_);
    if (left.empty() == right.empty()) return;  // the same on both sides may be one to one
    const bool many_left = !left.empty();
    const LabelSet& one = many_left ? right_ : left_;
    if (one.open) return;
    say(expr_.location,
        {"join-many", Level::Warning,
         fmt::format("'{}': the {} side has one series for each '{}', and one to one matching "
                     "allows one only; the rule fails when there are two",
                     to_text(), many_left ? "left" : "right", quoted(many_left ? left : right)),
         fmt::format("{} {} ()", to_text(), many_left ? "group_left" : "group_right")});
  }

  void check_included() {
    if (binary_.matching.group == Group::None) return;
    const LabelSet& one = binary_.matching.group == Group::Left ? right_ : left_;
    for (const std::string& label : binary_.matching.include) {
      if (one.can_have(label)) continue;
      const std::string why = dropped_by(one);
      say(expr_.location,
          {"group-labels", Level::Warning,
           fmt::format("{} ({}): the {} side never has '{}'{}, so the result loses it",
                       binary_.matching.group == Group::Left ? "group_left" : "group_right", label,
                       binary_.matching.group == Group::Left ? "right" : "left", label,
                       why.empty() ? std::string() : " (" + why + ")"),
           fmt::format("keep '{}' there, or take it out of the list", label)});
    }
  }

  const Subject& subject_;
  ExprWorld& world_;
  const Expr& expr_;
  const Binary& binary_;
  const LabelSet& left_;
  const LabelSet& right_;
};

void check_grouping(const Subject& subject, ExprWorld& world, const Expr& expr,
                    const Aggregation& aggregation) {
  if (aggregation.without) return;
  const LabelSet& inside = world.flow.of(*aggregation.expr);
  if (inside.open) return;
  for (const std::string& label : aggregation.grouping) {
    if (inside.can_have(label) || label == model::kMetricName) continue;
    const std::string why = dropped_by(inside);
    const std::vector<std::string> known(inside.names.begin(), inside.names.end());
    const auto near = base::closest(label, known);
    world.reporter.at_expr(
        subject, expr.location,
        {"label-unknown", Level::Warning,
         fmt::format("{} by ({}): there is no label '{}'{}", to_string(aggregation.op),
                     base::join(aggregation.grouping, ", "), label,
                     why.empty() ? std::string() : " any more (" + why + ")"),
         near            ? fmt::format("did you mean '{}'?", *near)
         : known.empty() ? std::string("there are no labels left to group by")
                         : "there are: " + base::join(known, ", ")});
  }
}

/// One value of all hosts in an alert: nobody sees whose it is.
void check_mixing(const Subject& subject, ExprWorld& world, const Expr& expr,
                  const Aggregation& aggregation) {
  const bool mixes = aggregation.op == AggregateOp::Avg || aggregation.op == AggregateOp::Min ||
                     aggregation.op == AggregateOp::Max;
  if (!mixes || aggregation.without || !aggregation.grouping.empty()) return;
  if (!subject.alerting() || world.inventory == nullptr) return;
  const auto* selector = std::get_if<VectorSelector>(&without_parens(*aggregation.expr).node);
  const MetricStock* metric = selector == nullptr ? nullptr : world.inventory->find(selector->name);
  if (metric == nullptr) return;
  const auto instances = metric->labels.find("instance");
  if (instances == metric->labels.end() || instances->second.values.size() < 2) return;
  world.reporter.at_expr(
      subject, expr.location,
      {"aggregation-mixes", Level::Info,
       fmt::format("{}() makes one value of {} instances: the alert cannot say which it is",
                   to_string(aggregation.op), instances->second.values.size()),
       fmt::format("{} by (instance) (...)", to_string(aggregation.op))});
}

}  // namespace

void check_joins(const Subject& subject, ExprWorld& world) {
  walk(*subject.rule->expr, [&](const Expr& expr) {
    if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
      check_grouping(subject, world, expr, *aggregation);
      check_mixing(subject, world, expr, *aggregation);
    }
    const auto* binary = std::get_if<Binary>(&expr.node);
    if (binary == nullptr || binary->op == BinaryOp::Or) return;
    if (!is_vector(*binary->left) || !is_vector(*binary->right)) return;
    JoinCheck(subject, world, expr, *binary).run();
  });
}

}  // namespace tocsin::lint
