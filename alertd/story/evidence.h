// All that is known about one alert at one time, gathered by the desk and judged in cause.h.
//
// Everything is cut to the time asked about: decisions, timelines and attempts after it are not
// there, and a delivery has the state that it had then. What the daemon holds in memory
// (suppression, groups, rules, channels) is of now and counts only if now is asked about.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/incident/state_records.h"
#include "alertd/routing/pipeline_values.h"
#include "alertd/story/witness.h"
#include "common/model/alert.h"

namespace tocsin::story {

/// One delivery as it was at the time asked about.
struct Delivery {
  incident::DeliveryRecord record;
  bool names_alert = false;  ///< It says that the alert fires.
  bool ends_alert = false;   ///< It says that the alert is over.
  /// The last answer that the receiver gave; null: none yet.
  const incident::AttemptRecord* last_answer() const;
};

struct Evidence {
  base::WallTime at;
  bool past = false;
  model::Labels labels;
  std::string fingerprint;           ///< Empty: of an incident without alerts, made by a person.
  std::set<std::string> group_keys;  ///< Of the groups that it is or was in.
  bool standing_by = false;          ///< This daemon does not decide; another one has the lease.

  // Of now.
  std::optional<model::Alert> alert;  ///< As routing knows it; missing: it does not.
  bool firing = false;                ///< Of `alert`.
  routing::Explanation routing;
  std::vector<RuleSight> rules;
  std::vector<std::string> rule_names;  ///< Of all rules, if none could have raised it.
  std::vector<ChannelSight> channels;

  // Up to `at`, oldest first.
  std::vector<incident::DecisionRecord> own;  ///< About the alert.
  std::vector<incident::DecisionRecord> of_groups;
  std::vector<incident::IncidentDetail> incidents;
  std::vector<Delivery> deliveries;
};

/// Returns the delivery as it was at `at`; nullopt: it was not there yet.
std::optional<Delivery> as_of(const incident::DeliveryRecord& record, base::WallTime at,
                              const std::string& fingerprint);

}  // namespace tocsin::story
