// Asking a datasource through us: whoever explains a rule needs what its engine says, and has not
// its address, its token or its certificate.
#pragma once

#include <vector>

#include "alertd/api/router.h"
#include "alertd/datasource/datasources.h"

namespace tocsin::alertd {

/// POST /api/v1/datasource/<name>/query: as /api/v1/query, answered by that engine. `datasources`
/// outlives the routes.
std::vector<api::Route> datasource_routes(const datasource::Datasources& datasources);

}  // namespace tocsin::alertd
