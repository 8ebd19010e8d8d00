// The dispatcher over a real SQLite file: what a restart finds is what was committed.
#include <doctest/doctest.h>

#include "alertd/incident/dispatcher.h"
#include "alertd/routing/route_config.h"
#include "alertd/state/sqlite_state_store.h"
#include "common/sim/test_folder.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin {
namespace {

using incident::Command;
using incident::Dispatcher;
using incident::DispatcherOptions;
using incident::StateStore;
using std::chrono::minutes;
using std::chrono::seconds;

struct World {
  World() { base::set_log_level(base::LogLevel::Error); }

  sim::TestFolder folder;
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::unique_ptr<StateStore> store;
  std::unique_ptr<Dispatcher> dispatcher;

  void boot() {
    dispatcher.reset();
    store.reset();
    executor.run_ready();
    state::SqliteOptions sqlite;
    sqlite.path = folder.file("state.db");
    sqlite.worker = &executor;
    auto opened = state::open_sqlite_state_store(sqlite, clock);
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
    const auto found = incident::ask<std::vector<incident::WaitingRow>>(
        executor, [&](auto done) { store->pending_after(0, 100, executor, done); });
    REQUIRE(found);
    std::string text;
    for (const incident::WaitingRow& row : *found) {
      const auto message = incident::notification_from_bytes(row.message);
      REQUIRE(message);
      text += std::string(routing::to_string(message->reason)) + " ";
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
  CHECK(detail->timeline.size() == 5);  // opened, its scope, notified, acknowledged, notified
  // Nobody sends it any more: startup_grace (5 m) after the last start it is resolved.
  world.executor.run_for(minutes(6));
  CHECK(world.rows() == "FirstNotification Acknowledged AllResolved ");
}

}  // namespace tocsin
