// Action items whose day has come: alerts like any other.
#pragma once

#include <vector>

#include "alertd/incident/snapshot.h"
#include "common/model/alert.h"

namespace tocsin::report {

/// Returns a firing alert ActionItemOverdue for each item that is overdue at `now`, valid for
/// `valid`; labels: action, incident, owner. Pure.
std::vector<model::Alert> overdue_alerts(const incident::Reviews& reviews, model::Severity severity,
                                         base::WallTime now, base::Duration valid);

/// Returns when the next item becomes overdue after `now`; nullopt: none has a day ahead.
std::optional<base::WallTime> next_overdue(const incident::Reviews& reviews, base::WallTime now);

}  // namespace tocsin::report
