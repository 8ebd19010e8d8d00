// The inventory as the sampler sees it: who has power here, what listens, what is exposed, and what
// of that has changed.
//
// sec_access_changes_total{kind} counts the changes, over restarts too; the log names each. What is
// found when a thing is looked at for the first time is the baseline.
#pragma once

#include "agent/collectors/inventory/inventory_settings.h"
#include "agent/collectors/kept/slow_source.h"

namespace tocsin::agent {

std::unique_ptr<AsyncSource> make_inventory_source(const InventorySettings& settings,
                                                   const SlowWorld& world);

}  // namespace tocsin::agent
