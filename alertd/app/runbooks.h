// GET /runbooks/NAME: the runbook that a message links to, from the folder beside the rule files.
#pragma once

#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "common/base/file_system.h"

namespace tocsin::alertd {

/// Returns the route that serves NAME.md of the folders `runbooks` beside `rule_paths` as text.
/// Names are letters, digits, '-' and '_' only, so that no path can lead elsewhere. `files`
/// outlives it.
api::Route runbook_route(const std::vector<std::string>& rule_paths, const base::FileSystem& files);

}  // namespace tocsin::alertd
