#include "agent/app/task_cli.h"

#include <fmt/core.h>

#include <cstdio>

#include "agent/app/settings.h"
#include "common/config/source.h"

namespace tocsin::agent {
namespace {

constexpr int kUsage = 2;

int with_settings(const TaskCommand& command, const TasksSettings& settings,
                  const CommandWorld& world) {
  if (command.verb == "task-run") return run_work_now(command, settings, world);
  if (command.verb == "task-pause") return pause_tasks(command, settings, world);
  return check_audit_trail(settings, world);
}

}  // namespace

int task_main(const std::vector<std::string>& words) {
  const auto command = parse_task_command(words);
  if (!command) {
    fmt::print(stderr, "tocsin-agent: {}\nTry 'tocsin-agent --help'.\n", command.error().message);
    return kUsage;
  }
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  const CommandWorld world{*files, clock};
  const LoadedSettings loaded = load_settings(*files, command->config, surroundings());
  const bool sound = !base::has_errors(loaded.diagnostics);
  const bool only_records = command->verb == "run-task" || command->verb == "task-report";
  if (!only_records && !sound) {
    std::fputs(config::render_all(loaded.diagnostics, std::span(&loaded.source, 1)).c_str(),
               stderr);
    return 1;
  }
  // A file with errors may still name the inbox, but may as well name a wrong one.
  const TasksSettings* settings = sound ? &loaded.settings.tasks : nullptr;
  if (command->verb == "run-task") return run_task(*command, settings, world);
  if (command->verb == "task-report") return report_task(*command, settings, world);
  return with_settings(*command, loaded.settings.tasks, world);
}

}  // namespace tocsin::agent
