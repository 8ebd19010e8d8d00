// Everything that configuration says about routing, ours or Alertmanager's, read into one value.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/routing/inhibition.h"
#include "alertd/routing/maintenance.h"
#include "alertd/routing/route.h"
#include "alertd/routing/silence.h"
#include "alertd/routing/time_interval.h"

namespace tocsin::routing {

/// One way of a receiver of Alertmanager's to tell, with a notification log of its own.
struct Integration {
  std::string
      channel;  ///< "webhook", "webhook-2": its kind, and its place among those of the kind.
  bool send_resolved = true;
};

/// When silences ask to be confirmed, and when they remind.
struct SilenceRules {
  SilenceLimits limits;
  /// A silence that matches more than this share of the firing alerts, and more than `broad_count`,
  /// is refused unless forced; 1: never.
  double broad_share = 0.5;
  std::size_t broad_count = 20;
  base::Duration remind_before = std::chrono::minutes(15);  ///< 0: not, unless it says itself.
};

/// When an alert counts as flapping: so many changes within the window. 0 changes: never.
struct FlapRules {
  std::size_t changes = 6;
  base::Duration window = std::chrono::minutes(15);
};

struct Routing {
  Route root;
  /// Alertmanager's timing and decisions, exactly: a notification log for each integration, muted
  /// alerts cut before it, everything at the group's ticks only.
  bool alertmanager = false;
  /// How long all alerts of a group must be resolved before it is said; nullopt: until the group's
  /// next turn, which is Alertmanager's way.
  std::optional<base::Duration> resolve_wait = base::Duration{0};
  /// Whether an alert more severe than anything notified so far waits group_wait only, not the rest
  /// of group_interval. Off: Alertmanager's way.
  bool raise_early = true;

  std::vector<TimeInterval> time_intervals;  ///< By name.
  std::vector<InhibitRule> inhibit_rules;
  std::vector<Maintenance> maintenance;
  SilenceRules silences;
  FlapRules flapping;

  // With `alertmanager` only.
  std::map<std::string, std::vector<Integration>> receivers;
  base::Duration resolve_timeout = std::chrono::minutes(5);  ///< Of alerts posted without an end.
  base::Duration log_retention = std::chrono::hours(120);    ///< Of the notification log.

  SeverityLabel severity_label() const {
    return alertmanager ? SeverityLabel::AsWritten : SeverityLabel::OfAlert;
  }
};

}  // namespace tocsin::routing
