#include "alertd/ruler/group.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "alertd/ruler/dependency.h"
#include "alertd/ruler/group_instruments.h"

namespace tocsin::ruler {
namespace {

constexpr std::string_view kComponent = "alertd/ruler";
// Where the last evaluation before a restart is looked for if our own metrics do not tell: what
// has gone stale in the meantime is not missed.
constexpr base::Duration kSeenBefore{300'000};
constexpr std::string_view kLastEvaluation =
    "tocsin_alertd_rule_group_last_evaluation_timestamp_seconds";

base::Duration to_duration(base::MonotonicTime::duration time) {
  return std::chrono::duration_cast<base::Duration>(time);
}

double seconds(base::MonotonicTime::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

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
  context_.query = [this](const std::string& expr) {
    return evaluator_->query(expr, context_.now);
  };
}

base::Result<std::shared_ptr<Group>> Group::make(const RuleGroup& spec, const RulerWorld& world,
                                                 const GroupOptions& options) {
  std::shared_ptr<Group> group(new Group(spec, world, options));
  if (spec.datasource.empty()) {
    group->evaluator_ = make_local_evaluator(world.engine, world.source, options.parse);
  } else if (world.datasources) {
    group->evaluator_ = world.datasources(spec);
  }
  if (!group->evaluator_) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "there is no datasource '" + spec.datasource + "'");
  }
  RunnerSettings settings;
  settings.interval = spec.interval;
  settings.query_offset = spec.query_offset;
  settings.limit = spec.limit;
  settings.resend_delay = options.resend_delay;
  settings.severity_default = options.severity_default;
  settings.state = options.state;
  settings.relabel = options.relabel;
  for (const Rule& rule : spec.rules) {
    TC_TRY(auto runner, RuleRunner::make(rule, settings, group->context_));
    group->evaluator_->add(rule);
    group->runners_.push_back(std::move(runner));
  }
  group->inherited_.resize(group->runners_.size());
  group->dependencies_ = find_dependencies(spec.rules);
  group->waves_ = plan_waves(spec.rules);
  group->publish();
  return group;
}

void Group::start(Restore restore) {
  strand_.post([self = shared_from_this(), restore] {
    self->restore_ = restore == Restore::Yes;
    self->publish();
    self->last_clocks_ = {self->clock().wall(), self->clock().monotonic()};
    self->listen();
    self->schedule();
  });
}

void Group::retire(base::Task done) {
  strand_.post([self = shared_from_this(), done = std::move(done)]() mutable {
    self->retiring_ = true;
    self->world_.executor.cancel(self->timer_);
    if (self->listener_ != 0) self->world_.arrivals->forget(self->listener_);
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

std::optional<base::WallTime> Group::last_evaluation_before(base::WallTime now) const {
  const std::vector<model::Matcher> matchers{
      model::Matcher::equal(std::string(model::kMetricName), std::string(kLastEvaluation)),
      model::Matcher::equal("file", spec_.file), model::Matcher::equal("group", spec_.name)};
  const std::int64_t begin_ms = base::to_ms(now - options_.state.no_data_forget);
  const auto set = world_.source.select(matchers, begin_ms, base::to_ms(now), {});
  if (!set) return std::nullopt;
  std::optional<base::WallTime> last;
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    samples.clear();
    if (!(*set)->samples(i, begin_ms, base::to_ms(now), samples)) continue;
    for (const model::Sample& sample : samples) {
      if (!(sample.value > 0 && sample.value < 1e12)) continue;
      const auto at = base::wall_time(static_cast<std::int64_t>(sample.value * 1000));
      if (at < now && (!last || at > *last)) last = at;
    }
  }
  return last;
}

void Group::begin_with_past() {
  const base::WallTime seen_at =
      last_evaluation_before(iteration_.ts).value_or(iteration_.ts - kSeenBefore);
  PastRequest request{{}, iteration_.ts - options_.outage_tolerance, iteration_.ts, seen_at};
  for (const Rule& rule : spec_.rules) request.rules.push_back(&rule);
  evaluator_->past(request, [self = shared_from_this(), seen_at](const auto& past) {
    if (self->abandoned_) return;
    if (past) self->restore_rules(*past, seen_at);
    self->strand_.post([self, why = past ? std::string() : past.error().message] {
      if (self->abandoned_) return;
      if (!why.empty()) return self->wait_for_past(why);
      self->restore_ = false;
      self->run_rules();
    });
  });
}

// Without the past no alert may begin anew, nor end: this round is left out.
void Group::wait_for_past(const std::string& why) {
  for (std::size_t i = 0; i < runners_.size(); ++i) {
    RuleOutcome outcome;
    outcome.error = "the state before the restart cannot be read: " + why;
    outcome.alerts = runners_[i]->still_told(iteration_.ts, told());
    take_outcome(i, std::move(outcome), base::Duration{0});
  }
  finish();
}

std::span<const model::Alert> Group::told() const {
  if (!options_.told) return {};
  return *options_.told;
}

void Group::restore_rules(const QueryWorld& world, base::WallTime seen_at) {
  for (auto& runner : runners_) {
    const auto restored =
        runner->restore(iteration_.ts, options_.outage_tolerance, world, told(), seen_at);
    if (restored) continue;
    base::log_error(kComponent,
                    "group '{}', rule '{}': the state before the restart is unreadable: {}",
                    spec_.name, runner->rule().name, restored.error().message);
  }
}

void Group::run_rules() {
  while (iteration_.next_wave < waves_.size()) {
    if (abandoned_) return;
    std::vector<std::size_t> rules;
    bool waits = false;
    for (const std::size_t index : waves_[iteration_.next_wave]) {
      if (!iteration_.rules[index]) continue;
      rules.push_back(index);
      waits = waits || std::any_of(dependencies_[index].begin(), dependencies_[index].end(),
                                   [&](std::size_t k) { return iteration_.unflushed[k]; });
    }
    if (waits) {
      flush(&Group::run_rules);
      return;
    }
    ++iteration_.next_wave;
    if (rules.empty()) continue;
    run_wave(rules);
    return;
  }
  add_orphans();
  if (iteration_.batch->empty()) {
    finish();
  } else {
    flush(&Group::finish);
  }
}

struct Group::Wave {
  struct Done {
    RuleOutcome outcome;
    base::Duration took{0};
  };
  std::vector<std::size_t> rules;
  std::vector<Done> done;  // one thread writes each
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> left{0};
};

void Group::run_wave(const std::vector<std::size_t>& rules) {
  auto wave = std::make_shared<Wave>();
  wave->rules = rules;
  wave->done.resize(rules.size());
  wave->left = rules.size();
  const std::size_t workers = std::clamp<std::size_t>(options_.rules_at_once, 1, rules.size());
  for (std::size_t i = 1; i < workers; ++i) {
    world_.executor.post([self = shared_from_this(), wave] { self->run_next(wave); });
  }
  run_next(wave);
}

// One rule, then the next in line: posted anew rather than looped, so that one busy group does not
// keep all threads to itself. The last one to finish takes the wave back to the strand.
void Group::run_next(const std::shared_ptr<Wave>& wave) {
  if (abandoned_) return;
  const std::size_t mine = wave->next++;
  if (mine >= wave->rules.size()) return;
  const base::MonotonicTime began = clock().monotonic();
  const base::MonotonicTime deadline = began + options_.query_timeout;
  const auto self = shared_from_this();
  evaluator_->run(
      *runners_[wave->rules[mine]], iteration_.ts,
      [self, deadline] { return self->abandoned_.load() || self->clock().monotonic() > deadline; },
      [self, wave, mine, began](RuleOutcome outcome) {
        self->ran(wave, mine, began, std::move(outcome));
      });
}

void Group::ran(const std::shared_ptr<Wave>& wave, std::size_t index, base::MonotonicTime began,
                RuleOutcome outcome) {
  if (abandoned_) return;
  const base::MonotonicTime end = clock().monotonic();
  wave->done[index] = {std::move(outcome), to_duration(end - began)};
  instruments_->duration.observe(seconds(end - began));
  if (--wave->left == 0) {
    strand_.post([self = shared_from_this(), wave] { self->take_wave(*wave); });
  } else if (wave->next < wave->rules.size()) {
    world_.executor.post([self = shared_from_this(), wave] { self->run_next(wave); });
  }
}

void Group::take_wave(Wave& wave) {
  if (abandoned_) return;
  // In order of the file, whichever was done first.
  for (std::size_t i = 0; i < wave.rules.size(); ++i) {
    take_outcome(wave.rules[i], std::move(wave.done[i].outcome), wave.done[i].took);
  }
  run_rules();
}

void Group::take_outcome(std::size_t index, RuleOutcome outcome, base::Duration took) {
  if (!outcome.error.empty() && took > options_.query_timeout) {
    outcome.error += " (after " + base::format_duration(took) + ", limit " +
                     base::format_duration(options_.query_timeout) + ")";
  }
  instruments_->evaluations.increment();
  instruments_->template_failures.increment(static_cast<double>(outcome.template_failures));
  instruments_->alerts_dropped.increment(static_cast<double>(outcome.alerts_dropped));
  instruments_->alerts_merged.increment(static_cast<double>(outcome.alerts_merged));
  Status& status = statuses_[index];
  const std::string subject =
      "group '" + spec_.name + "', rule '" + runners_[index]->rule().name + "'";
  status.health = outcome.error.empty() ? RuleHealth::Ok : RuleHealth::Error;
  if (outcome.error.empty()) {
    failures_.clear(subject);
  } else {
    instruments_->failures.increment();
    failures_.report(subject, outcome.error);
  }
  status.error = std::move(outcome.error);
  status.warnings = std::move(outcome.warnings);
  status.took = took;
  status.at = iteration_.ts;
  for (const auto& sample : outcome.samples) iteration_.batch->add(sample.labels, sample.sample);
  iteration_.unflushed[index] = !outcome.samples.empty();
  if (!outcome.alerts.empty()) {
    instruments_->alerts_sent.increment(static_cast<double>(outcome.alerts.size()));
    hand_over(std::move(outcome.alerts));
  }
}

void Group::add_orphans() {
  const std::int64_t at_ms = base::to_ms(iteration_.ts - spec_.query_offset);
  for (const model::Labels& series : std::exchange(orphans_, {})) {
    const bool written = std::any_of(runners_.begin(), runners_.end(),
                                     [&](const auto& runner) { return runner->writes(series); });
    if (!written) iteration_.batch->add(series, {at_ms, model::stale_marker()});
  }
}

void Group::flush(void (Group::*then)()) {
  auto batch = std::exchange(iteration_.batch, std::make_shared<model::WriteBatch>());
  iteration_.unflushed.assign(runners_.size(), false);
  const Chain& chain = iteration_.chain;
  world_.appender.append(batch, [self = shared_from_this(), batch, chain,
                                 then](base::Result<model::AppendOutcome> outcome) {
    // After abandon() the executor may be gone.
    if (self->abandoned_) return;
    if (self->world_.arrivals && outcome && outcome->samples_appended > 0) {
      self->world_.arrivals->show(*batch, self->clock().wall(), chain);
    }
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
      self->evaluator_->begin_round();  // what follows may read what was written
      ((*self).*then)();
    });
  });
}

void Group::finish() {
  const auto took = clock().monotonic() - iteration_.began;
  took_ = to_duration(took);
  running_ = false;
  evaluator_->begin_round();
  for (base::Task& task : std::exchange(waiting_, {})) task();
  const bool whole =
      std::find(iteration_.rules.begin(), iteration_.rules.end(), false) == iteration_.rules.end();
  if (whole) instruments_->iterations.increment();
  instruments_->last_evaluation.set(base::to_seconds(iteration_.ts));
  instruments_->last_duration.set(seconds(took));
  instruments_->failing.set(static_cast<double>(
      std::count_if(statuses_.begin(), statuses_.end(),
                    [](const Status& status) { return status.health == RuleHealth::Error; })));
  publish();
  keep_record();
  if (retiring_) {
    if (retired_) std::exchange(retired_, nullptr)();
    return;
  }
  schedule();
}

// While rules run on other threads, the strand is free and their state is not.
void Group::between_evaluations(base::Task task) {
  strand_.post([self = shared_from_this(), task = std::move(task)]() mutable {
    if (self->abandoned_) return;
    if (self->running_) {
      self->waiting_.push_back(std::move(task));
    } else {
      task();
    }
  });
}

void Group::for_runners(const std::function<std::vector<model::Alert>(RuleRunner&)>& change) {
  for (auto& runner : runners_) {
    auto ended = change(*runner);
    if (ended.empty()) continue;
    instruments_->alerts_sent.increment(static_cast<double>(ended.size()));
    hand_over(std::move(ended));
  }
  keep_record();
  publish();
}

void Group::forget_owner(const std::string& label, const std::string& value,
                         const std::string& because) {
  between_evaluations([this, label, value, because] {
    for_runners([&](RuleRunner& runner) {
      return runner.forget_owner(clock().wall(), {label, value}, because);
    });
  });
}

void Group::forget_alert(const model::Labels& alert, const std::string& because) {
  between_evaluations([this, alert, because] {
    for_runners(
        [&](RuleRunner& runner) { return runner.forget_alert(clock().wall(), alert, because); });
  });
}

void Group::welcome(const std::string& label, const std::string& value) {
  between_evaluations([this, label, value] {
    for (auto& runner : runners_) runner->welcome({label, value});
  });
}

}  // namespace tocsin::ruler
