// A disk that takes no commits for long: deciding and telling go on, and all becomes durable later.
#include <doctest/doctest.h>
#include <algorithm>

#include "alertd/incident/dispatcher.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/routing/route_config.h"
#include "common/base/log.h"
#include "common/base/sim_executor.h"

namespace tocsin::incident {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// A dispatcher on a disk that can be broken, and what it wanted sent without the disk.
struct AheadWorld {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
  std::unique_ptr<FakeStateStore> store;
  std::unique_ptr<Dispatcher> dispatcher;
  std::vector<std::string> told;

  AheadWorld() {
    base::set_log_level(base::LogLevel::Error);
    boot();
  }
  ~AheadWorld() { dispatcher.reset(); }

  void boot() {
    dispatcher.reset();
    executor.run_ready();
    store = std::make_unique<FakeStateStore>(disk);
    DispatcherOptions options;
    options.routing.root.receiver = "oncall";
    options.routing.root.group_by = {"alertname"};
    options.routing.root.timing = {seconds(1), minutes(1), std::chrono::hours(4)};
    options.settings.receivers = {{"oncall", {"pager"}}};
    options.commit_failing = [this](const std::vector<Notification>& messages) {
      for (const Notification& each : messages) told.push_back(each.key);
    };
    routing::complete_routes(options.routing.root);
    dispatcher = std::make_unique<Dispatcher>(std::move(options), executor, *store, metrics);
    dispatcher->start([](base::Result<void> result) { CHECK(result); });
    executor.run_ready();
  }

  void fire(std::string_view name) {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", name}, {"severity", "critical"}});
    alert.severity = model::Severity::Critical;
    alert.starts_at = alert.updated_at = clock.wall();
    alert.valid_until = clock.wall() + std::chrono::hours(1);
    dispatcher->post({alert});
  }

  void break_disk() {
    store->fate = [](std::uint64_t) { return FakeStateStore::Fate::FailsBefore; };
  }
  void mend_disk() { store->fate = nullptr; }

  std::vector<std::string> durable() const {
    std::vector<std::string> keys;
    for (const auto& [id, row] : disk->rows) keys.push_back(row.notification.key);
    return keys;
  }
};

TEST_CASE("dispatcher: what begins while nothing can be committed is told, and durable later") {
  AheadWorld world;
  world.break_disk();
  world.fire("First");
  world.executor.run_for(seconds(30));
  const std::size_t first = world.told.size();
  CHECK(first >= 1);
  world.fire("Second");
  world.executor.run_for(seconds(20));
  world.fire("Third");
  world.executor.run_for(seconds(20));
  CHECK(world.told.size() == first + 2);
  CHECK(world.durable().empty());

  world.mend_disk();
  world.executor.run_for(minutes(1));
  // The same messages with the same keys, each once: the receiver of a repeat drops it.
  std::vector<std::string> told = world.told;
  std::sort(told.begin(), told.end());
  told.erase(std::unique(told.begin(), told.end()), told.end());
  std::vector<std::string> durable = world.durable();
  std::sort(durable.begin(), durable.end());
  CHECK(durable == told);
  CHECK(world.disk->incidents.size() == 3);

  // And it goes on as always.
  world.fire("Fourth");
  world.executor.run_for(seconds(10));
  CHECK(world.durable().size() == 4);
  world.boot();
  world.executor.run_for(minutes(2));
  CHECK(world.durable().size() == 4);
}

TEST_CASE("dispatcher: a command while nothing can be committed is answered when it is durable") {
  AheadWorld world;
  world.fire("First");
  world.executor.run_for(seconds(10));
  REQUIRE(world.durable().size() == 1);
  world.break_disk();
  world.fire("Second");
  world.executor.run_for(seconds(30));
  Command command;
  command.incident_id = "T-1001";
  command.actor = "ann";
  bool answered = false;
  world.dispatcher->command(command, world.executor, [&](base::Result<IncidentRecord> result) {
    answered = true;
    CHECK(result);
  });
  world.executor.run_for(seconds(30));
  CHECK(!answered);
  world.mend_disk();
  world.executor.run_for(minutes(1));
  CHECK(answered);
  CHECK(world.disk->incidents.at(1001).state == IncidentState::Acknowledged);
}

TEST_CASE("dispatcher: an end while nothing can be committed waits for nothing") {
  AheadWorld world;
  world.break_disk();
  world.fire("First");
  world.executor.run_for(seconds(30));
  world.fire("Second");
  world.executor.run_for(seconds(10));
  bool stopped = false;
  world.dispatcher->stop([&] { stopped = true; });
  world.executor.run_for(seconds(20));
  CHECK(stopped);
}

}  // namespace
}  // namespace tocsin::incident
