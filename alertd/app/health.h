// Whether the way from a rule to a person works, for the heartbeats to somebody outside.
#pragma once

#include "alertd/app/lease_keeper.h"
#include "alertd/heartbeat/heartbeat.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/incident/state_store.h"
#include "common/base/metrics.h"

namespace tocsin::alertd {

struct HealthWorld {
  const base::Metrics& metrics;
  incident::Dispatcher& dispatcher;
  incident::StateStore& state;
  const LeaseKeeper& lease;
  base::Executor& background;
};

/// Says what is broken: this daemon stands by, no rule group ends its evaluations in time, commits
/// or reads of the state fail, or (by not answering) the state hangs or decisions are not made.
/// Channels are not asked: one of many may be down, and has alerts of its own. Outlived by what it
/// refers to.
heartbeat::Health way_to_people(const HealthWorld& world);

}  // namespace tocsin::alertd
