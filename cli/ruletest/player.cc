#include "cli/ruletest/player.h"

namespace tocsin::ruletest {
namespace {

std::vector<SeenAlert> seen(const ruler::AlertState& state) {
  std::vector<SeenAlert> alerts;
  for (const auto& [labels, alert] : state.alerts()) {
    if (alert.phase == ruler::AlertPhase::Inactive) continue;
    alerts.push_back({alert.labels, alert.annotations, alert.phase, alert.severity, alert.value});
  }
  return alerts;
}

}  // namespace

Player::Player(const std::vector<ruler::RuleGroup>& groups, const PlayerOptions& options)
    : groups_(groups), severity_default_(options.severity_default), engine_(options.engine) {
  context_.external_labels = options.external_labels;
  context_.external_url = options.external_url;
  context_.query = [this](const std::string& expr) -> base::Result<promql::Vector> {
    const promql::Parsed parsed = promql::parse(expr, {.experimental_functions = true});
    if (!parsed.expr) {
      return base::error(base::ErrorCode::InvalidArgument,
                         parsed.errors.empty() ? "does not parse" : parsed.errors.front().message);
    }
    TC_TRY(auto result, engine_.instant(store_, *parsed.expr, context_.now));
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
    if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
      return promql::Vector{{model::Labels(), scalar->sample}};
    }
    return base::error(base::ErrorCode::InvalidArgument, "the result is no vector");
  };
  for (const ruler::RuleGroup& group : groups_) {
    keys_.emplace_back();
    for (const ruler::Rule& rule : group.rules) {
      keys_.back().push_back(rule_key(rule.place.file, rule.place.line));
    }
  }
}

base::Result<std::unique_ptr<Player>> Player::make(const std::vector<ruler::RuleGroup>& groups,
                                                   const PlayerOptions& options) {
  std::unique_ptr<Player> player(new Player(groups, options));
  TC_TRY(player->make_runners());
  return player;
}

base::Result<void> Player::make_runners() {
  runners_.clear();
  for (const ruler::RuleGroup& group : groups_) {
    ruler::RunnerSettings settings;
    settings.interval = group.interval;
    settings.query_offset = group.query_offset;
    settings.limit = group.limit;
    settings.severity_default = severity_default_;
    runners_.emplace_back();
    for (const ruler::Rule& rule : group.rules) {
      TC_TRY(auto runner, ruler::RuleRunner::make(rule, settings, context_));
      runners_.back().push_back(std::move(runner));
    }
  }
  return base::ok();
}

void Player::evaluate(std::size_t group, base::WallTime ts, std::vector<RuleError>& errors,
                      History* history, base::WallTime start) {
  context_.now = ts;
  for (std::size_t i = 0; i < runners_[group].size(); ++i) {
    const ruler::RuleOutcome outcome = runners_[group][i]->run(ts, {engine_, store_});
    for (const promql::VectorSample& sample : outcome.samples) {
      store_.add(sample.labels, sample.sample);
    }
    const ruler::Rule& rule = groups_[group].rules[i];
    if (!outcome.error.empty()) errors.push_back({&rule, ts, outcome.error});
    if (history == nullptr) continue;
    if (const ruler::AlertState* state = runners_[group][i]->state()) {
      history->observe(keys_[group][i], ts - start, groups_[group].interval, seen(*state));
    } else if (!outcome.samples.empty()) {
      history->recorded(keys_[group][i]);
    }
  }
}

base::Result<void> Player::restart(const std::vector<base::WallTime>& next) {
  TC_TRY(make_runners());
  for (std::size_t group = 0; group < runners_.size(); ++group) {
    for (const auto& runner : runners_[group]) {
      TC_TRY(runner->restore(next[group], std::chrono::hours(1), {engine_, store_}));
    }
  }
  return base::ok();
}

void Player::for_each_alert(
    const std::function<void(const ruler::Rule&, const ruler::ActiveAlert&)>& visit) const {
  for (const auto& group : runners_) {
    for (const auto& runner : group) {
      if (runner->state() == nullptr) continue;
      for (const auto& [labels, alert] : runner->state()->alerts()) visit(runner->rule(), alert);
    }
  }
}

}  // namespace tocsin::ruletest
