// Reads [policies] and [[policy]] of alertd.toml.
#pragma once

#include "alertd/incident/policy.h"
#include "common/config/table.h"

namespace tocsin::incident {

/// Reads the policies; every mistake goes to the context's diagnostics.
///
/// `root` is the whole file. `receivers`: name -> names of channels, as configured. Without
/// [policies] and [[policy]], but with persons or schedules: default_policies().
Policies read_policies(config::Table& root, const oncall::Directory& directory,
                       const std::map<std::string, std::vector<std::string>>& receivers);

}  // namespace tocsin::incident
