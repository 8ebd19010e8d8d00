#include "cli/explain/alert.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

namespace tocsin::explain {
namespace {

using base::Duration;
using base::WallTime;

constexpr std::string_view kSeverity = "severity";

promql::BinaryOp operator_of(const ruler::Bound& bound) {
  switch (bound.side) {
    case ruler::Bound::Side::Above:
      return promql::BinaryOp::Greater;
    case ruler::Bound::Side::AtLeast:
      return promql::BinaryOp::GreaterEqual;
    case ruler::Bound::Side::Below:
      return promql::BinaryOp::Less;
    case ruler::Bound::Side::AtMost:
      return promql::BinaryOp::LessEqual;
  }
  return promql::BinaryOp::Greater;
}

std::string hold_text(Duration hold_for) {
  return hold_for > Duration{0} ? " for " + base::format_duration(hold_for) : std::string();
}

/// The elements that are worst by the first level's bound: beyond it by most, or nearest to it.
promql::Vector nearest(const ruler::Rule& rule, promql::Vector result) {
  const bool upwards = rule.levels.front().bound && rule.levels.front().bound->upwards();
  std::stable_sort(result.begin(), result.end(), [upwards](const auto& a, const auto& b) {
    return upwards ? a.sample.value > b.sample.value : a.sample.value < b.sample.value;
  });
  if (result.size() > Limits{}.elements) result.resize(Limits{}.elements);
  return result;
}

LevelCheck check_levels(const ruler::Rule& rule, const promql::VectorSample& element) {
  const double value = element.sample.value;
  LevelCheck check{element.labels, value, {}};
  for (const ruler::Level& level : rule.levels) {
    if (!level.bound) continue;
    check.lines.push_back(
        fmt::format("{} {}{}: {}", model::to_string(level.severity), level.bound->to_string(),
                    hold_text(level.hold_for),
                    describe_distance(operator_of(*level.bound), value, level.bound->value)));
  }
  if (rule.clear) {
    check.lines.push_back(
        fmt::format("clears {}: {}", rule.clear->to_string(),
                    describe_distance(operator_of(*rule.clear), value, rule.clear->value)));
  }
  return check;
}

bool any_level_holds(const ruler::Rule& rule, double value) {
  return std::any_of(rule.levels.begin(), rule.levels.end(), [&](const ruler::Level& level) {
    return !level.bound || level.bound->holds(value);
  });
}

/// The alerts of one rule from the series that the ruler writes.
class AlertReader {
 public:
  AlertReader(const ruler::Rule& rule, WallTime at, const model::Labels& wanted)
      : rule_(rule), at_(at), wanted_(wanted) {}

  base::Result<std::vector<AlertNow>> read(backtest::QueryApi& api) {
    const std::string matcher =
        '{' + model::Matcher::equal(std::string(model::kAlertName), rule_.name).to_string() + '}';
    TC_TRY(const auto states, api.instant("ALERTS" + matcher, at_));
    TC_TRY(const auto since, api.instant("ALERTS_FOR_STATE" + matcher, at_));
    std::vector<AlertNow> alerts;
    for (const auto& element : states.vector()) {
      AlertNow alert;
      alert.labels = identity(element.labels);
      if (!belongs(alert.labels)) continue;
      alert.state = element.labels.get("alertstate");
      alert.severity = element.labels.get(kSeverity);
      for (const auto& one : since.vector()) {
        if (identity(one.labels) == alert.labels) describe(one, alert);
      }
      alerts.push_back(std::move(alert));
    }
    return alerts;
  }

 private:
  model::Labels identity(const model::Labels& labels) const {
    model::LabelsBuilder builder(labels);
    builder.remove(model::kMetricName).remove("alertstate");
    if (rule_.levelled) builder.remove(kSeverity);
    return builder.build();
  }

  // Rules of other groups may have the same name: labels that this one always has tell them apart.
  bool belongs(const model::Labels& labels) const {
    for (const auto& [name, text] : rule_.labels) {
      const bool fixed = text.find("{{") == std::string::npos;
      if (fixed && name != kSeverity && labels.get(name) != text) return false;
    }
    return std::all_of(wanted_.begin(), wanted_.end(), [&](const model::LabelView& label) {
      const std::string_view value = labels.get(label.name);
      return value.empty() || value == label.value;
    });
  }

  const ruler::Level& level_of(std::string_view severity) const {
    for (const ruler::Level& level : rule_.levels) {
      if (model::to_string(level.severity) == severity) return level;
    }
    return rule_.levels.front();
  }

  void describe(const promql::VectorSample& since, AlertNow& alert) const {
    const auto begin = base::wall_time(static_cast<std::int64_t>(since.sample.value * 1000));
    const std::string_view severity = since.labels.get(kSeverity);
    const ruler::Level& level = level_of(severity);
    const Duration left = level.hold_for - (at_ - begin);
    std::string text = rule_.levelled ? std::string(severity) + ": " : std::string();
    text += "the condition holds since " + base::format_rfc3339(begin);
    if (left > Duration{0}) {
      text += fmt::format("; `for` is {}: {} more", base::format_duration(level.hold_for),
                          base::format_duration(std::chrono::ceil<std::chrono::seconds>(left)));
    } else if (level.hold_for > Duration{0}) {
      text += fmt::format("; longer than its `for` of {}", base::format_duration(level.hold_for));
    }
    alert.progress.push_back(std::move(text));
  }

  const ruler::Rule& rule_;
  const WallTime at_;
  const model::Labels& wanted_;
};

std::string summarize(const std::vector<AlertNow>& alerts) {
  std::map<std::string, std::size_t> counts;
  for (const AlertNow& alert : alerts) ++counts[alert.state];
  std::string text;
  for (const char* state : {"firing", "pending"}) {
    if (const std::size_t count = counts[state]; count > 0) {
      text += fmt::format("{}{} ({} alert{})", text.empty() ? "" : ", ", state, count,
                          count == 1 ? "" : "s");
    }
  }
  return text.empty() ? "not firing" : text;
}

void give_reasons(const ruler::Rule& rule, RuleExplanation& out) {
  for (const AlertNow& alert : out.alerts) {
    for (const std::string& line : alert.progress) {
      out.reasons.push_back(alert.labels.to_string() + " is " + alert.state + ": " + line);
    }
  }
  const Part& root = out.expression.root;
  if (rule.levelled && !root.empty()) {
    bool any = false;
    for (const LevelCheck& check : out.levels) {
      any = any || any_level_holds(rule, check.value);
      for (const std::string& line : check.lines) {
        out.reasons.push_back(check.labels.to_string() + " is " + short_number(check.value) + ": " +
                              line);
      }
    }
    if (!any && out.alerts.empty()) {
      out.reasons.insert(out.reasons.begin(), "no level's bound is met");
    }
    return;
  }
  if (!root.empty() && out.alerts.empty() && !rule.levelled) {
    out.reasons.emplace_back(
        "the condition holds now, and the server has no alert of it: it was not evaluated yet, or "
        "this server does not evaluate this rule");
  }
  for (const std::string& reason : out.expression.reasons) out.reasons.push_back(reason);
}

}  // namespace

base::Result<RuleExplanation> explain_rule(backtest::QueryApi& api, const ruler::RuleGroup& group,
                                           const ruler::Rule& rule, WallTime at,
                                           const model::Labels& wanted) {
  RuleExplanation out;
  out.name = rule.name;
  out.group = group.name;
  out.source = rule.place.line > 0 ? rule.place.file + ":" + std::to_string(rule.place.line)
                                   : rule.place.file;
  const WallTime query_at = at - group.query_offset;
  backtest::QueryApi engine = api.of_datasource(group.datasource);
  Explainer explainer(engine, query_at, wanted, {});
  TC_TRY(out.expression, explainer.explain(rule.expr_text, *rule.expr));
  if (rule.kind == ruler::RuleKind::Recording) {
    out.summary = out.expression.root.empty() ? "records nothing" : "records";
    out.reasons = out.expression.reasons;
    return out;
  }
  if (rule.levelled) {
    for (const auto& element : nearest(rule, out.expression.result)) {
      out.levels.push_back(check_levels(rule, element));
    }
  }
  AlertReader reader(rule, query_at, wanted);
  TC_TRY(out.alerts, reader.read(api));
  out.summary = summarize(out.alerts);
  give_reasons(rule, out);
  return out;
}

}  // namespace tocsin::explain
