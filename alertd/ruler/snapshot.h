// What the ruler shows to others: plain copies, made at the end of each evaluation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/ruler/alert_state.h"
#include "alertd/ruler/rule_model.h"

namespace tocsin::ruler {

struct AlertView {
  model::Labels labels;
  model::Labels annotations;
  AlertPhase phase = AlertPhase::Pending;  ///< Pending or Firing.
  model::Severity severity = model::Severity::Medium;
  double value = 0;
  base::WallTime active_at;
  std::optional<base::WallTime> fired_at;
  std::optional<base::WallTime> keep_firing_since;  ///< The condition has ended; it fires on.
  std::optional<base::WallTime> no_data_since;
};

enum class RuleHealth { Unknown, Ok, Error };

/// Returns "unknown", "ok" or "err", as Prometheus' API says.
std::string_view to_string(RuleHealth health);

struct RuleView {
  RuleKind kind = RuleKind::Alerting;
  std::string name;
  std::string expr;
  std::vector<NamedText> labels;
  std::vector<NamedText> annotations;  ///< As written.
  std::vector<Level> levels;           ///< Alerting.
  bool levelled = false;
  std::optional<Bound> clear;
  NoData no_data = NoData::Ok;
  Place place;
  RuleHealth health = RuleHealth::Unknown;
  std::string last_error;
  std::vector<std::string> warnings;  ///< Of the last query.
  base::Duration evaluation_time{0};
  std::optional<base::WallTime> last_evaluation;
  AlertPhase state = AlertPhase::Inactive;  ///< The worst of its alerts.
  std::vector<AlertView> alerts;            ///< Active ones, sorted by labels.
};

struct GroupView {
  std::string name;
  std::string file;
  base::Duration interval{0};
  base::Duration query_offset{0};
  std::size_t limit = 0;
  std::string datasource;    ///< Empty: our own engine.
  std::uint64_t missed = 0;  ///< Iterations skipped since the start.
  base::Duration evaluation_time{0};
  std::optional<base::WallTime> last_evaluation;
  std::vector<RuleView> rules;
};

struct RulerView {
  std::vector<std::shared_ptr<const GroupView>> groups;  ///< In order of the files.
  bool last_load_ok = false;
  std::string last_load_error;  ///< Of a refused reload: what `tocsin check` would print.
  std::optional<base::WallTime> loaded_at;  ///< Of the running generation.
};

}  // namespace tocsin::ruler
