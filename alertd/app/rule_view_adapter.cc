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
  if (out.alerting) out.state = phase_text(rule.state);
  for (const ruler::AlertView& alert : rule.alerts) out.alerts.push_back(to_api(alert));
  out.health = ruler::to_string(rule.health);
  out.last_error = rule.last_error;
  out.evaluation_time = rule.evaluation_time;
  out.last_evaluation = rule.last_evaluation;
  out.source = rule.place.file + ":" + std::to_string(rule.place.line);
  return out;
}

}  // namespace

std::vector<api::RuleGroupInfo> RuleViewAdapter::groups() const {
  std::vector<api::RuleGroupInfo> out;
  for (const auto& group : ruler_.view().groups) {
    api::RuleGroupInfo info;
    info.name = group->name;
    info.file = group->file;
    info.interval = group->interval;
    info.limit = group->limit;
    info.evaluation_time = group->evaluation_time;
    info.last_evaluation = group->last_evaluation;
    for (const ruler::RuleView& rule : group->rules) {
      info.rules.push_back(to_api(rule));
    }
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace tocsin::alertd
