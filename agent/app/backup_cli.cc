#include "agent/app/backup_cli.h"

#include <fmt/core.h>

#include <cstdio>
#include <span>

#include "agent/app/settings.h"
#include "common/config/source.h"

namespace tocsin::agent {

namespace {

constexpr int kUsage = 2;

}  // namespace

int backup_main(const std::vector<std::string>& words) {
  const auto command = parse_backup_command(words);
  if (!command) {
    fmt::print(stderr, "tocsin-agent: {}\nTry 'tocsin-agent --help'.\n", command.error().message);
    return kUsage;
  }
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  // A file needs no settings, and is verified where they are unreadable or wrong.
  if (command->verb == "verify-backup" && command->subject.starts_with('/')) {
    return run_backup_command(*command, {}, *files, clock);
  }
  const LoadedSettings loaded = load_settings(*files, command->config, surroundings());
  if (base::has_errors(loaded.diagnostics)) {
    std::fputs(config::render_all(loaded.diagnostics, std::span(&loaded.source, 1)).c_str(),
               stderr);
    return 1;
  }
  return run_backup_command(*command, loaded.settings.backup, *files, clock);
}

}  // namespace tocsin::agent
