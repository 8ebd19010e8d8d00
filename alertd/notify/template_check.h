// A template is tried before it is taken: a slip shows at load, not with the first page.
#pragma once

#include <string_view>
#include <vector>

#include "alertd/incident/notification.h"
#include "common/base/result.h"

namespace tocsin::notify {

/// Parses the template and runs it over samples of a firing and a resolved message.
/// Errors: InvalidArgument ("line:column: message").
base::Result<void> check_message_template(std::string_view text,
                                          const std::vector<std::string>& definitions);

/// Returns a message as an incident with two alerts makes it; `kind` Firing or Resolved.
incident::Notification sample_message(incident::NotificationKind kind);

}  // namespace tocsin::notify
