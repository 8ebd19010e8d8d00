// The last step of a rule: from active alerts to what routing is told.
//
// An alert gets external labels and is relabelled when it leaves, and only then: state, series and
// templates keep to the rule's own labels. Relabelling depends on an alert's labels alone, so the
// same alert always leaves with the same ones, in this process and in the next.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "alertd/ruler/rule_runner.h"

namespace tocsin::ruler {

using base::WallTime;
using model::Labels;
using model::LabelsBuilder;

namespace {

constexpr std::string_view kSeverityLabel = "severity";

void set_annotation(Labels& annotations, std::string_view name, std::string_view text) {
  annotations = LabelsBuilder(annotations).set(name, text).build();
}

}  // namespace

std::optional<RuleRunner::Leaving> RuleRunner::leave(const Labels& alert) const {
  LabelsBuilder builder(alert);
  for (const auto& label : context_.external_labels) {
    if (builder.get(label.name).empty()) builder.set(label.name, label.value);
  }
  Leaving leaving{builder.build(), {}};
  if (!relabels()) return leaving;
  relabel::MutableLabels labels;
  for (const auto& label : leaving.labels) labels.emplace_back(label.name, label.value);
  if (!relabel::apply(*settings_.relabel, labels)) return std::nullopt;
  LabelsBuilder relabelled;
  for (const auto& [name, value] : labels) {
    if (!name.starts_with("__")) relabelled.set(name, value);
  }
  const std::string before(leaving.labels.get(kSeverityLabel));
  leaving.labels = relabelled.build();
  if (leaving.labels.empty()) return std::nullopt;
  const auto severity = leaving.labels.get(kSeverityLabel);
  if (!severity.empty() && severity != before) {
    leaving.severity = model::import_severity(severity).value_or(settings_.severity_default);
  }
  return leaving;
}

std::optional<model::Alert> RuleRunner::to_alert(const ActiveAlert& alert, WallTime ts) const {
  std::optional<Leaving> leaving = leave(alert.labels);
  if (!leaving) return std::nullopt;
  model::Alert out;
  out.labels = std::move(leaving->labels);
  out.annotations = alert.annotations;
  out.severity = leaving->severity.value_or(alert.severity);
  if (leaving->severity && state_->levelled()) {
    set_annotation(out.annotations, kSeverityLabel, model::to_string(out.severity));
  }
  out.starts_at = alert.fired_at.value_or(alert.active_at);
  if (alert.phase == AlertPhase::Inactive) out.ends_at = alert.resolved_at;
  out.valid_until = ts + 4 * std::max(settings_.interval, settings_.resend_delay);
  out.updated_at = ts;
  if (!alert.no_data_alert) out.value = alert.value;
  out.generator_url = context_.external_url + table_link(rule_.expr_text);
  out.rule_source = source();
  return out;
}

std::string RuleRunner::source() const {
  return rule_.place.file + ":" + std::to_string(rule_.place.line);
}

// Alerts that leave with the same labels are one alert to everybody else: the worst speaks for all.
std::map<Labels, const ActiveAlert*> RuleRunner::speakers() const {
  std::map<Labels, const ActiveAlert*> speakers;
  std::map<Labels, model::Severity> worst;
  if (!relabels()) return speakers;
  for (const auto& [labels, alert] : state_->alerts()) {
    if (alert.phase != AlertPhase::Firing) continue;
    const auto leaving = leave(labels);
    if (!leaving) continue;
    const model::Severity severity = leaving->severity.value_or(alert.severity);
    const auto [known, first] = worst.emplace(leaving->labels, severity);
    if (!first && severity <= known->second) continue;
    known->second = severity;
    speakers[leaving->labels] = &alert;
  }
  return speakers;
}

void RuleRunner::hand_over(WallTime ts, RuleOutcome& outcome) {
  const auto speakers = this->speakers();
  for (auto& [labels, alert] : state_->alerts()) {
    if (alert.phase == AlertPhase::Pending) continue;
    const bool never = !alert.last_sent_at;
    const bool resolved_since =
        alert.phase == AlertPhase::Inactive && (never || *alert.resolved_at > *alert.last_sent_at);
    const bool due = never || *alert.last_sent_at + settings_.resend_delay < ts;
    if (!resolved_since && !due && alert.severity == alert.sent_severity) continue;
    std::optional<model::Alert> out = to_alert(alert, ts);
    alert.last_sent_at = ts;
    const auto speaker = out ? speakers.find(out->labels) : speakers.end();
    if (speaker != speakers.end() && speaker->second != &alert) {
      // Its severity stays unsent: it speaks at once when its turn comes.
      ++outcome.alerts_merged;
      continue;
    }
    alert.sent_severity = alert.severity;
    if (out) {
      outcome.alerts.push_back(std::move(*out));
    } else {
      ++outcome.alerts_dropped;
    }
  }
}

void RuleRunner::say_unsaid(WallTime ts, RuleOutcome& outcome) {
  if (maybe_unsaid_.empty() || state_->restoring()) return;
  std::set<Labels> firing;
  for (const auto& [labels, alert] : state_->alerts()) {
    if (alert.phase != AlertPhase::Firing) continue;
    if (auto leaving = leave(labels)) firing.insert(std::move(leaving->labels));
  }
  for (model::Alert& alert : maybe_unsaid_) {
    if (firing.contains(alert.labels)) continue;
    alert.ends_at = ts;
    alert.updated_at = ts;
    alert.valid_until = ts + 4 * std::max(settings_.interval, settings_.resend_delay);
    alert.value.reset();
    outcome.alerts.push_back(std::move(alert));
  }
  maybe_unsaid_.clear();
}

std::vector<model::Alert> RuleRunner::still_told(WallTime ts,
                                                 std::span<const model::Alert> told) const {
  std::vector<model::Alert> still;
  for (const model::Alert& alert : told) {
    if (!state_ || !is_ours(alert) || alert.ends_at) continue;
    model::Alert& again = still.emplace_back(alert);
    again.updated_at = ts;
    again.valid_until = ts + 4 * std::max(settings_.interval, settings_.resend_delay);
  }
  return still;
}

// Labels are not what they were, or rewritten: then only the place of the rule tells whose it is.
bool RuleRunner::is_ours(const model::Alert& told) const {
  if (relabels() && told.rule_source == source()) return true;
  // Another rule may have the same name and other labels.
  return told.name() == rule_.name &&
         std::all_of(rule_.labels.begin(), rule_.labels.end(), [&](const NamedText& label) {
           return has_actions(label.text) || told.labels.get(label.name) == label.text;
         });
}

void RuleRunner::take_over(RuleRunner& old, WallTime now) {
  std::move(old.maybe_unsaid_.begin(), old.maybe_unsaid_.end(), std::back_inserter(maybe_unsaid_));
  old.maybe_unsaid_.clear();
  const bool other_labels = settings_.relabel != old.settings_.relabel;
  if (state_ && old.state_ && other_labels) {
    for (auto& [labels, alert] : old.state_->alerts()) {
      if (alert.phase != AlertPhase::Firing || !alert.last_sent_at) continue;
      auto before = old.to_alert(alert, now);
      const auto after = leave(labels);
      if (before && after && before->labels == after->labels) continue;
      alert.last_sent_at.reset();
      if (!before) continue;
      set_annotation(before->annotations, "resolved_because", "alert_relabel was changed");
      maybe_unsaid_.push_back(std::move(*before));
    }
  }
  if (state_ && old.state_) state_->take_over(*old.state_);
  written_ = std::move(old.written_);
  old.written_.clear();
}

std::vector<model::Alert> RuleRunner::end_alerts(WallTime ts, const std::string& because) {
  std::vector<model::Alert> ended;
  if (!state_) return ended;
  for (auto& [labels, alert] : state_->alerts()) {
    if (alert.phase != AlertPhase::Firing) continue;
    alert.phase = AlertPhase::Inactive;
    alert.resolved_at = ts;
    set_annotation(alert.annotations, "resolved_because", because);
    if (auto out = to_alert(alert, ts)) ended.push_back(std::move(*out));
  }
  return ended;
}

std::vector<model::Alert> RuleRunner::ended(WallTime ts, const std::vector<AlertEvent>& events,
                                            const std::string& because) {
  std::vector<model::Alert> alerts;
  const auto speakers = this->speakers();
  for (const AlertEvent& event : events) {
    const auto found = state_->alerts().find(event.labels);
    if (event.change != AlertChange::Resolved || found == state_->alerts().end()) continue;
    ActiveAlert& alert = found->second;
    set_annotation(alert.annotations, "resolved_because", because);
    alert.last_sent_at = ts;
    auto out = to_alert(alert, ts);
    if (out && !speakers.contains(out->labels)) alerts.push_back(std::move(*out));
  }
  return alerts;
}

std::vector<model::Alert> RuleRunner::forget_owner(WallTime ts, const model::LabelView& owner,
                                                   const std::string& because) {
  return state_ ? ended(ts, state_->forget_owner(ts, owner), because) : std::vector<model::Alert>{};
}

std::vector<model::Alert> RuleRunner::forget_alert(WallTime ts, const Labels& alert,
                                                   const std::string& because) {
  if (!state_ || (!relabels() && alert.get(model::kAlertName) != rule_.name)) return {};
  const auto gone = [&](const Labels& labels) {
    const auto leaving = leave(labels);
    return leaving && leaving->labels == alert;
  };
  return ended(ts, state_->forget(ts, gone), because);
}

}  // namespace tocsin::ruler
