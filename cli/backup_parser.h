// The commands about backups of alertd itself, for parser.cc: backup, restore.
#pragma once

#include <optional>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace tocsin::cli {

/// The values that the parser writes to; outlives the parse.
struct BackupCommands {
  BackupOptions make;
  BackupOptions verify{BackupOptions::Action::Verify, {}};
  RestoreOptions restore;
};

void add_backup_commands(CLI::App& app, BackupCommands& commands);

/// Returns what was asked for; nullopt: `chosen` is another command.
std::optional<Command> backup_command(const BackupCommands& commands, const CLI::App& chosen);

}  // namespace tocsin::cli
