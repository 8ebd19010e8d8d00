// What tells the others: reports, action items, news for stakeholders, statistics.
#pragma once

#include <vector>

#include "alertd/api/report_views.h"
#include "alertd/api/router.h"
#include "common/base/clock.h"

namespace tocsin::api {

/// /api/v1/incidents/<id>/report, /actions and /news, /api/v1/actions, /api/v1/statistics.
/// `view` and `clock` outlive the routes.
std::vector<Route> report_routes(ReportView& view, const base::Clock& clock);

}  // namespace tocsin::api
