// Two dispatchers over one stored state: the one without the lease keeps what it hears and does
// nothing; what it took over it goes on with, and what was told is not told again.
#include <doctest/doctest.h>

#include "alertd/incident/dispatcher_test_daemon.h"

namespace tocsin::incident {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Pair {
  Pair() { base::set_log_level(base::LogLevel::Error); }

  struct Daemon {
    Daemon(Pair& pair, std::string daemon_name, std::size_t queue_max)
        : name(std::move(daemon_name)), store(pair.disk) {
      DispatcherOptions options = test_options();
      options.queue_max = queue_max;
      options.routing.root.timing.group_wait = base::Duration{0};
      routing::complete_routes(options.routing.root);
      options.settings.receivers = {{"oncall", {"pager"}}};
      options.lease_lost = [this] { ++losses; };
      dispatcher = std::make_unique<Dispatcher>(options, pair.executor, store, metrics);
    }

    std::string name;
    base::Metrics metrics;
    FakeStateStore store;
    std::unique_ptr<Dispatcher> dispatcher;
    int losses = 0;
  };

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
  Daemon first{*this, "one", 100};
  Daemon second{*this, "two", 10};

  void take(Daemon& daemon) {
    bool held = false;
    daemon.store.acquire_lease(daemon.name, seconds(9), executor,
                               [&held](auto lease) { held = lease && lease->held; });
    executor.run_ready();
    REQUIRE(held);
    daemon.dispatcher->start([](base::Result<void> result) { CHECK(result); });
    executor.run_ready();
  }

  void stand_by(Daemon& daemon) {
    executor.post([&daemon] { daemon.dispatcher->stand_by(); });
    executor.run_ready();
  }

  model::Alert alert(const std::string& name, bool resolved = false) {
    model::Alert one;
    one.labels = model::Labels({{"alertname", name}});
    one.severity = model::Severity::High;
    one.starts_at = one.updated_at = clock.wall();
    one.valid_until = clock.wall() + minutes(4);
    if (resolved) one.ends_at = clock.wall();
    return one;
  }

  /// Both evaluate, so both hear of it.
  void hear(const model::Alert& one) {
    first.dispatcher->post({one});
    second.dispatcher->post({one});
    executor.run_ready();
  }

  std::string sent() const {
    std::string text;
    for (const auto& [id, row] : disk->rows) {
      text += row.notification.incident.title + " " +
              std::string(to_string(row.notification.kind)) + "; ";
    }
    return text;
  }

  std::string acknowledge(Daemon& daemon) {
    Command command;
    command.incident_id = "T-1001";
    command.actor = "ann";
    std::string answer = "none";
    daemon.dispatcher->command(command, executor, [&answer](base::Result<IncidentRecord> result) {
      answer = result ? "ok" : result.error().message;
    });
    executor.run_ready();
    return answer;
  }
};

}  // namespace

TEST_CASE("dispatcher pair: one works, the other takes over and tells nothing twice") {
  Pair pair;
  pair.stand_by(pair.second);
  pair.take(pair.first);
  pair.hear(pair.alert("A"));
  CHECK(pair.sent() == "A firing; ");
  CHECK(pair.acknowledge(pair.second).find("stands by") != std::string::npos);

  pair.executor.run_for(seconds(10));  // the first sleeps past its lease
  pair.take(pair.second);
  CHECK(pair.sent() == "A firing; ");
  // The first wakes up and decides about B; its commit is refused.
  pair.first.dispatcher->post({pair.alert("B")});
  pair.executor.run_ready();
  CHECK(pair.sent() == "A firing; ");
  CHECK(pair.first.losses == 1);
  CHECK(pair.acknowledge(pair.first).find("stands by") != std::string::npos);
  pair.hear(pair.alert("B"));
  CHECK(pair.sent() == "A firing; B firing; ");
  CHECK(pair.acknowledge(pair.second) == "ok");

  // And back, with all that happened meanwhile.
  pair.executor.run_for(seconds(10));
  pair.take(pair.first);
  pair.stand_by(pair.second);
  const std::string before = pair.sent();
  pair.hear(pair.alert("A", true));
  pair.hear(pair.alert("B", true));
  pair.executor.run_for(minutes(10));
  CHECK(pair.sent() == before + "A resolved; B resolved; ");
  CHECK(pair.first.losses == 1);
}

TEST_CASE("dispatcher pair: who stands by keeps the last word of each alert, within its bound") {
  Pair pair;
  pair.stand_by(pair.second);
  pair.take(pair.first);
  for (int round = 0; round < 50; ++round) {  // 200 posts, queue of 10
    for (const char* name : {"A", "B", "C", "D"}) {
      pair.second.dispatcher->post({pair.alert(name, std::string(name) == "D" && round == 49)});
    }
    pair.executor.run_for(seconds(1));
  }
  pair.executor.run_for(seconds(10));
  pair.take(pair.second);
  CHECK(pair.sent() == "A firing; B firing; C firing; ");  // D is over, and nobody was told of it
}

}  // namespace tocsin::incident
