// The dispatcher over a real SQLite file: what a restart finds is what was committed.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alertd/incident/dispatcher.h"
#include "alertd/incident/state_store_suite.h"
#include "alertd/routing/route_config.h"
#include "alertd/state/schema.h"
#include "alertd/state/sqlite_state_store.h"
#include "alertd/state/state_tables.h"
#include "common/base/file_system.h"
#include "common/base/random.h"

namespace tocsin::state {
namespace {

using incident::Command;
using incident::Dispatcher;
using incident::DispatcherOptions;
using incident::StateStore;
using std::chrono::minutes;
using std::chrono::seconds;

class StateFile {
 public:
  StateFile() : path_("/tmp/tocsin-restart-" + base::make_real_random()->hex(8) + ".db") {}
  ~StateFile() {
    for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct World {
  World() { base::set_log_level(base::LogLevel::Error); }

  StateFile file;
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::unique_ptr<StateStore> store;
  std::unique_ptr<Dispatcher> dispatcher;

  void boot() {
    dispatcher.reset();
    store.reset();
    executor.run_ready();
    SqliteOptions sqlite;
    sqlite.path = file.path();
    sqlite.worker = &executor;
    auto opened = open_sqlite_state_store(sqlite, clock);
    REQUIRE_MESSAGE(opened, opened);
    store = std::move(*opened);
    DispatcherOptions options;
    options.routing.root.receiver = "oncall";
    options.routing.root.group_by = {"alertname"};
    routing::complete_routes(options.routing.root);
    options.settings.receivers = {{"oncall", {"pager"}}};
    dispatcher = std::make_unique<Dispatcher>(options, executor, *store, metrics);
    dispatcher->start([](base::Result<void> result) { CHECK(result); });
    executor.run_ready();
  }

  void fire() {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", "Disk'Full"}, {"host", "größe \"x\""}});
    alert.severity = model::Severity::Critical;
    alert.starts_at = base::wall_time(1'700'000'000'000);
    alert.updated_at = clock.wall();
    alert.valid_until = clock.wall() + minutes(4);
    dispatcher->post({alert});
    executor.run_for(seconds(10));
  }

  std::string rows() {
    const auto found = incident::ask<incident::PendingRows>(
        executor, [&](auto done) { store->pending(clock.wall(), 100, executor, done); });
    REQUIRE(found);
    std::string text;
    for (const auto& row : found->rows) {
      text += std::string(routing::to_string(row.notification.reason)) + " ";
    }
    return text;
  }
};

}  // namespace

TEST_CASE("restart over SQLite: nothing again, nothing forgotten") {
  World world;
  world.boot();
  world.fire();
  CHECK(world.rows() == "FirstNotification ");
  world.boot();
  world.fire();
  CHECK(world.rows() == "FirstNotification ");
  Command command;
  command.incident_id = "T-1001";
  command.actor = "ann";
  world.dispatcher->command(command, world.executor, [](auto result) { CHECK(result); });
  world.executor.run_ready();
  world.boot();
  CHECK(world.rows() == "FirstNotification Acknowledged ");
  const auto detail = incident::ask<incident::IncidentDetail>(
      world.executor, [&](auto done) { world.store->incident("T-1001", world.executor, done); });
  REQUIRE(detail);
  CHECK(detail->incident.state == incident::IncidentState::Acknowledged);
  CHECK(detail->timeline.size() == 4);  // opened, notified, acknowledged, notified
  // Nobody sends it any more: startup_grace (5 m) after the last start it is resolved.
  world.executor.run_for(minutes(6));
  CHECK(world.rows() == "FirstNotification Acknowledged AllResolved ");
}

TEST_CASE("kill -9 between commits: what was acknowledged is there") {
  StateFile file;
  const base::SimClock clock;
  for (int round = 0; round < 5; ++round) {
    int channel[2];
    REQUIRE(::pipe(channel) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto database = Database::open(file.path(), 1000);
      if (!database || !migrate(**database, newest_schema_version(), clock.wall())) ::_exit(1);
      StateTables tables(**database);
      for (std::int64_t number = 1;; ++number) {
        incident::StateChange change;
        change.incidents_upsert = {incident::suite_incident(number, incident::IncidentState::Open)};
        change.outbox = {incident::suite_notification("T-" + std::to_string(number), 1)};
        if (!tables.commit(change)) ::_exit(1);
        if (::write(channel[1], &number, sizeof number) != sizeof number) ::_exit(1);
      }
    }
    ::close(channel[1]);
    std::int64_t acknowledged = 0;
    const std::int64_t enough = 20 + 7 * round;
    while (acknowledged < enough &&
           ::read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    while (::read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(channel[0]);
    CHECK(WIFSIGNALED(status));
    CHECK(acknowledged >= enough);

    auto database = Database::open(file.path(), 1000);
    REQUIRE_MESSAGE(database, database);
    StateTables tables(**database);
    const auto state = tables.load(base::wall_time(0));
    const auto rows = tables.pending(base::wall_time(4'000'000'000'000), 1'000'000);
    REQUIRE(state);
    REQUIRE(rows);
    CHECK(static_cast<std::int64_t>(state->incidents.size()) >= acknowledged);
    CHECK(rows->rows.size() == state->incidents.size());  // both or none
  }
}

}  // namespace tocsin::state
