// What the links in messages lead to, as long as there is no page of our own: a runbook as text,
// and the API's answer about an incident or an expression.
#pragma once

#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "common/base/file_system.h"

namespace tocsin::alertd {

/// Returns the routes /runbooks/NAME, /incidents/ID and /graph.
///
/// A runbook is NAME.md of the folders `runbooks` beside `rule_paths`; names are letters, digits,
/// '-' and '_' only, so that no path can lead elsewhere. The other two redirect. `files` outlives
/// the routes.
std::vector<api::Route> link_routes(const std::vector<std::string>& rule_paths,
                                    const base::FileSystem& files);

}  // namespace tocsin::alertd
