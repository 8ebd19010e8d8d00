// tocsin-agent: measures this host and pushes to tocsin-alertd.
#include <fmt/core.h>
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "agent/app/app.h"
#include "agent/app/backup_cli.h"
#include "agent/app/task_cli.h"
#include "agent/discover/discover.h"
#include "agent/snapshot/snapshot_command.h"
#include "common/base/process.h"
#include "common/config/source.h"

namespace {

using namespace tocsin;

constexpr const char* kHelp = R"(Usage: tocsin-agent [--config FILE] [--once | --check]
       tocsin-agent verify-backup FILE | SET [--level 0-3]
       tocsin-agent restore-drill SET [--target TIME] [--backup PATH]
       tocsin-agent run-task NAME [--evidence-file FILE]... -- COMMAND...
       tocsin-agent task-report NAME --ok | --failed [--note TEXT]
       tocsin-agent task-run NAME [--dry-run] | task-pause [--off] | task-audit
       tocsin-agent discover [--output FILE]
       tocsin-agent snapshot --to FILE.json | FILE.json.zst

Measures this host and pushes to tocsin-alertd by Prometheus remote write.

  --config FILE  settings (default: /etc/tocsin/agent.toml if it exists)
  --once         print one round in the Prometheus text format and exit
  --check        check the settings and exit: 0 if sound, 1 if not
  --version      print the version
  --help         print this

  verify-backup  read a backup and say whether it is one: exit status 0 or 1; see docs/backups.md
  restore-drill  restore the newest backup of a set into a scratch server, count, take it away
  discover       look at this host and propose settings for what runs on it
  snapshot       keep what this host looks like now, for forensics; see docs/forensics.md

  run-task       run a command and record how it went, for the dead-man clock; see docs/tasks.md
  task-report    record that something was done, or failed
  task-run       do a task's built-in work now; task-pause keeps all from beginning
  task-audit     check that the record of what was done is whole

SIGHUP reloads the settings; SIGTERM stops. Without any file: host metrics every 15 s to
http://127.0.0.1:9464.
)";

constexpr int kKeptBytes = 1 << 20;

enum class Mode { Run, Once, Check, Version, Help };

struct Arguments {
  Mode mode = Mode::Run;
  std::string config;
  std::string mistake;
};

Arguments parse_arguments(std::span<char*> words) {
  Arguments arguments;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const std::string_view word = words[index];
    if (word == "--once") {
      arguments.mode = Mode::Once;
    } else if (word == "--check") {
      arguments.mode = Mode::Check;
    } else if (word == "--version") {
      arguments.mode = Mode::Version;
    } else if (word == "--help" || word == "-h") {
      arguments.mode = Mode::Help;
    } else if (word == "--config" && index + 1 < words.size()) {
      arguments.config = words[++index];
    } else if (word.starts_with("--config=")) {
      arguments.config = word.substr(9);
    } else if (word == "--config") {
      arguments.mistake = "--config needs a file";
    } else {
      arguments.mistake = fmt::format("unknown argument '{}'", word);
    }
  }
  return arguments;
}

// Prints what is wrong; returns whether the settings can be used.
bool show_diagnostics(const agent::LoadedSettings& loaded) {
  const std::string text = config::render_all(loaded.diagnostics, std::span(&loaded.source, 1));
  std::fputs(text.c_str(), stderr);
  return !base::has_errors(loaded.diagnostics);
}

int discover(std::span<char*> words) {
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  const agent::Surroundings around = agent::surroundings();
  const auto accepts = [&](const std::string& text) {
    return !base::has_errors(agent::load_settings_text(*files, text, around).diagnostics);
  };
  return agent::run_discover(words, {*files, clock, around.host_name, around.is_root, accepts});
}

int snapshot(std::span<char*> words) {
  const auto command =
      agent::parse_snapshot_command(std::vector<std::string>(words.begin(), words.end()));
  if (!command) {
    fmt::print(stderr, "tocsin-agent: {}\nTry 'tocsin-agent --help'.\n", command.error().message);
    return 2;
  }
  if (command->help) return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  agent::SnapshotRequest request;
  request.reason = "by hand";
  agent::LoadedSettings loaded =
      agent::load_settings(*files, command->config, agent::surroundings());
  // Wrong settings cost the samples, not the snapshot.
  if (show_diagnostics(loaded)) {
    request.paths = loaded.settings.host.paths;
    request.samples = agent::one_round(std::move(loaded.settings), {*files, clock});
  }
  const auto written = agent::write_snapshot(*command, request, *files, clock);
  if (!written) fmt::print(stderr, "tocsin-agent: {}\n", written.error().message);
  return written ? 0 : 1;
}

int run_once(agent::LoadedSettings loaded, agent::App::World world) {
  const std::string page = agent::one_round(std::move(loaded.settings), world);
  std::fputs(page.c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int run(const Arguments& arguments, agent::LoadedSettings loaded, agent::App::World world) {
  base::Signals signals;  // Before any thread, so that all inherit the mask.
  auto app = agent::App::start(std::move(loaded.settings), world);
  if (!app) {
    fmt::print(stderr, "tocsin-agent: {}\n", app.error().message);
    return 1;
  }
  while (signals.wait() == SIGHUP) {
    agent::LoadedSettings next =
        agent::load_settings(world.files, arguments.config, agent::surroundings());
    if (!show_diagnostics(next)) {
      base::log_error("agent/app", "the settings have errors: the running ones stay");
      continue;
    }
    base::set_log_level(next.settings.log_level);
    (*app)->reload(std::move(next.settings));
  }
  if (!(*app)->stop()) std::_Exit(0);
  return 0;
}

/// What is no agent but a command of its own; nothing if the words do not begin with one.
std::optional<int> run_command(std::span<char*> words) {
  if (words.size() < 2) return std::nullopt;
  const std::string_view command = words[1];
  if (command == "discover") return discover(words.subspan(2));
  if (command == "snapshot") return snapshot(words.subspan(2));
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (agent::is_backup_command(command)) return agent::backup_main(rest);
  if (agent::is_task_command(command)) return agent::task_main(rest);
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  // Few threads and small rounds: one arena, so that memory freed by one thread serves the others.
  // What a round needs is kept for the next: giving it back, and having it cleared by the kernel
  // again, cost a tenth of the CPU time.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  ::mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  if (const auto status = run_command(words)) return *status;
  const Arguments arguments = parse_arguments(words.subspan(1));
  if (!arguments.mistake.empty()) {
    fmt::print(stderr, "tocsin-agent: {}\nTry 'tocsin-agent --help'.\n", arguments.mistake);
    return 2;
  }
  if (arguments.mode == Mode::Help) return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
  if (arguments.mode == Mode::Version) {
    fmt::print("tocsin-agent {}\n", TOCSIN_VERSION);
    return 0;
  }
  const auto files = base::make_real_file_system();
  const base::RealClock clock;
  agent::LoadedSettings loaded =
      agent::load_settings(*files, arguments.config, agent::surroundings());
  if (!show_diagnostics(loaded)) return 1;
  if (arguments.mode == Mode::Check) return 0;
  base::set_log_level(loaded.settings.log_level);
  const agent::App::World world{*files, clock};
  const int status = arguments.mode == Mode::Once ? run_once(std::move(loaded), world)
                                                  : run(arguments, std::move(loaded), world);
  // A call that hangs keeps its thread; it must not go on while the program is taken apart.
  const auto threads = files->list("/proc/self/task");
  if (threads && threads->size() > 1) {
    std::fflush(nullptr);
    std::_Exit(status);
  }
  return status;
}
