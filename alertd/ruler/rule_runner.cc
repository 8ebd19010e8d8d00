#include "alertd/ruler/rule_runner.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tocsin::ruler {
namespace {

using base::WallTime;
using model::Labels;
using model::LabelsBuilder;
using promql::VectorSample;

constexpr std::string_view kSeverityLabel = "severity";

std::string describe_age(const ActiveAlert& alert, WallTime ts) {
  const base::Duration age = ts - alert.no_data_since.value_or(ts);
  return base::format_duration(std::max(age, base::Duration{0}));
}

void set_annotation(Labels& annotations, std::string_view name, std::string_view text) {
  annotations = LabelsBuilder(annotations).set(name, text).build();
}

}  // namespace

base::Result<promql::Vector> to_vector(promql::QueryResult result) {
  if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
    return promql::Vector{{Labels(), scalar->sample}};
  }
  return base::error(base::ErrorCode::InvalidArgument,
                     "the result is neither an instant vector nor a scalar");
}

RuleRunner::RuleRunner(const Rule& rule, const RunnerSettings& settings,
                       const TemplateContext& context)
    : rule_(rule), settings_(settings), context_(context) {
  if (rule.kind == RuleKind::Recording) return;
  settings_.state.limit = settings.limit;
  for (const NamedText& label : rule.labels) {
    if (has_actions(label.text)) settings_.state.templated.push_back(label.name);
  }
  state_.emplace(rule.levels, rule.clear, rule.no_data, settings_.state);
}

base::Result<std::unique_ptr<RuleRunner>> RuleRunner::make(const Rule& rule,
                                                           const RunnerSettings& settings,
                                                           const TemplateContext& context) {
  std::unique_ptr<RuleRunner> runner(new RuleRunner(rule, settings, context));
  if (rule.kind == RuleKind::Recording) return runner;
  for (const NamedText& label : rule.labels) {
    TC_TRY(auto text, RuleText::parse(label.text, context));
    runner->labels_.push_back({label.name, std::move(text)});
  }
  for (const NamedText& annotation : rule.annotations) {
    TC_TRY(auto text, RuleText::parse(annotation.text, context));
    runner->annotations_.push_back({annotation.name, std::move(text)});
  }
  return runner;
}

RuleOutcome RuleRunner::run(WallTime ts, const QueryWorld& world,
                            const std::function<bool()>& cancelled) {
  const WallTime at = ts - settings_.query_offset;
  auto result = world.instant(*rule_.expr, at, cancelled);
  if (!result) return run_on(ts, std::move(result).error());
  std::vector<std::string> warnings = std::move(result->warnings);
  InputQuery input;
  if (rule_.input) {
    input = [&]() -> base::Result<promql::Vector> {
      TC_TRY(auto seen, world.instant(*rule_.input, at, cancelled));
      return to_vector(std::move(seen));
    };
  }
  RuleOutcome outcome = run_on(ts, to_vector(std::move(*result)), input);
  std::move(warnings.begin(), warnings.end(), std::back_inserter(outcome.warnings));
  return outcome;
}

RuleOutcome RuleRunner::run_on(WallTime ts, base::Result<promql::Vector> result,
                               const InputQuery& input) {
  RuleOutcome outcome;
  if (!result) {
    outcome.error = result.error().message;
  } else if (state_) {
    run_alerting(ts, std::move(*result), input, outcome);
  } else {
    run_recording(ts, std::move(*result), outcome);
  }
  if (state_) {
    hand_over(ts, outcome);
    if (outcome.error.empty()) {
      say_unsaid(ts, outcome);
    } else if (state_->restoring()) {
      for (model::Alert& alert : still_told(ts, maybe_unsaid_)) {
        outcome.alerts.push_back(std::move(alert));
      }
    }
  }
  return outcome;
}

bool RuleRunner::wants_input(WallTime ts, const promql::Vector& result) const {
  if (!state_ || !rule_.input) return false;
  std::vector<Observation> observations;
  observations.reserve(result.size());
  RuleOutcome ignored;
  for (VectorSample element : result) observations.push_back(observe(element, ignored));
  return state_->wants_input(ts, observations);
}

void RuleRunner::try_texts(const promql::Vector& result) const {
  RuleOutcome ignored;
  for (const VectorSample& element : result) {
    const TemplateData data{element.labels, element.sample.value};
    for (const auto* texts : {&labels_, &annotations_}) {
      for (const Text& text : *texts) {
        if (!text.text.constant()) expand(text.text, data, ignored);
      }
    }
  }
}

Labels RuleRunner::identity(VectorSample element) const {
  RuleOutcome ignored;
  return observe(element, ignored).labels;
}

bool RuleRunner::constant_labels() const {
  return std::all_of(labels_.begin(), labels_.end(),
                     [](const Text& label) { return label.text.constant(); });
}

void RuleRunner::run_recording(WallTime ts, promql::Vector vector, RuleOutcome& outcome) {
  if (settings_.limit > 0 && vector.size() > settings_.limit) {
    outcome.error = "the rule gives " + std::to_string(vector.size()) + " series, limit " +
                    std::to_string(settings_.limit);
    return;
  }
  const std::int64_t at_ms = base::to_ms(ts - settings_.query_offset);
  outcome.samples.reserve(vector.size());
  for (VectorSample& element : vector) {
    LabelsBuilder labels(element.labels);
    labels.set(model::kMetricName, rule_.name);
    for (const NamedText& label : rule_.labels) labels.set(label.name, label.text);
    outcome.samples.push_back({labels.build(), {at_ms, element.sample.value}});
  }
  std::sort(outcome.samples.begin(), outcome.samples.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  const auto twin =
      std::adjacent_find(outcome.samples.begin(), outcome.samples.end(),
                         [](const auto& a, const auto& b) { return a.labels == b.labels; });
  if (twin != outcome.samples.end()) {
    outcome.error = "two elements of the result have the same labels " + twin->labels.to_string() +
                    " once the rule's labels are applied";
    outcome.samples.clear();
    return;
  }
  track_series(ts, outcome);
}

std::string RuleRunner::expand(const RuleText& text, const TemplateData& data,
                               RuleOutcome& outcome) const {
  auto expanded = text.expand(data);
  if (expanded) return std::move(*expanded);
  ++outcome.template_failures;
  return "<error expanding template: " + expanded.error().message + ">";
}

Observation RuleRunner::observe(VectorSample& element, RuleOutcome& outcome) const {
  Observation observation;
  observation.value = element.sample.value;
  LabelsBuilder labels(element.labels);
  labels.remove(model::kMetricName);
  const TemplateData data{element.labels, element.sample.value};
  for (const Text& label : labels_) labels.set(label.name, expand(label.text, data, outcome));
  labels.set(model::kAlertName, rule_.name);
  observation.labels = labels.build();
  observation.severity = model::import_severity(observation.labels.get(kSeverityLabel))
                             .value_or(settings_.severity_default);
  observation.result_labels = std::move(element.labels);
  return observation;
}

void RuleRunner::run_alerting(WallTime ts, promql::Vector vector, const InputQuery& input,
                              RuleOutcome& outcome) {
  std::vector<Observation> observations;
  observations.reserve(vector.size());
  for (VectorSample& element : vector) observations.push_back(observe(element, outcome));
  std::optional<std::vector<InputElement>> seen;
  if (input && state_->wants_input(ts, observations)) {
    auto result = input();
    if (result) {
      seen = input_elements(std::move(*result));
    } else {
      outcome.warnings.push_back("no_data is not watched: " + result.error().message);
    }
  }
  auto events = state_->step(ts, observations, seen ? &*seen : nullptr);
  if (!events) {
    outcome.error = events.error().message;
    return;
  }
  if (const std::size_t unwatched = state_->unwatched(); unwatched > 0) {
    outcome.warnings.push_back("no_data: " + std::to_string(unwatched) +
                               " label sets are not watched, the limit is " +
                               std::to_string(settings_.state.no_data_watched_max));
  }
  outcome.events = std::move(*events);
  annotate(ts, outcome);
  write_alert_series(ts, outcome);
  track_series(ts, outcome);
}

std::vector<InputElement> RuleRunner::input_elements(promql::Vector vector) const {
  std::vector<InputElement> elements;
  elements.reserve(vector.size());
  const bool constant = constant_labels();
  RuleOutcome ignored;
  for (VectorSample& element : vector) {
    // A plain alert's input tells which label sets there are, not their values.
    if (!state_->levelled()) element.sample.value = std::numeric_limits<double>::quiet_NaN();
    Labels labels = observe(element, ignored).labels;
    if (constant) {
      elements.push_back({std::move(labels), {}});
    } else {
      Labels key = state_->key_of(labels);
      elements.push_back({std::move(key), std::move(labels)});
    }
  }
  return elements;
}

void RuleRunner::annotate(WallTime ts, RuleOutcome& outcome) {
  for (auto& [labels, alert] : state_->alerts()) {
    if (alert.phase == AlertPhase::Inactive) continue;
    if (settings_.annotate_once && !alert.annotations.empty() && alert.fired_at != ts) continue;
    const bool fresh = alert.last_seen == ts || (!alert.no_data_since && alert.annotations.empty());
    if (fresh || (alert.no_data_alert && alert.annotations.empty())) {
      LabelsBuilder built;
      const TemplateData data{alert.result_labels, alert.value};
      for (const Text& text : annotations_) {
        // The rule's sentences speak of a value that is not there.
        if (alert.no_data_alert && !text.text.constant()) continue;
        std::string expanded = expand(text.text, data, outcome);
        // A path of our own, from `runbook = "name"`: whoever reads it in a mail needs the whole
        // URL.
        if (text.name == "runbook_url" && expanded.starts_with('/')) {
          expanded.insert(0, context_.external_url);
        }
        built.set(text.name, expanded);
      }
      if (alert.no_data_alert) {
        built.set("summary", "no data for " + rule_.name + " of " +
                                 LabelsBuilder(alert.labels)
                                     .remove(model::kAlertName)
                                     .remove(kNoDataLabel)
                                     .build()
                                     .to_string());
      }
      alert.annotations = built.build();
    }
    if (alert.no_data_since) {
      set_annotation(alert.annotations, "no_data",
                     "no data since " + base::format_rfc3339(*alert.no_data_since) + " (" +
                         describe_age(alert, ts) + ")");
    }
    if (state_->levelled()) {
      set_annotation(alert.annotations, kSeverityLabel, model::to_string(alert.severity));
    }
  }
}

void RuleRunner::write_alert_series(WallTime ts, RuleOutcome& outcome) const {
  if (!settings_.alert_series) return;
  const std::int64_t at_ms = base::to_ms(ts - settings_.query_offset);
  for (const auto& [labels, alert] : state_->alerts()) {
    if (alert.phase == AlertPhase::Inactive) continue;
    LabelsBuilder series(alert.labels);
    series.set(model::kMetricName, "ALERTS").set("alertstate", to_string(alert.phase));
    if (state_->levelled()) series.set(kSeverityLabel, model::to_string(alert.severity));
    outcome.samples.push_back({series.build(), {at_ms, 1}});

    series.set(model::kMetricName, "ALERTS_FOR_STATE").remove("alertstate");
    if (!state_->levelled() || alert.no_data_alert) {
      outcome.samples.push_back({series.build(), {at_ms, base::to_seconds(alert.active_at)}});
      continue;
    }
    for (std::size_t i = 0; i < state_->levels().size(); ++i) {
      if (!alert.levels[i].since) continue;
      series.set(kSeverityLabel, model::to_string(state_->levels()[i].severity));
      outcome.samples.push_back(
          {series.build(), {at_ms, base::to_seconds(*alert.levels[i].since)}});
    }
  }
}

void RuleRunner::track_series(WallTime ts, RuleOutcome& outcome) {
  std::vector<Labels> now;
  now.reserve(outcome.samples.size());
  for (const VectorSample& sample : outcome.samples) now.push_back(sample.labels);
  std::sort(now.begin(), now.end());
  const std::int64_t at_ms = base::to_ms(ts - settings_.query_offset);
  if (state_ && state_->restoring()) {
    // What has not shown up yet may still go on: a marker now would lose it in the next restart.
    std::vector<Labels> all;
    std::set_union(written_.begin(), written_.end(), now.begin(), now.end(),
                   std::back_inserter(all));
    written_ = std::move(all);
    return;
  }
  std::vector<Labels> gone;
  std::set_difference(written_.begin(), written_.end(), now.begin(), now.end(),
                      std::back_inserter(gone));
  for (Labels& labels : gone) {
    outcome.samples.push_back({std::move(labels), {at_ms, model::stale_marker()}});
  }
  written_ = std::move(now);
}

std::vector<VectorSample> RuleRunner::end_series(WallTime ts) {
  const std::int64_t at_ms = base::to_ms(ts - settings_.query_offset);
  std::vector<VectorSample> markers;
  for (Labels& labels : written_) {
    markers.push_back({std::move(labels), {at_ms, model::stale_marker()}});
  }
  written_.clear();
  return markers;
}

bool RuleRunner::writes(const Labels& series) const {
  return std::binary_search(written_.begin(), written_.end(), series);
}

void RuleRunner::welcome(const model::LabelView& owner) {
  if (state_) state_->welcome(owner);
}

void RuleRunner::shift(base::Duration by) {
  if (state_) state_->shift(by);
}

}  // namespace tocsin::ruler
