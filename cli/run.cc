#include "cli/run.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "cli/backup.h"
#include "cli/commands.h"
#include "cli/explain_command.h"
#include "cli/parser.h"
#include "common/base/log.h"
#include "common/base/process.h"

namespace tocsin::cli {
namespace {

Defaults defaults_from_environment() {
  const auto variable = [](const char* name) { return base::environment(name).value_or(""); };
  std::string person = variable("SUDO_USER");
  if (person.empty()) person = variable("USER");
  if (person.empty()) person = "uid " + std::to_string(::getuid());
  return {variable("TOCSIN_SERVER"), variable("TOCSIN_TOKEN_FILE"), variable("TOCSIN_CA_FILE"),
          person};
}

Terminal terminal_of(ColorMode mode) {
  Terminal terminal;
  const bool tty = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (tty && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) terminal.width = size.ws_col;
  const std::string no_color = base::environment("NO_COLOR").value_or("");
  const bool dumb = base::environment("TERM").value_or("") == "dumb";
  terminal.color =
      mode == ColorMode::Always || (mode == ColorMode::Auto && tty && no_color.empty() && !dumb);
  return terminal;
}

int dispatch(const Command& command, Context& context, base::FileSystem& files) {
  struct Visitor {
    Context& context;
    base::FileSystem& files;
    int operator()(const QueryOptions& options) const { return run_query(options, context); }
    int operator()(const AlertsOptions& options) const { return run_alerts(options, context); }
    int operator()(const TasksOptions& options) const { return run_tasks(options, context); }
    int operator()(const IncidentsOptions& options) const {
      return run_incidents(options, context);
    }
    int operator()(const AckOptions& options) const { return run_ack(options, context); }
    int operator()(const ResolveOptions& options) const { return run_resolve(options, context); }
    int operator()(const IncidentActionOptions& options) const {
      return run_incident_action(options, context);
    }
    int operator()(const OnCallOptions& options) const { return run_oncall(options, context); }
    int operator()(const ChangeOptions& options) const { return run_change(options, context); }
    int operator()(const ReportOptions& options) const {
      return run_report(options, context, files);
    }
    int operator()(const BackupOptions& options) const {
      return run_backup(options, context, files);
    }
    int operator()(const RestoreOptions&) const { return kUsage; }  // asks no server
    int operator()(const ActionOptions& options) const { return run_action(options, context); }
    int operator()(const NewsOptions& options) const { return run_news(options, context); }
    int operator()(const StatsOptions& options) const { return run_stats(options, context); }
    int operator()(const AgentOptions& options) const { return run_agent(options, context); }
    int operator()(const StatusOptions&) const { return run_status(context); }
    int operator()(const SendTestOptions& options) const { return run_send_test(options, context); }
    int operator()(const ChannelOptions& options) const {
      return run_channel(options, context, files);
    }
    int operator()(const AuditOptions& options) const { return run_audit(options, context, files); }
    int operator()(const DrillOptions& options) const { return run_drill(options, context); }
    int operator()(const TopOptions& options) const { return run_top(options, context); }
    int operator()(const InventoryOptions& options) const {
      return run_inventory(options, context);
    }
    int operator()(const CheckOptions&) const { return kUsage; }       // brings its own server
    int operator()(const CompletionOptions&) const { return kUsage; }  // likewise
    int operator()(const BacktestOptions&) const { return kUsage; }    // likewise
    int operator()(const ExplainOptions&) const { return kUsage; }     // likewise
    int operator()(const ImportOptions&) const { return kUsage; }      // likewise
    int operator()(const TestOptions&) const { return kUsage; }        // asks no server
  };
  return std::visit(Visitor{context, files}, command);
}

// The only command that works on files and may ask a server, which need not be the configured one.
int check_files(CheckOptions options, GlobalOptions global, const Terminal& terminal,
                const base::FileSystem& files) {
  const base::RealClock clock;
  const bool json = global.output == OutputFormat::Json;
  if (json && options.format == CheckOptions::Format::Text) {
    options.format = CheckOptions::Format::Json;
  }
  options.color = terminal.color;
  std::unique_ptr<ApiClient> server;
  if (!options.against.empty()) {
    global.server = options.against;
    std::string warning;
    auto made = make_api_client(global, clock, files, warning);
    if (!made) {
      std::cerr << "tocsin: " << printable(made.error().message) << '\n';
      return kUsage;
    }
    if (!warning.empty()) std::cerr << "tocsin: warning: " << printable(warning) << '\n';
    server = std::move(*made);
  }
  return run_check(options, CheckWorld{files, server.get(), std::cout, std::cerr, &clock});
}

int test_files(TestOptions options, const GlobalOptions& global, const Terminal& terminal,
               const base::FileSystem& files) {
  // The daemon that the tests play logs what it does; only what is wrong with it is of interest.
  base::set_log_level(base::LogLevel::Error);
  const bool json = global.output == OutputFormat::Json;
  if (json && options.format == TestOptions::Format::Text) {
    options.format = TestOptions::Format::Json;
  }
  options.color = terminal.color;
  const base::RealClock clock;
  return run_tests(options, {files, clock, std::cout, std::cerr});
}

/// backtest and explain connect by themselves, to more than one server; nullopt: another command.
std::optional<int> past_command(const Command& command, const GlobalOptions& global,
                                const Terminal& terminal, const base::FileSystem& files) {
  const base::RealClock clock;
  const auto connect = [&](const GlobalOptions& to) {
    std::string warning;
    auto client = make_api_client(to, clock, files, warning);
    if (!warning.empty()) std::cerr << "tocsin: warning: " << printable(warning) << '\n';
    return client;
  };
  const bool bar = ::isatty(STDERR_FILENO) == 1;
  const CommandWorld world{global, clock, files, terminal, bar, std::cout, std::cerr, connect};
  if (const auto* backtest = std::get_if<BacktestOptions>(&command)) {
    return run_backtest(*backtest, world);
  }
  if (const auto* explain = std::get_if<ExplainOptions>(&command)) {
    return run_explain(*explain, world);
  }
  return std::nullopt;
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
  const Parsed parsed = parse_arguments(arguments, defaults_from_environment());
  std::cout << parsed.out;
  std::cerr << parsed.err;
  if (!parsed.invocation) return parsed.exit_code;
  const GlobalOptions& global = parsed.invocation->global;
  const Terminal terminal = terminal_of(global.color);
  const auto files = base::make_real_file_system();

  if (const auto* completion = std::get_if<CompletionOptions>(&parsed.invocation->command)) {
    std::cout << completion_script(completion->shell);
    return kOk;
  }
  if (const auto* check = std::get_if<CheckOptions>(&parsed.invocation->command)) {
    return check_files(*check, global, terminal, *files);
  }
  if (const auto* import = std::get_if<ImportOptions>(&parsed.invocation->command)) {
    return run_import(*import, *files, std::cout, std::cerr);
  }
  if (const auto* test = std::get_if<TestOptions>(&parsed.invocation->command)) {
    return test_files(*test, global, terminal, *files);
  }
  const BackupWorld backups{*files, global.output, std::cout, std::cerr};
  if (const auto* restore = std::get_if<RestoreOptions>(&parsed.invocation->command)) {
    return run_restore(*restore, backups);
  }
  if (const auto* backup = std::get_if<BackupOptions>(&parsed.invocation->command);
      backup != nullptr && backup->action == BackupOptions::Action::Verify) {
    return run_backup_verify(*backup, backups);
  }
  if (const auto code = past_command(parsed.invocation->command, global, terminal, *files)) {
    return *code;
  }
  const base::RealClock clock;
  std::string warning;
  auto api = make_api_client(global, clock, *files, warning);
  if (!api) {
    std::cerr << "tocsin: " << printable(api.error().message) << '\n';
    return kUsage;
  }
  if (!warning.empty()) std::cerr << "tocsin: warning: " << printable(warning) << '\n';
  Context context{**api, global.output, terminal, clock, std::cout, std::cerr};
  return dispatch(parsed.invocation->command, context, *files);
}

}  // namespace tocsin::cli
