// tocsin-alertd: the real world around App.
//
// Threads are made here and nowhere else; README.md has the table of who owns what.

#include <fmt/core.h>

#include <csignal>
#include <string_view>

#include "alertd/app/alertmanager_settings.h"
#include "alertd/app/app.h"
#include "alertd/state/postgres_group_store.h"
#include "alertd/state/postgres_state_store.h"
#include "alertd/state/sqlite_state_store.h"
#include "common/base/asio_executor.h"
#include "common/base/process.h"
#include "common/config/source.h"

namespace tocsin::alertd {
namespace {

constexpr int kExitConfig = 2;
constexpr int kExitRuntime = 1;
constexpr base::Duration kGiveBackMax{3'000};
constexpr std::string_view kComponent = "alertd";

constexpr std::string_view kHelp =
    "tocsin-alertd: takes metrics, evaluates rules, tells people.\n"
    "\n"
    "Usage: tocsin-alertd [--config FILE] [--check] [--version] [--help]\n"
    "  --config FILE  TOML; without it the daemon runs on its defaults (127.0.0.1:9464)\n"
    "  --check        read configuration and rules, say what is wrong, and end\n"
    "With --config.file=alertmanager.yml it stands in Alertmanager's place; see --config.file= "
    "--help.\n"
    "Signals: SIGHUP reloads configuration and rules (whole or not at all), SIGTERM ends.\n"
    "Exit: 0 ended as asked, 1 failed at run time, 2 configuration or arguments are wrong.\n";

struct Arguments {
  std::optional<std::string> config;
  bool check = false;
};

/// The real threads; one place to see them all.
struct Threads {
  explicit Threads(const base::Clock& clock)
      : io(clock, "io", 2),
        ingest(clock, "ingest", std::max(1U, base::processor_count() / 2)),
        store(clock, "store", 1),
        eval(clock, "eval", std::max(1U, base::processor_count())),
        core(clock, "core", 1),
        notify(clock, "notify", 1),
        queries(clock, "query", 2),
        background(clock, "background", 1),
        git(clock, "git", 1),
        cluster(clock, "cluster", 1),
        groups(clock, "groups", 1),
        forward(clock, "forward", 1) {}

  base::AsioExecutor io, ingest, store, eval, core, notify, queries, background, git, cluster,
      groups, forward;

  /// In the order of the data path: nobody is handed work by someone who still runs.
  void stop() {
    for (base::AsioExecutor* executor : {&io, &ingest, &cluster, &queries, &git, &eval, &groups,
                                         &background, &core, &notify, &store, &forward}) {
      executor->stop();
    }
  }
};

int fail(int code, const std::string& message) {
  fmt::print(stderr, "tocsin-alertd: {}{}", message, message.ends_with('\n') ? "" : "\n");
  return code;
}

// Tells systemd that we live, as long as the thread that decides about pages does.
void feed_watchdog(base::Executor& core, base::Duration interval) {
  base::notify_service_manager("WATCHDOG=1");
  core.post_after(interval, [&core, interval] { feed_watchdog(core, interval); });
}

// Serves until SIGTERM or SIGINT.
void serve(App& app, base::Signals& signals) {
  for (;;) {
    if (const int number = signals.wait(); number != SIGHUP) {
      base::log_info(kComponent, "signal {}: stopping", number);
      base::notify_service_manager("STOPPING=1");
      return;
    }
    base::notify_service_manager("RELOADING=1");
    app.reload("SIGHUP", [](auto) { base::notify_service_manager("READY=1"); });
  }
}

base::Result<void> wait_for_start(App& app) {
  base::Mutex mutex;
  base::Condition changed;
  std::optional<base::Result<void>> started;
  app.start([&](base::Result<void> result) {
    base::MutexLock lock(mutex);
    started = std::move(result);
    changed.notify_all();
  });
  base::MutexLock lock(mutex);
  changed.wait(mutex, [&] { return started.has_value(); });
  return *started;
}

/// Waits until what was asked of the executor is done, a few seconds at most: groups are given back
/// at once, instead of being missed until the term is over.
void finish(base::Executor& executor) {
  struct End {
    base::Mutex mutex;
    base::Condition changed;
    bool reached = false;
  };
  const auto end = std::make_shared<End>();
  executor.post([end] {
    base::MutexLock lock(end->mutex);
    end->reached = true;
    end->changed.notify_all();
  });
  base::MutexLock lock(end->mutex);
  end->changed.wait_for(end->mutex, kGiveBackMax, [&] { return end->reached; });
}

base::Result<std::unique_ptr<incident::StateStore>> open_state(const Settings& settings,
                                                               const base::Clock& clock) {
  if (settings.state.postgres) {
    return state::open_postgres_state_store(settings.state.server, {}, clock);
  }
  return state::open_sqlite_state_store({.path = base::join_path(settings.data_folder, "state.db")},
                                        clock);
}

/// Listens for peers, if we are to have some.
base::Result<std::unique_ptr<net::HttpServer>> listen_for_peers(base::AsioExecutor& io,
                                                                const std::string& address,
                                                                App& app) {
  if (address.empty()) return std::unique_ptr<net::HttpServer>();
  net::ServerOptions options;
  options.listen = address;
  auto server =
      net::HttpServer::start(io, options, [&app](net::ServerRequest request, net::Respond respond) {
        app.handle_peer(std::move(request), std::move(respond));
      });
  if (!server) return base::with_context(server.error(), "--cluster.listen-address");
  return server;
}

int run(base::Signals& signals, Settings settings, const std::optional<std::string>& config_path) {
  const base::RealClock clock;
  const auto files = base::make_real_file_system();
  const auto random = base::make_real_random();
  base::Metrics metrics;
  net::ServerOptions server_options = settings.server;
  server_options.metrics = &metrics;

  if (const auto made = files->create_folders(settings.data_folder); !made) {
    return fail(kExitRuntime, made.error().message + "; set [store] path to a folder of yours");
  }
  // Clients answer on these threads' executors, so they are made after them and go before them.
  Threads threads(clock);
  auto state = open_state(settings, clock);
  if (!state) return fail(kExitRuntime, state.error().message);

  const auto groups = settings.state.postgres
                          ? state::make_postgres_group_store(settings.state.server, clock)
                          : nullptr;

  const auto http = net::make_http_client(clock, 128, 10'000);
  const auto mail = net::make_mail_client(clock, 2, 10'000);
  // Engines that hang must not keep messages to people waiting, nor each other.
  const auto datasource_http =
      settings.datasources.empty()
          ? nullptr
          : net::make_http_client(clock, datasource::requests_at_once(settings.datasources),
                                  10'000);
  const auto forward_http =
      settings.forwards.empty()
          ? nullptr
          : net::make_http_client(clock, static_cast<unsigned>(settings.forwards.size()), 10'000);
  const auto commands = base::make_command_runner(clock, 2, 1'000);
  const auto imap = net::make_imap_client(clock);
  const World world{clock,
                    *files,
                    *random,
                    metrics,
                    *http,
                    *mail,
                    **state,
                    base::host_name(),
                    threads.store,
                    threads.eval,
                    threads.core,
                    threads.notify,
                    threads.queries,
                    threads.background,
                    &threads.git,
                    &threads.cluster,
                    commands.get(),
                    imap.get(),
                    &threads.ingest,
                    datasource_http.get(),
                    forward_http.get(),
                    &threads.forward,
                    groups.get(),
                    &threads.groups};
  const std::string cluster_address =
      settings.alertmanager ? settings.alertmanager->flags.cluster_listen : std::string();
  auto made = App::make(world, std::move(settings), config_path);
  if (!made) {
    threads.stop();
    const bool config = made.error().code == base::ErrorCode::InvalidArgument;
    return fail(config ? kExitConfig : kExitRuntime, made.error().message);
  }
  const std::unique_ptr<App> app = std::move(*made);

  server_options.admit = [&app](net::ServerRequest& head) { return app->admit(head); };
  // Listen first: agents are answered 503 until the state is back, instead of not at all.
  auto server = net::HttpServer::start(threads.io, server_options,
                                       [&app](net::ServerRequest request, net::Respond respond) {
                                         app->handle(std::move(request), std::move(respond));
                                       });
  if (!server) {
    threads.stop();
    return fail(kExitRuntime, server.error().message);
  }
  auto peer_server = listen_for_peers(threads.io, cluster_address, *app);
  if (!peer_server) {
    (*server)->stop();
    threads.stop();
    return fail(kExitRuntime, peer_server.error().message);
  }
  app->after_reload([&server] {
    if (const auto taken = (*server)->reload_tls(); !taken) {
      base::log_error(kComponent, "the old certificate stays: {}", taken.error().message);
    }
  });
  int exit_code = 0;
  if (const auto started = wait_for_start(*app); started) {
    base::log_info(kComponent, "listening on port {}", (*server)->port());
    base::notify_service_manager("READY=1");
    if (const auto interval = base::watchdog_interval()) feed_watchdog(threads.core, *interval);
    serve(*app, signals);
  } else {
    exit_code = fail(kExitRuntime, started.error().message);
  }
  (*server)->stop();
  app->stop();
  finish(threads.groups);
  if (*peer_server) (*peer_server)->stop();
  threads.stop();
  return exit_code;
}

/// The log level, what is wrong with the configuration; nullopt: go on.
std::optional<int> report(const LoadedSettings& loaded) {
  const std::vector<config::Source> sources{loaded.source};
  fmt::print(stderr, "{}", config::render_all(loaded.diagnostics, sources));
  if (base::has_errors(loaded.diagnostics)) return kExitConfig;
  base::set_log_level(loaded.settings.log_level);
  return std::nullopt;
}

/// In Alertmanager's place.
int main_as_alertmanager(std::span<const std::string_view> arguments) {
  const auto flags = parse_alertmanager_flags(arguments);
  if (!flags) return fail(kExitConfig, flags.error().message);
  if (flags->help) {
    fmt::print("{}", alertmanager_help());
    return 0;
  }
  if (flags->version) {
    fmt::print("tocsin-alertd {}, in Alertmanager's place\n", TOCSIN_VERSION);
    return 0;
  }
  base::Signals signals;
  const auto files = base::make_real_file_system();
  auto loaded = load_alertmanager_settings(*flags, *files);
  if (!loaded) return fail(kExitConfig, loaded.error().message);
  if (const auto code = report(*loaded)) return *code;
  if (flags->check) return 0;
  for (const std::string& name : flags->ignored) {
    base::log_warning(kComponent, "--{} has no effect here", name);
  }
  if (loaded->settings.admin_token.empty()) {
    base::log_warning(kComponent,
                      "as Alertmanager's, the API on {} is open to everybody who "
                      "reaches it; --web.auth-token-file closes it",
                      loaded->settings.server.listen);
  }
  return run(signals, std::move(loaded->settings), std::nullopt);
}

}  // namespace

int main_with(int argc, char** argv) {
  const std::vector<std::string_view> all(argv + 1, argv + argc);
  if (is_alertmanager_command_line(all)) return main_as_alertmanager(all);
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (argument == "--version") {
      fmt::print("tocsin-alertd {}\n", TOCSIN_VERSION);
      return 0;
    }
    if (argument == "--check") {
      arguments.check = true;
    } else if (argument == "--config" && i + 1 < argc) {
      arguments.config = argv[++i];
    } else {
      return fail(kExitConfig, fmt::format("unknown argument '{}'; see --help", argument));
    }
  }

  base::Signals signals;
  const auto files = base::make_real_file_system();
  auto loaded = load_settings(arguments.config, *files);
  if (!loaded) return fail(kExitConfig, loaded.error().message);
  if (const auto code = report(*loaded)) return *code;
  if (arguments.check) {
    const ruler::CheckResult check =
        ruler::check_rule_paths(loaded->settings.rule_paths, loaded->settings.rule_files, *files);
    fmt::print(stderr, "{}", config::render_all(check.diagnostics, check.sources));
    return check.ok() ? 0 : kExitConfig;
  }
  return run(signals, std::move(loaded->settings), arguments.config);
}

}  // namespace tocsin::alertd

int main(int argc, char** argv) {
  return tocsin::alertd::main_with(argc, argv);
}
