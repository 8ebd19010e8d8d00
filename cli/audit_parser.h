// The commands about the audit trail, for parser.cc: audit list, verify, export.
#pragma once

#include <optional>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace tocsin::cli {

void add_audit_commands(CLI::App& app, AuditOptions& options);

/// Returns what was asked for; nullopt: `chosen` is another command.
std::optional<Command> audit_command(const AuditOptions& options, const CLI::App& chosen);

}  // namespace tocsin::cli
