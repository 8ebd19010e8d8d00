#include "cli/backtest/rule_replay.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace tocsin::backtest {
namespace {

// Receivers are told of changes only: an alert handed over holds until it is handed over again.
constexpr base::Duration kNeverAgain = std::chrono::hours(24 * 3650);

/// The rule's input over a portion of slots: queried when first asked for, then looked up.
class Inputs {
 public:
  Inputs(const InputRange& range, Slots instants) : range_(range), instants_(instants) {}

  base::Result<promql::Vector> at(std::size_t index) {
    if (!asked_) {
      asked_ = true;
      auto rest = range_(instants_.part(index, instants_.count - index));
      if (rest) matrix_ = std::move(*rest);
      one_by_one_ = !rest;
    }
    if (one_by_one_) {
      TC_TRY(matrix_, range_(instants_.part(index, 1)));
    }
    const std::int64_t at_ms = base::to_ms(instants_.at(index));
    promql::Vector vector;
    for (const promql::MatrixSeries& series : matrix_) {
      const auto found =
          std::ranges::lower_bound(series.samples, at_ms, {}, &model::Sample::timestamp_ms);
      if (found == series.samples.end() || found->timestamp_ms != at_ms) continue;
      vector.push_back({series.labels, *found});
    }
    return vector;
  }

 private:
  const InputRange& range_;
  const Slots instants_;
  bool asked_ = false;
  bool one_by_one_ = false;  ///< Some instant of the portion fails: each is asked for by itself.
  promql::Matrix matrix_;
};

}  // namespace

RuleReplay::RuleReplay(const ruler::RuleGroup& group, const ReplaySettings& settings,
                       ruler::MemoryStore* written)
    : query_offset_(group.query_offset),
      valid_for_(4 * std::max(group.interval, settings.resend_delay)),
      written_(written) {
  result_.group = group.name;
  context_.external_url = settings.external_url;
  if (!settings.query) return;
  context_.query = [this, query = settings.query](const std::string& expr) {
    return query(expr, context_.now);
  };
}

base::Result<std::unique_ptr<RuleReplay>> RuleReplay::make(const ruler::Rule& rule,
                                                           const ruler::RuleGroup& group,
                                                           const ReplaySettings& settings,
                                                           ruler::MemoryStore* written) {
  std::unique_ptr<RuleReplay> replay(new RuleReplay(group, settings, written));
  ruler::RunnerSettings runner;
  runner.interval = group.interval;
  runner.query_offset = group.query_offset;
  runner.limit = group.limit;
  runner.severity_default = settings.severity_default;
  runner.resend_delay = kNeverAgain;
  runner.annotate_once = true;
  runner.alert_series = written != nullptr;
  TC_TRY(replay->runner_, ruler::RuleRunner::make(rule, runner, replay->context_));
  RuleResult& result = replay->result_;
  result.name = rule.name;
  result.source = rule.place.file + ":" + std::to_string(rule.place.line);
  result.alerting = rule.kind == ruler::RuleKind::Alerting;
  return replay;
}

bool RuleReplay::may_skip_quiet(const promql::Matrix& matrix,
                                std::vector<model::Labels>& identities) const {
  const ruler::AlertState* state = runner_->state();
  if (state == nullptr || !state->levelled() || !state->may_skip_quiet()) return false;
  if (!runner_->constant_labels()) return false;
  std::unordered_set<model::Labels> seen;
  identities.reserve(matrix.size());
  for (const promql::MatrixSeries& series : matrix) {
    identities.push_back(runner_->identity({series.labels, {}}));
    // Two that become one are an error of the slot: the runner must see both.
    if (!seen.insert(identities.back()).second) return false;
  }
  return true;
}

void RuleReplay::mark_active(const std::vector<model::Labels>& identities,
                             std::vector<Cursor>& cursors) {
  changed_ = false;
  const auto& alerts = runner_->state()->alerts();
  for (std::size_t i = 0; i < cursors.size(); ++i) {
    const auto found = alerts.empty() ? alerts.end() : alerts.find(identities[i]);
    cursors[i].active = found != alerts.end() && found->second.phase != ruler::AlertPhase::Inactive;
  }
}

void RuleReplay::feed(const promql::Matrix& matrix, const Slots& slots, const InputRange& input) {
  Inputs inputs(input, {slots.begin - query_offset_, slots.step, slots.count});
  std::vector<model::Labels> identities;
  const bool skip_quiet = may_skip_quiet(matrix, identities);
  const ruler::AlertState* state = runner_->state();
  std::vector<Cursor> cursors(matrix.size());
  if (skip_quiet) mark_active(identities, cursors);
  promql::Vector vector;
  for (std::size_t i = 0; i < slots.count; ++i) {
    const base::WallTime slot = slots.at(i);
    const std::int64_t at_ms = base::to_ms(slot - query_offset_);
    vector.clear();
    for (std::size_t s = 0; s < matrix.size(); ++s) {
      Cursor& cursor = cursors[s];
      const auto& samples = matrix[s].samples;
      while (cursor.next < samples.size() && samples[cursor.next].timestamp_ms < at_ms) {
        ++cursor.next;
      }
      if (cursor.next == samples.size() || samples[cursor.next].timestamp_ms != at_ms) continue;
      const model::Sample& sample = samples[cursor.next];
      if (skip_quiet && !cursor.active && !state->beyond(sample.value)) continue;
      vector.push_back({matrix[s].labels, sample});
    }
    if (vector.empty() && state != nullptr && state->may_skip_quiet() && state->alerts().empty()) {
      ++result_.evaluations;
      continue;
    }
    step(slot, std::move(vector), [&] { return inputs.at(i); });
    vector = {};
    if (skip_quiet && changed_) mark_active(identities, cursors);
  }
}

void RuleReplay::step(base::WallTime slot, base::Result<promql::Vector> result,
                      const ruler::InputQuery& input) {
  context_.now = slot;
  ruler::RuleOutcome outcome =
      runner_->run_on(slot, std::move(result), runner_->rule().input ? input : ruler::InputQuery());
  ++result_.evaluations;
  changed_ = !outcome.events.empty() || !outcome.error.empty();
  if (!outcome.error.empty()) {
    if (result_.failures++ == 0) {
      result_.first_error = outcome.error;
      result_.first_error_at = slot;
    }
    // Over its limit a rule forgets its alerts; receivers do when nobody repeats them.
    if (runner_->state() && runner_->state()->alerts().empty()) log_.end_all(slot + valid_for_);
  }
  for (const model::Alert& alert : outcome.alerts) log_.take(alert);
  if (!outcome.alerts.empty()) handed_.push_back({slot, std::move(outcome.alerts)});
  if (written_ != nullptr) write(outcome.samples);
}

void RuleReplay::write(const std::vector<promql::VectorSample>& samples) {
  for (const promql::VectorSample& sample : samples) written_->add(sample.labels, sample.sample);
}

void RuleReplay::give_up(const std::string& why) {
  if (result_.gave_up.empty()) result_.gave_up = why;
}

RuleResult RuleReplay::finish(std::vector<HandOver>& handed) {
  std::move(handed_.begin(), handed_.end(), std::back_inserter(handed));
  handed_.clear();
  result_.firings = log_.sorted();
  return std::move(result_);
}

}  // namespace tocsin::backtest
