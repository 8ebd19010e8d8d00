#include "cli/backup_parser.h"

#include <CLI/CLI.hpp>

namespace tocsin::cli {

void add_backup_commands(CLI::App& app, BackupCommands& commands) {
  CLI::App* backup =
      app.add_subcommand("backup", "back alertd up while it runs: samples, incidents, keys, rules");
  backup->require_subcommand(0, 1);
  backup->add_option("--to", commands.make.path, "a new folder, or a new file that ends in .tar")
      ->type_name("FOLDER|FILE.tar");
  CLI::App* verify =
      backup->add_subcommand("verify", "read a backup and compare it with its checksums");
  verify->add_option("path", commands.verify.path, "the folder or the tar file")->required();

  CLI::App* restore =
      app.add_subcommand("restore", "put a backup into an empty data folder of alertd");
  restore->add_option("from", commands.restore.from, "the folder or the tar file")->required();
  restore
      ->add_option("--to", commands.restore.to,
                   "the data folder: [store] path of alertd.toml; missing or empty")
      ->required()
      ->type_name("DATA_FOLDER");
}

std::optional<Command> backup_command(const BackupCommands& commands, const CLI::App& chosen) {
  if (chosen.get_name() == "restore") return commands.restore;
  if (chosen.get_name() != "backup") return std::nullopt;
  return chosen.get_subcommands().empty() ? commands.make : commands.verify;
}

}  // namespace tocsin::cli
