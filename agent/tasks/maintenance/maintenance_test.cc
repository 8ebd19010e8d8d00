// The pure parts of maintenance; what needs a server is tests/e2e/maintenance_test.py.
#include <doctest/doctest.h>

#include "agent/tasks/maintenance/log_rotation.h"
#include "agent/tasks/maintenance/server.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::agent {
namespace {

std::string reason(const Moment& moment) {
  const auto skip = judge_moment(moment, MaintenanceServer{});
  return skip ? skip->reason : "";
}

TEST_CASE("the moment: each reason to leave it") {
  CHECK(reason({}).empty());
  CHECK(reason({.standby = true}) == "standby");
  CHECK(reason({.transaction_seconds = 600}).empty());
  CHECK(reason({.transaction_seconds = 601}) == "long_transaction");
  CHECK(reason({.lag_seconds = 31}) == "replica_lag");
  CHECK(reason({.backups = 1}) == "backup_running");
  CHECK(reason({.load = 0.71}) == "load");
  MaintenanceServer never;
  never.load_max = 0;
  CHECK_FALSE(judge_moment({.load = 50}, never));
}

TEST_CASE("errors of the server lose the rows that they name") {
  const auto shown = [](const char* text) {
    return without_detail(base::error(base::ErrorCode::Io, text)).message;
  };
  CHECK(
      shown("PostgreSQL: ERROR:  could not create unique index \"u\" DETAIL:  Key (email)=(a@b) is "
            "duplicated. CONTEXT:  parallel worker") ==
      "PostgreSQL: ERROR:  could not create unique index \"u\"");
  CHECK(shown("PostgreSQL: lock timeout") == "PostgreSQL: lock timeout");
}

constexpr const char* kStatus = R"(logrotate state -- version 2
"/var/log/shop/app.log" 2026-11-26-6:25:1
"/var/log/with \"quote\".log" 2026-11-20
"/var/log/odd" yesterday
)";

TEST_CASE("logrotate's state file, as Debian 12 writes it") {
  const auto status = parse_logrotate_status(kStatus).value();
  CHECK(status.size() == 2);
  CHECK(status.at("/var/log/shop/app.log") == timezone::parse_local("2026-11-26 06:25:01").value());
  CHECK(status.contains("/var/log/with \"quote\".log"));
  CHECK_FALSE(parse_logrotate_status("root:x:0"));
}

struct Bench {
  base::Result<TaskOutcome> run(const std::string& options) {
    base::Diagnostics diagnostics;
    const config::Source source{"agent.toml", options};
    config::Context context{source, diagnostics, files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table table(context, &node);
    const auto make = log_rotation_kind().read(table);
    table.finish();
    REQUIRE(diagnostics.empty());
    TaskContext task{.task = "log_rotation",
                     .dry_run = false,
                     .clock = clock,
                     .files = files,
                     .run_command = {},
                     .deadline = clock.monotonic() + std::chrono::hours(1),
                     .stop_asked = {},
                     .state_folder = "/state"};
    return make()->run(task);
  }

  sim::SimFileSystem files;
  // The files of this disk carry times of the beginning of 1970.
  base::SimClock clock{base::wall_time(60'000)};
};

TEST_CASE("log_rotation: fresh state is evidence; old state, unknown and large logs are not") {
  Bench bench;
  CHECK(bench.run("").error().code == base::ErrorCode::NotFound);
  bench.files.set_content("/var/lib/logrotate/status", kStatus);
  const auto good = bench.run("");
  REQUIRE_MESSAGE(good, good.error().message);
  CHECK(good->numbers.at("logs_known") == 2);
  CHECK(bench.run("logs = [\"/var/log/lost.log\"]").error().message.find("does not know") !=
        std::string::npos);
  bench.files.set_content("/var/log/shop/app.log", "0123456789");
  CHECK(bench.run("logs = [\"/var/log/shop/app.log\"]\nsize_max = \"5\"")
            .error()
            .message.find("10 bytes") != std::string::npos);
  bench.clock.advance(std::chrono::hours(27));
  CHECK(bench.run("").error().message.find("has not run") != std::string::npos);
}

}  // namespace
}  // namespace tocsin::agent
