#include "alertd/ruler/group.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "alertd/ruler/dependency.h"
#include "common/base/hash.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kComponent = "alertd/ruler";
// A wall clock that differs by more than this from the monotonic one was stepped.
constexpr base::Duration kClockStepMin{10'000};

base::Duration to_duration(base::MonotonicTime::duration time) {
  return std::chrono::duration_cast<base::Duration>(time);
}

double seconds(base::MonotonicTime::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

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

struct Group::Instruments {
  Instruments(base::Metrics& metrics, const base::MetricLabels& labels)
      : evaluations(metrics.counter("tocsin_alertd_rule_evaluations_total",
                                    "Evaluations of single rules.", labels)),
        failures(metrics.counter("tocsin_alertd_rule_evaluation_failures_total",
                                 "Evaluations of single rules that failed.", labels)),
        iterations(metrics.counter("tocsin_alertd_rule_group_iterations_total",
                                   "Evaluations of whole groups.", labels)),
        missed(metrics.counter("tocsin_alertd_rule_group_iterations_missed_total",
                               "Slots skipped because the evaluation before took too long.",
                               labels)),
        clock_steps(metrics.counter("tocsin_alertd_rule_clock_steps_total",
                                    "Steps of the wall clock between two evaluations.", labels)),
        append_failures(metrics.counter("tocsin_alertd_rule_append_failures_total",
                                        "Batches of rule results that the store refused.", labels)),
        samples_refused(metrics.counter("tocsin_alertd_rule_samples_refused_total",
                                        "Rule results the store did not keep.", labels)),
        template_failures(metrics.counter("tocsin_alertd_rule_template_failures_total",
                                          "Labels and annotations that failed to expand.", labels)),
        alerts_sent(metrics.counter("tocsin_alertd_rule_alerts_sent_total",
                                    "Alerts handed over to routing, repetitions included.",
                                    labels)),
        last_evaluation(metrics.gauge("tocsin_alertd_rule_group_last_evaluation_timestamp_seconds",
                                      "When the group was last evaluated.", labels)),
        last_duration(metrics.gauge("tocsin_alertd_rule_group_last_duration_seconds",
                                    "How long the last evaluation of the group took.", labels)),
        interval(metrics.gauge("tocsin_alertd_rule_group_interval_seconds",
                               "Interval of the group.", labels)),
        failing(metrics.gauge("tocsin_alertd_rule_group_rules_failing",
                              "Rules of the group whose last evaluation failed.", labels)),
        duration(metrics.histogram("tocsin_alertd_rule_evaluation_duration_seconds",
                                   "Time to evaluate one rule.",
                                   {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10})) {}

  base::Counter evaluations, failures, iterations, missed, clock_steps, append_failures,
      samples_refused, template_failures, alerts_sent;
  base::Gauge last_evaluation, last_duration, interval, failing;
  base::Histogram duration;
};

Group::Group(const RuleGroup& spec, const RulerWorld& world, const GroupOptions& options)
    : spec_(spec),
      world_(world),
      options_(options),
      statuses_(spec.rules.size()),
      instruments_(std::make_shared<Instruments>(
          world.metrics, base::MetricLabels{{"file", spec.file}, {"group", spec.name}})),
      strand_(world.executor) {
  instruments_->interval.set(std::chrono::duration<double>(spec.interval).count());
  context_.external_labels = options.external_labels;
  context_.external_url = options.external_url;
  context_.query = [this](const std::string& expr) -> base::Result<promql::Vector> {
    promql::Parsed parsed = promql::parse(expr);
    if (!parsed.expr) {
      return base::error(base::ErrorCode::InvalidArgument, parsed.errors.empty()
                                                               ? "the query does not parse"
                                                               : parsed.errors.front().message);
    }
    TC_TRY(auto result, world_.engine.instant(world_.source, *parsed.expr, context_.now));
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
    if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
      return promql::Vector{{model::Labels(), scalar->sample}};
    }
    return base::error(base::ErrorCode::InvalidArgument,
                       "the query gives neither an instant vector nor a scalar");
  };
}

base::Result<std::shared_ptr<Group>> Group::make(const RuleGroup& spec, const RulerWorld& world,
                                                 const GroupOptions& options) {
  std::shared_ptr<Group> group(new Group(spec, world, options));
  RunnerSettings settings;
  settings.interval = spec.interval;
  settings.query_offset = spec.query_offset;
  settings.limit = spec.limit;
  settings.resend_delay = options.resend_delay;
  settings.severity_default = options.severity_default;
  settings.state = options.state;
  for (const Rule& rule : spec.rules) {
    TC_TRY(auto runner, RuleRunner::make(rule, settings, group->context_));
    group->runners_.push_back(std::move(runner));
  }
  group->inherited_.resize(group->runners_.size());
  group->dependencies_ = find_dependencies(spec.rules);
  group->publish();
  return group;
}

void Group::start(Restore restore) {
  strand_.post([self = shared_from_this(), restore] {
    self->restore_ = restore == Restore::Yes;
    self->publish();
    self->last_clocks_ = {self->clock().wall(), self->clock().monotonic()};
    self->schedule();
  });
}

void Group::retire(base::Task done) {
  strand_.post([self = shared_from_this(), done = std::move(done)]() mutable {
    self->retiring_ = true;
    self->world_.executor.cancel(self->timer_);
    if (self->running_) {
      self->retired_ = std::move(done);
    } else {
      done();
    }
  });
}

void Group::forget_metrics() {
  const base::MetricLabels labels{{"file", spec_.file}, {"group", spec_.name}};
  for (const char* name :
       {"tocsin_alertd_rule_group_last_evaluation_timestamp_seconds",
        "tocsin_alertd_rule_group_last_duration_seconds",
        "tocsin_alertd_rule_group_interval_seconds", "tocsin_alertd_rule_group_rules_failing"}) {
    world_.metrics.remove_gauge(name, labels);
  }
}

void Group::abandon() {
  abandoned_ = true;
}

base::WallTime slot_before(const RuleGroup& group, base::WallTime time) {
  const std::int64_t interval = group.interval.count();
  const std::uint64_t hash = base::fnv1a(group.name, base::fnv1a(group.file));
  const auto phase = static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(interval));
  const std::int64_t since = base::to_ms(time) - phase;
  const std::int64_t slots = since >= 0 ? since / interval : -((-since + interval - 1) / interval);
  return base::wall_time(slots * interval + phase);
}

void Group::schedule() {
  if (retiring_ || abandoned_) return;
  const base::WallTime now = clock().wall();
  base::WallTime due = slot_before(now) + spec_.interval;
  // A slot that passed while the last evaluation ran is evaluated now, late; older ones are missed.
  if (last_ts_ && slot_before(now) > *last_ts_) due = now;
  timer_ = world_.executor.post_at(clock().monotonic() + (due - now), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->abandoned_) return;
    self->strand_.post([self] { self->wake(); });
  });
}

void Group::follow_clock_step() {
  const std::pair now{clock().wall(), clock().monotonic()};
  const base::Duration step =
      now.first - last_clocks_->first - to_duration(now.second - last_clocks_->second);
  last_clocks_ = now;
  if (std::chrono::abs(step) < kClockStepMin) return;
  instruments_->clock_steps.increment();
  base::log_warning(kComponent,
                    "group '{}': the wall clock was stepped by {} s; alerts keep their age",
                    spec_.name, std::chrono::duration<double>(step).count());
  for (auto& runner : runners_) runner->shift(step);
  if (last_ts_) *last_ts_ += step;
}

void Group::wake() {
  if (retiring_ || abandoned_ || running_) return;
  follow_clock_step();
  const base::WallTime ts = slot_before(clock().wall());
  if (last_ts_ && ts <= *last_ts_) {  // woken a little early, or the clock went back a little
    schedule();
    return;
  }
  if (last_ts_) {
    const auto skipped = (ts - *last_ts_) / spec_.interval - 1;
    if (skipped > 0) {
      missed_ += static_cast<std::uint64_t>(skipped);
      instruments_->missed.increment(static_cast<double>(skipped));
    }
  }
  last_ts_ = ts;
  running_ = true;
  context_.now = ts;
  iteration_ = {ts, clock().monotonic(), 0, std::make_shared<model::WriteBatch>(),
                std::vector<bool>(runners_.size())};
  if (restore_) restore_rules();
  run_rules();
}

void Group::restore_rules() {
  restore_ = false;
  const QueryWorld world{world_.engine, world_.source};
  std::span<const model::Alert> told;
  if (options_.told) told = *options_.told;
  for (auto& runner : runners_) {
    const auto restored = runner->restore(iteration_.ts, options_.outage_tolerance, world, told);
    if (restored) continue;
    base::log_error(kComponent,
                    "group '{}', rule '{}': the state before the restart is unreadable: {}",
                    spec_.name, runner->rule().name, restored.error().message);
  }
}

void Group::run_rules() {
  while (iteration_.next_rule < runners_.size()) {
    if (abandoned_) return;
    const std::size_t index = iteration_.next_rule;
    const bool waits =
        std::any_of(dependencies_[index].begin(), dependencies_[index].end(),
                    [&](std::size_t earlier) { return iteration_.unflushed[earlier]; });
    if (waits) {
      flush(&Group::run_rules);
      return;
    }
    run_rule(index);
    ++iteration_.next_rule;
  }
  if (iteration_.batch->empty()) {
    finish();
  } else {
    flush(&Group::finish);
  }
}

void Group::run_rule(std::size_t index) {
  const base::MonotonicTime began = clock().monotonic();
  const base::MonotonicTime deadline = began + options_.query_timeout;
  RuleRunner& runner = *runners_[index];
  RuleOutcome outcome = runner.run(iteration_.ts, {world_.engine, world_.source}, [&] {
    return abandoned_.load() || clock().monotonic() > deadline;
  });
  const auto took = clock().monotonic() - began;
  if (abandoned_) return;
  if (!outcome.error.empty() && clock().monotonic() > deadline) {
    outcome.error += " (after " + base::format_duration(to_duration(took)) + ", limit " +
                     base::format_duration(options_.query_timeout) + ")";
  }

  instruments_->evaluations.increment();
  instruments_->duration.observe(seconds(took));
  instruments_->template_failures.increment(static_cast<double>(outcome.template_failures));
  Status& status = statuses_[index];
  const std::string subject = "group '" + spec_.name + "', rule '" + runner.rule().name + "'";
  status.health = outcome.error.empty() ? RuleHealth::Ok : RuleHealth::Error;
  if (outcome.error.empty()) {
    failures_.clear(subject);
  } else {
    instruments_->failures.increment();
    failures_.report(subject, outcome.error);
  }
  status.error = std::move(outcome.error);
  status.warnings = std::move(outcome.warnings);
  status.took = to_duration(took);
  status.at = iteration_.ts;
  for (const auto& sample : outcome.samples) iteration_.batch->add(sample.labels, sample.sample);
  iteration_.unflushed[index] = !outcome.samples.empty();
  if (!outcome.alerts.empty()) {
    instruments_->alerts_sent.increment(static_cast<double>(outcome.alerts.size()));
    world_.sink.post(std::move(outcome.alerts));
  }
}

void Group::flush(void (Group::*then)()) {
  auto batch = std::exchange(iteration_.batch, std::make_shared<model::WriteBatch>());
  iteration_.unflushed.assign(runners_.size(), false);
  world_.appender.append(std::move(batch), [self = shared_from_this(),
                                            then](base::Result<model::AppendOutcome> outcome) {
    // After abandon() the executor may be gone.
    if (self->abandoned_) return;
    self->strand_.post([self, then, result = std::move(outcome)] {
      const std::string subject = "group '" + self->spec_.name + "', writing its series";
      if (!result) {
        self->instruments_->append_failures.increment();
        self->failures_.report(subject, result.error().message);
      } else {
        const auto& counts = *result;
        const std::uint64_t refused = counts.samples_conflicting + counts.samples_out_of_order +
                                      counts.samples_too_old + counts.samples_too_new +
                                      counts.series_refused;
        if (refused > 0) {
          self->instruments_->samples_refused.increment(static_cast<double>(refused));
          self->failures_.report(subject, "the store refused some samples of the group");
        } else {
          self->failures_.clear(subject);
        }
      }
      ((*self).*then)();
    });
  });
}

void Group::finish() {
  const auto took = clock().monotonic() - iteration_.began;
  took_ = to_duration(took);
  running_ = false;
  instruments_->iterations.increment();
  instruments_->last_evaluation.set(base::to_seconds(iteration_.ts));
  instruments_->last_duration.set(seconds(took));
  instruments_->failing.set(static_cast<double>(
      std::count_if(statuses_.begin(), statuses_.end(),
                    [](const Status& status) { return status.health == RuleHealth::Error; })));
  publish();
  if (retiring_) {
    if (retired_) std::exchange(retired_, nullptr)();
    return;
  }
  schedule();
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
