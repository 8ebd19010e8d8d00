// Daemons whose rulers share a group over the tables in memory, in simulated time.
#include "alertd/app/sharing_link.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/ruler/test_world.h"
#include "alertd/sharing/fake_group_store.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::alertd {
namespace {

using std::chrono::seconds;

constexpr const char* kSharedRules = R"(
[[group]]
name = "load"
interval = "5s"

[[group.alert]]
name = "High"
expr = "load1 > 4"
severity = "high"
runbook = "https://x.org"
no_data = "alert"
)";

struct SharedFleet : ruler::TestWorld {
  struct Daemon {
    Daemon(SharedFleet& fleet, const std::string& name)
        : store(fleet.tables),
          link(options(name), store, fleet.executor, metrics, sink),
          ruler(world(fleet), ruler_options(*this), fleet.files) {
      link.attach(ruler);
      link.start();
      CHECK(ruler.load().ok);
    }
    static sharing::KeeperOptions options(const std::string& name) {
      sharing::KeeperOptions options;
      options.name = name;
      options.session = "life of " + name;
      return options;
    }
    static ruler::RulerOptions ruler_options(Daemon& daemon) {
      ruler::RulerOptions options;
      options.paths = {"/rules"};
      options.files.datasources.all = "engine";
      options.shared_changed = [&daemon](std::vector<std::string> keys) {
        daemon.link.know(std::move(keys));
      };
      return options;
    }
    ruler::RulerWorld world(SharedFleet& fleet) {
      ruler::RulerWorld world = fleet.world;
      world.datasources = [&fleet](const ruler::RuleGroup&) {
        return ruler::make_local_evaluator(fleet.engine, fleet.store, {});
      };
      world.records = &link;
      return world;
    }
    std::size_t told(bool ended) const {
      std::set<std::string> told;
      for (const model::Alert& alert : sink.alerts) {
        if (alert.ends_at.has_value() == ended) told.insert(alert.labels.to_string());
      }
      return told.size();
    }

    sharing::FakeGroupStore store;
    base::Metrics metrics;
    ruler::RecordingSink sink;
    SharingLink link;
    ruler::Ruler ruler;
  };

  SharedFleet() {
    base::set_log_level(base::LogLevel::Error);
    REQUIRE(files.create_folders("/rules"));
    REQUIRE(files.write_atomic("/rules/a.toml", kSharedRules, 0644));
  }
  void pass(int steps, const std::map<std::string, double>& values) {
    for (int i = 0; i < steps; ++i) {
      for (const auto& [host, value] : values) {
        this->add(model::Labels{{"__name__", "load1"}, {"host", host}}, value);
      }
      executor.run_for(seconds(5));
    }
  }

  sim::SimFileSystem files;
  std::shared_ptr<sharing::FakeGroupStore::Tables> tables =
      std::make_shared<sharing::FakeGroupStore::Tables>(clock);
};

}  // namespace

TEST_CASE("sharing link: alerts of the holder reach who tells people, and it alone") {
  SharedFleet fleet;
  SharedFleet::Daemon holder(fleet, "one");
  fleet.pass(3, {{"a", 1}});
  SharedFleet::Daemon teller(fleet, "two");
  teller.link.follow();
  CHECK(holder.link.held() == 1);
  fleet.pass(3, {{"a", 9}, {"b", 9}});
  CHECK(teller.told(false) == 2);
  CHECK(holder.sink.alerts.empty());
  fleet.pass(3, {{"a", 1}, {"b", 9}});
  CHECK(teller.told(true) == 1);
  CHECK(holder.link.describe() == "holds 1 of 1 shared rule groups; 2 daemons: one (1), two (0)");

  // Another one becomes the one that tells: it hears everything at once, what ended lately too.
  teller.link.unfollow();
  holder.link.follow();
  fleet.executor.run_for(base::Duration{100});
  CHECK(holder.told(false) == 1);
  CHECK(holder.told(true) == 1);

  // What is left of a group that nobody has evaluated for long is not told again.
  fleet.tables->groups["left over"].state = fleet.tables->groups["a.toml:load"].state;
  fleet.tables->groups["left over"].version = 1;
  holder.link.unfollow();
  fleet.executor.run_for(std::chrono::minutes(30));
  const std::size_t before = holder.sink.alerts.size();
  holder.link.follow();
  fleet.executor.run_for(base::Duration{1});
  for (std::size_t i = before; i < holder.sink.alerts.size(); ++i) {
    const model::Alert& alert = holder.sink.alerts[i];
    CHECK(std::max(alert.ends_at.value_or(alert.valid_until), alert.valid_until) >
          fleet.clock.wall() - std::chrono::minutes(20));
  }
  CHECK(holder.sink.alerts.size() > before);
}

TEST_CASE("sharing link: a takeover goes on with the alerts; what is forgotten is heard by all") {
  SharedFleet fleet;
  auto holder = std::make_unique<SharedFleet::Daemon>(fleet, "one");
  fleet.pass(3, {{"a", 9}, {"b", 1}});
  SharedFleet::Daemon other(fleet, "two");
  other.link.follow();
  fleet.pass(3, {{"a", 9}, {"b", 1}});
  REQUIRE(other.told(false) == 1);
  const base::WallTime starts_at = other.sink.alerts.front().starts_at;
  holder->store.cut(true);
  fleet.pass(6, {{"a", 9}, {"b", 1}});
  CHECK(other.link.held() == 1);
  for (const model::Alert& alert : other.sink.alerts) {
    CHECK(alert.starts_at == starts_at);
    CHECK_FALSE(alert.ends_at);
  }
  holder->store.cut(false);
  fleet.pass(2, {{"a", 9}, {"b", 1}});
  CHECK(holder->link.held() == 0);

  fleet.pass(150, {{"a", 9}});  // b is silent
  REQUIRE(other.told(false) == 2);
  holder->ruler.forget_owner("host", "b", "it was taken out of service");
  fleet.pass(2, {{"a", 9}});
  CHECK(other.told(true) == 1);
}

}  // namespace tocsin::alertd
