// Checks of alertd.toml together with the rules: who is told. Internal to the folder.
#pragma once

#include "alertd/app/settings.h"
#include "cli/lint/reporter.h"

namespace tocsin::lint {

/// Routes that nothing reaches, receivers that nobody tells, severities that nobody takes.
/// `document` is the parsed alertd.toml that `settings` was read from, without errors.
void check_routes(const alertd::Settings& settings, const Document& document, Reporter& reporter);

}  // namespace tocsin::lint
