// What a server has: fetched in one request from alertd, in many from others.
#pragma once

#include <set>
#include <string>

#include "cli/api_client.h"
#include "cli/lint/inventory.h"

namespace tocsin::cli {

/// Asks for all metrics; of `wanted` (null: of all) also for labels and their values.
///
/// alertd answers GET /api/v1/inventory at once. Any other Prometheus-compatible server is asked
/// for names and metadata, then for the labels of each wanted metric and the values of each label.
/// Errors: Unavailable (no server), InvalidArgument (it answers something else).
base::Result<lint::Inventory> fetch_inventory(ApiClient& api, const std::set<std::string>* wanted,
                                              std::size_t values, const std::string& source);

}  // namespace tocsin::cli
