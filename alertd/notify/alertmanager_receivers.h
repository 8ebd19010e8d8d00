// Alertmanager's own file: `global`, `receivers` and `templates` of alertmanager.yml as our
// settings.
//
// Defaults, inherited values and names are Alertmanager's, so that a file works as it is. Kinds of
// receivers that cannot be sent are errors that say what to use instead; so are options of
// `http_config` that would change where or as whom a message goes. Source:
// shared/reference/routing.md, section 1, "Receivers".
#pragma once

#include "alertd/notify/receivers.h"

namespace tocsin::notify {

/// Reads the three keys and reports all mistakes. The rest of the root, and `resolve_timeout` of
/// `global`, is routing's; the caller finishes the root. `external_url` is left to the caller.
NotifySettings read_alertmanager_receivers(config::Table& root);

/// Returns the definitions that templates written for Alertmanager refer to ("slack.default.title",
/// "__subject", ...), in our words.
std::string_view default_template_definitions();

}  // namespace tocsin::notify
