// What a group shows of itself: its metrics, and the picture for the API.

#include <chrono>

#include "alertd/ruler/group_instruments.h"

namespace tocsin::ruler {

Group::Instruments::Instruments(base::Metrics& metrics, const base::MetricLabels& labels)
    : evaluations(metrics.counter("tocsin_alertd_rule_evaluations_total",
                                  "Evaluations of single rules.", labels)),
      failures(metrics.counter("tocsin_alertd_rule_evaluation_failures_total",
                               "Evaluations of single rules that failed.", labels)),
      iterations(metrics.counter("tocsin_alertd_rule_group_iterations_total",
                                 "Evaluations of whole groups.", labels)),
      missed(metrics.counter("tocsin_alertd_rule_group_iterations_missed_total",
                             "Slots skipped because the evaluation before took too long.", labels)),
      clock_steps(metrics.counter("tocsin_alertd_rule_clock_steps_total",
                                  "Steps of the wall clock between two evaluations.", labels)),
      append_failures(metrics.counter("tocsin_alertd_rule_append_failures_total",
                                      "Batches of rule results that the store refused.", labels)),
      samples_refused(metrics.counter("tocsin_alertd_rule_samples_refused_total",
                                      "Rule results the store did not keep.", labels)),
      template_failures(metrics.counter("tocsin_alertd_rule_template_failures_total",
                                        "Labels and annotations that failed to expand.", labels)),
      alerts_sent(metrics.counter("tocsin_alertd_rule_alerts_sent_total",
                                  "Alerts handed over to routing, repetitions included.", labels)),
      alerts_dropped(metrics.counter("tocsin_alertd_rule_alerts_dropped_total",
                                     "Alerts that alert_relabel dropped, repetitions included.",
                                     labels)),
      alerts_merged(metrics.counter("tocsin_alertd_rule_alerts_merged_total",
                                    "Alerts left out because alert_relabel made them equal to "
                                    "another of their rule, repetitions included.",
                                    labels)),
      arrivals(metrics.counter("tocsin_alertd_rule_group_arrivals_total",
                               "Evaluations begun because data arrived.", labels)),
      last_evaluation(metrics.gauge("tocsin_alertd_rule_group_last_evaluation_timestamp_seconds",
                                    "When the group was last evaluated.", labels)),
      last_duration(metrics.gauge("tocsin_alertd_rule_group_last_duration_seconds",
                                  "How long the last evaluation of the group took.", labels)),
      interval(metrics.gauge("tocsin_alertd_rule_group_interval_seconds", "Interval of the group.",
                             labels)),
      failing(metrics.gauge("tocsin_alertd_rule_group_rules_failing",
                            "Rules of the group whose last evaluation failed.", labels)),
      duration(metrics.histogram("tocsin_alertd_rule_evaluation_duration_seconds",
                                 "Time to evaluate one rule.",
                                 {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10})) {}

std::string_view to_string(RuleHealth health) {
  switch (health) {
    case RuleHealth::Unknown:
      return "unknown";
    case RuleHealth::Ok:
      return "ok";
    case RuleHealth::Error:
      return "err";
  }
  return "unknown";
}

RuleView Group::view_of(std::size_t index) const {
  const Rule& rule = spec_.rules[index];
  const Status& status = statuses_[index];
  RuleView view{rule.kind,
                rule.name,
                rule.expr_text,
                rule.labels,
                rule.annotations,
                rule.levels,
                rule.levelled,
                rule.clear,
                rule.no_data,
                rule.place,
                status.health,
                status.error,
                status.warnings,
                status.took,
                status.at,
                AlertPhase::Inactive,
                {}};
  const AlertState* state = runners_[index]->state();
  if (!state) return view;
  for (const auto& [labels, alert] : state->alerts()) {
    if (alert.phase == AlertPhase::Inactive) continue;
    view.state = std::max(view.state, alert.phase);
    AlertView shown{alert.labels,   alert.annotations, alert.phase,
                    alert.severity, alert.value,       alert.active_at,
                    alert.fired_at, std::nullopt,      alert.no_data_since};
    if (alert.top >= 0)
      shown.keep_firing_since = alert.levels[static_cast<std::size_t>(alert.top)].left;
    view.alerts.push_back(std::move(shown));
  }
  return view;
}

void Group::publish() {
  auto view = std::make_shared<GroupView>();
  view->name = spec_.name;
  view->file = spec_.file;
  view->interval = spec_.interval;
  view->query_offset = spec_.query_offset;
  view->datasource = spec_.datasource;
  view->limit = spec_.limit;
  view->missed = missed_;
  view->evaluation_time = took_;
  view->last_evaluation = last_ts_;
  for (std::size_t i = 0; i < runners_.size(); ++i) view->rules.push_back(view_of(i));
  base::MutexLock lock(mutex_);
  view_ = std::move(view);
}

std::shared_ptr<const GroupView> Group::view() const {
  base::MutexLock lock(mutex_);
  return view_;
}

}  // namespace tocsin::ruler
