#include "cli/lint/label_flow.h"

#include <algorithm>

#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

using Names = std::set<std::string, std::less<>>;

bool is_vector(const Expr& expr) {
  return expr.type == ValueType::InstantVector || expr.type == ValueType::RangeVector;
}

Names meet(const Names& a, const Names& b) {
  Names both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
  return both;
}

LabelSet unite(const LabelSet& a, const LabelSet& b) {
  LabelSet result;
  result.open = a.open || b.open;
  if (result.open) {
    for (const LabelSet* one : {&a, &b}) {
      const LabelSet& other = one == &a ? b : a;
      if (!one->open) continue;
      for (const std::string& name : one->names) {
        if (!other.can_have(name)) result.names.insert(name);
      }
    }
  } else {
    result.names = a.names;
    result.names.insert(b.names.begin(), b.names.end());
  }
  result.sure = meet(a.sure, b.sure);
  result.proved = meet(a.proved, b.proved);
  result.closed_by = a.closed_by != nullptr ? a.closed_by : b.closed_by;
  return result;
}

/// The labels of series that are equal on both sides: what both can have.
LabelSet intersect(const LabelSet& a, const LabelSet& b) {
  if (a.open && !b.open) return intersect(b, a);
  LabelSet result = a;
  if (a.open) {
    result.names.insert(b.names.begin(), b.names.end());
  } else {
    std::erase_if(result.names, [&](const std::string& name) { return !b.can_have(name); });
  }
  result.sure.insert(b.sure.begin(), b.sure.end());
  result.proved.insert(b.proved.begin(), b.proved.end());
  const auto gone = [&](const std::string& name) { return !result.can_have(name); };
  std::erase_if(result.sure, gone);
  std::erase_if(result.proved, gone);
  return result;
}

const StringLiteral* literal(const Call& call, std::size_t index) {
  if (index >= call.args.size()) return nullptr;
  return std::get_if<StringLiteral>(&without_parens(*call.args[index]).node);
}

}  // namespace

void LabelSet::remove(const std::string& label) {
  if (open) {
    names.insert(label);
  } else {
    names.erase(label);
  }
  sure.erase(label);
  proved.erase(label);
}

void LabelSet::allow(const std::string& label) {
  if (open) {
    names.erase(label);
  } else {
    names.insert(label);
  }
}

const LabelSet& LabelFlow::of(const Expr& expr) {
  const auto at = known_.find(&expr);
  if (at != known_.end()) return at->second;
  LabelSet found = find(expr);
  return known_.emplace(&expr, std::move(found)).first->second;
}

LabelSet LabelFlow::find(const Expr& expr) {
  if (!is_vector(expr)) return LabelSet::closed();
  if (const auto* selector = std::get_if<VectorSelector>(&expr.node)) return of_selector(*selector);
  if (const auto* matrix = std::get_if<MatrixSelector>(&expr.node)) {
    return of_selector(matrix->selector);
  }
  if (const auto* subquery = std::get_if<Subquery>(&expr.node)) return of(*subquery->expr);
  if (const auto* unary = std::get_if<Unary>(&expr.node)) return of(*unary->expr);
  if (const auto* paren = std::get_if<Paren>(&expr.node)) return of(*paren->expr);
  if (const auto* one = std::get_if<Call>(&expr.node)) return call(expr, *one);
  if (const auto* one = std::get_if<Binary>(&expr.node)) return binary(expr, *one);
  if (const auto* one = std::get_if<Aggregation>(&expr.node)) return aggregation(expr, *one);
  return LabelSet::closed();
}

LabelSet LabelFlow::recorded(const Subject& subject) {
  if (!open_recordings_.insert(subject.rule).second) return {};
  LabelSet labels = of(*subject.rule->expr);
  open_recordings_.erase(subject.rule);
  for (const ruler::NamedText& label : subject.rule->labels) {
    if (label.text.empty()) {
      labels.remove(label.name);
    } else {
      labels.allow(label.name);
      labels.sure.insert(label.name);
      labels.proved.insert(label.name);
    }
  }
  return labels;
}

LabelSet LabelFlow::of_selector(const VectorSelector& selector) {
  LabelSet labels;
  std::vector<model::Matcher> on_name;
  for (const model::Matcher& matcher : selector.matchers) {
    if (matcher.name() == model::kMetricName) on_name.push_back(matcher);
  }
  bool first = true;
  const auto join = [&](const LabelSet& more) {
    labels = first ? more : unite(labels, more);
    first = false;
  };
  if (on_name.size() == 1 && on_name[0].op() == model::MatchOp::Equal) {
    for (const Subject* subject : corpus_.recordings(on_name[0].value())) join(recorded(*subject));
  }
  if (inventory_ != nullptr && !on_name.empty()) {
    for (const MetricStock* metric : inventory_->matching(on_name)) {
      LabelSet of_metric;
      if (metric->labels_known) {
        of_metric.open = false;
        for (const auto& [name, stock] : metric->labels) {
          of_metric.names.insert(name);
          if (stock.always) of_metric.sure.insert(name);
        }
        of_metric.proved = of_metric.sure;
      }
      join(of_metric);
    }
  }
  for (const model::Matcher& matcher : selector.matchers) {
    if (matcher.name() == model::kMetricName) continue;
    if (matcher.op() == model::MatchOp::Equal && matcher.value().empty()) {
      labels.remove(matcher.name());
    } else if (!matcher.matches_empty() && labels.can_have(matcher.name())) {
      labels.sure.insert(matcher.name());
      labels.proved.insert(matcher.name());
    }
  }
  return labels;
}

LabelSet LabelFlow::absent(const Expr& argument) const {
  LabelSet labels = LabelSet::closed();
  const Expr& inside = without_parens(argument);
  const auto* selector = std::get_if<VectorSelector>(&inside.node);
  if (const auto* matrix = std::get_if<MatrixSelector>(&inside.node)) selector = &matrix->selector;
  if (selector == nullptr) return labels;
  for (const model::Matcher& matcher : selector->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    const auto same = std::count_if(selector->matchers.begin(), selector->matchers.end(),
                                    [&](const auto& m) { return m.name() == matcher.name(); });
    if (matcher.op() != model::MatchOp::Equal || matcher.value().empty() || same > 1) continue;
    labels.names.insert(matcher.name());
    labels.sure.insert(matcher.name());
    labels.proved.insert(matcher.name());
  }
  return labels;
}

LabelSet LabelFlow::call(const Expr& expr, const Call& call) {
  const std::string_view name = call.function->name;
  if (name == "absent" || name == "absent_over_time") {
    LabelSet labels = absent(*call.args[0]);
    labels.closed_by = &expr;
    return labels;
  }
  if (name == "info") return {};
  const auto vector = std::find_if(call.args.begin(), call.args.end(),
                                   [](const ExprBox& arg) { return is_vector(*arg); });
  if (vector == call.args.end()) {
    LabelSet labels = LabelSet::closed();
    labels.closed_by = &expr;
    return labels;
  }
  LabelSet labels = of(**vector);
  if (name == "label_replace" || name == "label_join") {
    const StringLiteral* target = literal(call, 1);
    if (target == nullptr) return {};
    labels.allow(target->value);
    const StringLiteral* text = name == "label_replace" ? literal(call, 2) : nullptr;
    const bool fixed =
        text != nullptr && !text->value.empty() && text->value.find('$') == std::string::npos;
    if (!fixed) {
      labels.sure.erase(target->value);
      labels.proved.erase(target->value);
    }
  } else if (name == "histogram_quantile" || name == "histogram_fraction" ||
             name == "histogram_quantiles") {
    labels.remove("le");
    if (const StringLiteral* added = literal(call, 1); added && name == "histogram_quantiles") {
      labels.allow(added->value);
    }
  }
  return labels;
}

LabelSet LabelFlow::aggregation(const Expr& expr, const Aggregation& aggregation) {
  const LabelSet& inside = of(*aggregation.expr);
  const bool picks =
      aggregation.op == AggregateOp::TopK || aggregation.op == AggregateOp::BottomK ||
      aggregation.op == AggregateOp::LimitK || aggregation.op == AggregateOp::LimitRatio;
  if (picks) return inside;
  LabelSet labels;
  if (aggregation.without) {
    labels = inside;
    for (const std::string& name : aggregation.grouping) labels.remove(name);
    if (labels.closed_by == nullptr) labels.closed_by = &expr;
  } else {
    labels = LabelSet::closed();
    labels.closed_by = &expr;
    for (const std::string& name : aggregation.grouping) {
      if (!inside.can_have(name)) continue;
      labels.names.insert(name);
      if (inside.open || inside.is_sure(name)) labels.sure.insert(name);
      if (inside.proved.contains(name)) labels.proved.insert(name);
    }
  }
  if (aggregation.op == AggregateOp::CountValues && aggregation.parameter) {
    const Expr& parameter = without_parens(*aggregation.parameter);
    if (const auto* text = std::get_if<StringLiteral>(&parameter.node)) {
      labels.allow(text->value);
      labels.sure.insert(text->value);
    }
  }
  return labels;
}

LabelSet LabelFlow::binary(const Expr& expr, const Binary& binary) {
  if (!is_vector(*binary.left)) return of(*binary.right);
  if (!is_vector(*binary.right)) return of(*binary.left);
  const LabelSet& left = of(*binary.left);
  const LabelSet& right = of(*binary.right);
  if (binary.op == BinaryOp::Or) return unite(left, right);
  if (is_set_operator(binary.op)) return left;
  const Matching& matching = binary.matching;
  if (matching.group != Group::None) {
    LabelSet many = matching.group == Group::Left ? left : right;
    const LabelSet& one = matching.group == Group::Left ? right : left;
    for (const std::string& name : matching.include) {
      if (one.can_have(name)) {
        many.allow(name);
        if (one.is_sure(name)) many.sure.insert(name);
      } else {
        many.remove(name);
      }
    }
    return many;
  }
  LabelSet labels = intersect(left, right);
  if (matching.on) {
    const LabelSet both = std::move(labels);
    labels = LabelSet::closed();
    for (const std::string& name : matching.labels) {
      if (!both.can_have(name)) continue;
      labels.names.insert(name);
      if (both.is_sure(name)) labels.sure.insert(name);
      if (both.proved.contains(name)) labels.proved.insert(name);
    }
    labels.closed_by = &expr;
    return labels;
  }
  for (const std::string& name : matching.labels) labels.remove(name);
  if (labels.closed_by == nullptr && !matching.labels.empty()) labels.closed_by = &expr;
  return labels;
}

std::set<std::string> common_labels(const LabelSet& left, const LabelSet& right) {
  const LabelSet& closed = left.open ? right : left;
  const LabelSet& other = left.open ? left : right;
  std::set<std::string> common;
  if (closed.open) return common;
  for (const std::string& name : closed.names) {
    if (other.can_have(name)) common.insert(name);
  }
  return common;
}

std::string dropped_by(const LabelSet& labels) {
  if (labels.closed_by == nullptr) return "";
  const auto& node = labels.closed_by->node;
  if (const auto* aggregation = std::get_if<Aggregation>(&node)) {
    const std::string by = base::join(aggregation->grouping, ", ");
    std::string text = "dropped by " + std::string(to_string(aggregation->op));
    if (aggregation->without) return text + " without (" + by + ")";
    return by.empty() ? text + "() without by" : text + " by (" + by + ")";
  }
  if (const auto* binary = std::get_if<Binary>(&node)) {
    const std::string by = base::join(binary->matching.labels, ", ");
    return std::string("dropped by ") + (binary->matching.on ? "on (" : "ignoring (") + by + ")";
  }
  if (const auto* call = std::get_if<Call>(&node)) {
    return "dropped by " + std::string(call->function->name) + "()";
  }
  return "";
}

}  // namespace tocsin::lint
