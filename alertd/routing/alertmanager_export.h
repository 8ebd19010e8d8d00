// Our routing, written as Alertmanager's YAML: for `amtool config show`, `routes show|test` and
// `check-config`, which read what the API's status says.
//
// What Alertmanager does not know (stable names, policies, timing by severity) becomes a comment or
// its nearest setting; receivers are names only, because amtool asks for nothing else and nothing
// secret must leave.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "alertd/routing/routing.h"
#include "common/config/node.h"

namespace tocsin::routing {

/// Returns the file as text. Where a route is silent about timing, Medium's is written; a
/// repeat_interval of "never" becomes ten years. `receivers` are the configured names; those that
/// routes name beside them are added.
std::string export_alertmanager(const Routing& routing, std::span<const std::string> receivers,
                                base::Duration resolve_timeout);

/// Writes a parsed alertmanager.yml anew, every secret as "<secret>" (a webhook's address keeps its
/// host), which amtool reads back. Comments and anchors are gone.
std::string masked_alertmanager(const config::Node& root);

/// Returns the text as a double-quoted scalar of YAML (and of JSON).
std::string yaml_quoted(std::string_view text);

}  // namespace tocsin::routing
