#include "alertd/app/adapters.h"

namespace tocsin::alertd {
namespace {

std::string_view phase_text(ruler::AlertPhase phase) {
  switch (phase) {
    case ruler::AlertPhase::Pending:
      return "pending";
    case ruler::AlertPhase::Firing:
      return "firing";
    default:
      return "inactive";
  }
}

model::Labels texts_as_labels(const std::vector<ruler::NamedText>& texts) {
  model::LabelsBuilder builder;
  for (const ruler::NamedText& text : texts) builder.set(text.name, text.text);
  return builder.build();
}

api::RuleAlert to_api(const ruler::AlertView& alert) {
  api::RuleAlert out;
  out.labels = alert.labels;
  // The severity of a levelled alert is no part of its identity; readers of the API want to see it.
  if (!alert.labels.has("severity")) {
    out.labels = model::LabelsBuilder(alert.labels)
                     .set("severity", model::to_string(alert.severity))
                     .build();
  }
  out.annotations = alert.annotations;
  out.state = phase_text(alert.phase);
  out.active_at = alert.active_at;
  out.keep_firing_since = alert.keep_firing_since;
  out.value = alert.value;
  return out;
}

std::string_view side_text(ruler::Bound::Side side) {
  switch (side) {
    case ruler::Bound::Side::Above:
      return "above";
    case ruler::Bound::Side::AtLeast:
      return "at_least";
    case ruler::Bound::Side::Below:
      return "below";
    case ruler::Bound::Side::AtMost:
      return "at_most";
  }
  return "above";
}

api::LevelInfo to_api(const ruler::Bound& bound) {
  return {"", std::string(side_text(bound.side)), bound.value, {}, {}};
}

void add_levels(const ruler::RuleView& rule, api::RuleInfo& out) {
  for (const ruler::Level& level : rule.levels) {
    api::LevelInfo info = level.bound ? to_api(*level.bound) : api::LevelInfo{};
    info.severity = model::to_string(level.severity);
    info.hold = level.hold_for;
    info.keep_firing_for = level.keep_firing_for;
    out.levels.push_back(std::move(info));
  }
  if (rule.clear) out.clear = to_api(*rule.clear);
  out.no_data = ruler::to_string(rule.no_data);
}

api::RuleInfo to_api(const ruler::RuleView& rule) {
  api::RuleInfo out;
  out.alerting = rule.kind == ruler::RuleKind::Alerting;
  out.name = rule.name;
  out.query = rule.expr;
  if (!rule.levels.empty()) {
    out.hold = rule.levels.front().hold_for;
    out.keep_firing_for = rule.levels.front().keep_firing_for;
  }
  out.labels = texts_as_labels(rule.labels);
  out.annotations = texts_as_labels(rule.annotations);
  if (out.alerting) {
    out.state = phase_text(rule.state);
    add_levels(rule, out);
  }
  for (const ruler::AlertView& alert : rule.alerts) out.alerts.push_back(to_api(alert));
  out.health = ruler::to_string(rule.health);
  out.last_error = rule.last_error;
  out.evaluation_time = rule.evaluation_time;
  out.last_evaluation = rule.last_evaluation;
  out.source = rule.place.file + ":" + std::to_string(rule.place.line);
  return out;
}

void add_provenance(const RulesGit& rules_git, api::RuleInfo& rule) {
  const auto from = rules_git.provenance_of(rule.source);
  if (!from) return;
  rule.provenance = api::ProvenanceInfo{from->commit, from->author, from->subject, from->at};
  for (api::RuleAlert& alert : rule.alerts) {
    alert.annotations = with_provenance(alert.annotations, *from);
  }
}

/// The daemon's own alerts about the repository, where people look for alerts.
api::RuleGroupInfo group_of(const RulesGit& rules_git, const std::vector<model::Alert>& alerts) {
  api::RuleGroupInfo group;
  group.name = "rules from git";
  group.file = rules_git.status().url;
  for (const model::Alert& alert : alerts) {
    api::RuleInfo rule;
    rule.name = alert.name();
    rule.annotations = alert.annotations;
    rule.state = "firing";
    rule.health = "ok";
    rule.alerts.push_back({.labels = alert.labels,
                           .annotations = alert.annotations,
                           .state = "firing",
                           .active_at = alert.starts_at,
                           .keep_firing_since = {},
                           .value = 1});
    group.rules.push_back(std::move(rule));
  }
  return group;
}

}  // namespace

std::vector<api::RuleGroupInfo> RuleViewAdapter::groups() const {
  std::vector<api::RuleGroupInfo> out;
  for (const auto& group : ruler_.view().groups) {
    api::RuleGroupInfo info;
    info.name = group->name;
    info.file = group->file;
    info.interval = group->interval;
    info.query_offset = group->query_offset;
    info.datasource = group->datasource;
    info.limit = group->limit;
    info.evaluation_time = group->evaluation_time;
    info.last_evaluation = group->last_evaluation;
    for (const ruler::RuleView& rule : group->rules) {
      info.rules.push_back(to_api(rule));
      if (rules_git_) add_provenance(*rules_git_, info.rules.back());
    }
    out.push_back(std::move(info));
  }
  if (!rules_git_) return out;
  const std::vector<model::Alert> own = rules_git_->alerts();
  if (!own.empty()) out.push_back(group_of(*rules_git_, own));
  return out;
}

}  // namespace tocsin::alertd
