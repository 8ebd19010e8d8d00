#include "alertd/app/explain_witness.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/ast.h"
#include "alertd/promql/functions.h"
#include "alertd/story/desk.h"

namespace tocsin::alertd {
namespace {

using base::WallTime;
using story::RuleSight;

constexpr std::size_t kRulesMax = 20;  // of one name

/// Returns `for` of the level that the alert has; of a plain alert there is one.
base::Duration hold_of(const ruler::RuleView& rule, std::optional<model::Severity> severity) {
  for (const ruler::Level& level : rule.levels) {
    if (rule.levelled && severity == level.severity) return level.hold_for;
  }
  return rule.levels.empty() ? base::Duration{0} : rule.levels.front().hold_for;
}

/// Whether an empty result says nothing about missing series, or is what the rule waits for.
bool lives_without_data(const promql::Expr& expr) {
  bool lives = false;
  promql::walk(expr, [&lives](const promql::Expr& each) {
    if (std::holds_alternative<promql::Subquery>(each.node)) lives = true;
    if (const auto* binary = std::get_if<promql::Binary>(&each.node)) {
      if (binary->op == promql::BinaryOp::Or || binary->op == promql::BinaryOp::Unless)
        lives = true;
    }
    if (const auto* call = std::get_if<promql::Call>(&each.node)) {
      if (call->function->name.starts_with("absent")) lives = true;
    }
  });
  return lives;
}

bool is_selector(const promql::Expr& expr) {
  return std::holds_alternative<promql::VectorSelector>(expr.node) ||
         std::holds_alternative<promql::MatrixSelector>(expr.node);
}

std::vector<model::Labels> labels_of(const promql::QueryResult& result) {
  std::vector<model::Labels> all;
  if (const auto* vector = std::get_if<promql::Vector>(&result.value)) {
    for (const auto& one : *vector) all.push_back(one.labels);
  } else if (const auto* matrix = std::get_if<promql::Matrix>(&result.value)) {
    for (const auto& one : *matrix) all.push_back(one.labels);
  }
  return all;
}

/// Returns the label asked for that none of the series has, though they have others of the name.
std::optional<model::LabelView> nobody_has(const std::vector<model::Labels>& series,
                                           const model::Labels& asked,
                                           const ruler::RuleView& rule) {
  for (const model::LabelView label : asked) {
    const bool of_rule =
        std::any_of(rule.labels.begin(), rule.labels.end(),
                    [&](const ruler::NamedText& each) { return each.name == label.name; });
    if (of_rule || label.name == model::kAlertName || label.name == "severity") continue;
    const bool named = std::any_of(series.begin(), series.end(),
                                   [&](const auto& one) { return one.has(label.name); });
    const bool same = std::any_of(series.begin(), series.end(), [&](const auto& one) {
      return one.get(label.name) == label.value;
    });
    if (named && !same) return label;
  }
  return std::nullopt;
}

}  // namespace

void ExplainWitness::rules(const model::Labels& labels, std::optional<WallTime> at,
                           std::function<void(story::RuleSights)> done) {
  world_.queries.post([this, labels, at, done = std::move(done)] { done(look(labels, at)); });
}

void ExplainWitness::channels(std::function<void(std::vector<story::ChannelSight>)> done) {
  world_.notifier.channels([done = std::move(done)](const std::vector<notify::ChannelInfo>& all) {
    std::vector<story::ChannelSight> channels;
    for (const notify::ChannelInfo& one : all) {
      channels.push_back({one.name, one.state, one.last_error, one.waiting});
    }
    done(std::move(channels));
  });
}

story::RuleSights ExplainWitness::look(const model::Labels& labels,
                                       std::optional<WallTime> at) const {
  story::RuleSights sights;
  const std::string_view name = labels.get(model::kAlertName);
  for (const auto& group : world_.ruler.view().groups) {
    for (const ruler::RuleView& rule : group->rules) {
      if (rule.kind != ruler::RuleKind::Alerting) continue;
      sights.names.push_back(rule.name);
      if (rule.name != name || sights.rules.size() == kRulesMax) continue;
      RuleSight sight;
      sight.name = rule.name;
      sight.source = fmt::format("{}:{}", rule.place.file, rule.place.line);
      sight.hold = hold_of(rule, std::nullopt);
      if (at) {
        look_at_series(rule, labels, *at, group->datasource.empty(), sight);
      } else {
        look_at_alerts(rule, labels, group->datasource.empty(), sight);
      }
      sights.rules.push_back(std::move(sight));
    }
  }
  return sights;
}

/// As the ruler holds it now.
void ExplainWitness::look_at_alerts(const ruler::RuleView& rule, const model::Labels& labels,
                                    bool here, RuleSight& sight) const {
  sight.evaluated_at = rule.last_evaluation;
  for (const ruler::AlertView& alert : rule.alerts) {
    if (!story::is_meant(labels, alert.labels, alert.severity)) continue;
    const bool pending = alert.phase == ruler::AlertPhase::Pending;
    sight.state = pending ? RuleSight::State::Pending : RuleSight::State::Firing;
    sight.alert = alert.labels;
    sight.since = alert.active_at;
    sight.hold = hold_of(rule, alert.severity);
    return;
  }
  if (rule.health == ruler::RuleHealth::Error) {
    sight.state = RuleSight::State::Failing;
    sight.detail = rule.last_error;
  } else if (!rule.last_evaluation) {
    sight.state = RuleSight::State::Waiting;
  } else if (here) {
    sight.detail = missing_data(rule, labels, *rule.last_evaluation);
    if (!sight.detail.empty()) sight.state = RuleSight::State::NoData;
  }
}

/// As the series of alerts say it was.
void ExplainWitness::look_at_series(const ruler::RuleView& rule, const model::Labels& labels,
                                    WallTime at, bool here, RuleSight& sight) const {
  const std::string of_rule =
      "{" + model::Matcher::equal(std::string(model::kAlertName), rule.name).to_string() + "}";
  for (const promql::VectorSample& one : query("ALERTS" + of_rule, at)) {
    model::LabelsBuilder builder(one.labels);
    builder.remove(model::kMetricName);
    builder.remove("alertstate");
    const model::Labels alert = builder.build();
    if (!story::is_meant(labels, alert, model::parse_severity(labels.get("severity")))) continue;
    const bool pending = one.labels.get("alertstate") == "pending";
    sight.state = pending ? RuleSight::State::Pending : RuleSight::State::Firing;
    sight.alert = alert;
    for (const promql::VectorSample& state : query("ALERTS_FOR_STATE" + of_rule, at)) {
      model::LabelsBuilder same(state.labels);
      same.remove(model::kMetricName);
      if (same.build() == alert) {
        sight.since = base::wall_time(static_cast<std::int64_t>(state.sample.value * 1000));
      }
    }
    return;
  }
  if (here) sight.detail = missing_data(rule, labels, at);
  if (!sight.detail.empty()) sight.state = RuleSight::State::NoData;
}

std::vector<promql::VectorSample> ExplainWitness::query(const std::string& expr,
                                                        WallTime at) const {
  const promql::Parsed parsed = promql::parse(expr, world_.parse);
  if (!parsed.expr) return {};
  auto result = world_.engine.instant(world_.source, *parsed.expr, at);
  if (!result) return {};
  auto* vector = std::get_if<promql::Vector>(&result->value);
  return vector ? std::move(*vector) : promql::Vector{};
}

/// Returns which selector of the rule finds no series for these labels; empty: each finds some, or
/// it does not matter.
std::string ExplainWitness::missing_data(const ruler::RuleView& rule, const model::Labels& labels,
                                         WallTime at) const {
  const promql::Parsed parsed = promql::parse(rule.expr, world_.parse);
  if (!parsed.expr || lives_without_data(*parsed.expr)) return {};
  std::string missing;
  promql::walk(*parsed.expr, [&](const promql::Expr& each) {
    if (!missing.empty() || !is_selector(each)) return;
    const auto result = world_.engine.instant(world_.source, each, at);
    if (!result) return;
    const std::vector<model::Labels> series = labels_of(*result);
    if (series.empty()) {
      missing = fmt::format("there is no series {}", promql::print(each));
    } else if (const auto label = nobody_has(series, labels, rule)) {
      missing =
          fmt::format("no series {} has {}=\"{}\"", promql::print(each), label->name, label->value);
    }
  });
  return missing;
}

}  // namespace tocsin::alertd
