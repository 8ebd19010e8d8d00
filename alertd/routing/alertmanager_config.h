// Reads the routing half of an Alertmanager configuration: the tree, inhibition, time intervals.
//
// The file is taken as it is, with Alertmanager's own rules of what is valid and its defaults, and
// gives the same Routing as ours in its compatible mode. Receivers' settings and templates are read
// by alertd/notify (alertmanager_receivers.h); here only which integrations a receiver has, in the
// order in which Alertmanager numbers them, and whether they want to hear of what is over. Source:
// shared/reference/routing.md, section 1.
#pragma once

#include <span>
#include <string_view>

#include "alertd/routing/classic_matchers.h"
#include "alertd/routing/routing.h"
#include "common/config/table.h"

namespace tocsin::routing {

/// Returns the routing that the document describes. Every mistake goes to the context's
/// diagnostics, at its line and column; use the result only without errors there. The caller
/// finishes `root`.
Routing read_alertmanager_routing(config::Table& root, MatcherMode mode = MatcherMode::Fallback);

/// A kind of integration, and whether Alertmanager sends resolved alerts to it unless told.
struct IntegrationKind {
  std::string_view key;   ///< "webhook_configs"
  std::string_view name;  ///< "webhook": its channels are "webhook", "webhook-2"
  bool send_resolved;
};

/// Returns the kinds in Alertmanager's order.
std::span<const IntegrationKind> integration_kinds();

}  // namespace tocsin::routing
