// The dispatcher on real threads, as in production: one for it, one in the store, several that
// post. Run under ThreadSanitizer this is the check of who owns what.
#include <doctest/doctest.h>

#include "alertd/incident/dispatcher.h"
#include "alertd/routing/route_config.h"
#include "alertd/state/sqlite_state_store.h"
#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/sim/test_folder.h"

namespace tocsin {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kAlerts = 200;

/// Counts from any thread; the test waits for a number.
class Tally {
 public:
  void add(int by = 1) {
    base::MutexLock lock(mutex_);
    count_ += by;
    changed_.notify_all();
  }
  bool reaches(int count) {
    base::MutexLock lock(mutex_);
    return changed_.wait_for(mutex_, seconds(60), [&] { return count_ >= count; });
  }

 private:
  base::Mutex mutex_;
  base::Condition changed_;
  int count_ = 0;
};

model::Alert make_alert(int number, base::WallTime now) {
  const std::string name = "Alert" + std::to_string(number % 20);
  const std::string host = "host" + std::to_string(number);
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", name}, {"host", host}});
  alert.severity = model::Severity::Critical;
  alert.starts_at = alert.updated_at = now;
  alert.valid_until = now + minutes(10);
  return alert;
}

}  // namespace

TEST_CASE("dispatcher on real threads") {
  base::set_log_level(base::LogLevel::Error);
  const base::RealClock clock;
  const sim::TestFolder folder;
  base::AsioExecutor core(clock, "notify", 1);
  base::AsioExecutor clients(clock, "clients", 3);
  base::Metrics metrics;
  Tally tally;
  state::SqliteOptions sqlite;
  sqlite.path = folder.file("state.db");
  auto store = state::open_sqlite_state_store(sqlite, clock);
  REQUIRE_MESSAGE(store, store);

  incident::DispatcherOptions options;
  options.routing.root.receiver = "oncall";
  options.routing.root.group_by = {"alertname"};
  options.routing.root.timing.group_wait = base::Duration{0};
  options.routing.root.timing.group_interval = minutes(1);
  routing::complete_routes(options.routing.root);
  options.settings.receivers = {{"oncall", {"pager"}}};
  incident::Dispatcher dispatcher(options, core, **store, metrics);
  dispatcher.start([](base::Result<void> result) { CHECK(result); });
  for (int number = 0; number < kAlerts; ++number) {
    clients.post([&dispatcher, &clients, &tally, number, now = clock.wall()] {
      dispatcher.post({make_alert(number, now)});
      dispatcher.snapshot(clients, [&tally](auto snapshot) { tally.add(snapshot ? 1 : 0); });
      dispatcher.explain(make_alert(number, now), clients,
                         [&tally](const routing::Explanation&) { tally.add(); });
    });
  }
  CHECK(tally.reaches(2 * kAlerts));
  incident::Command command;
  command.incident_id = "T-1001";
  command.actor = "ann";
  dispatcher.command(command, clients, [&tally](auto result) { tally.add(result ? 1 : 0); });
  CHECK(tally.reaches(2 * kAlerts + 1));
  (*store)->incidents({}, clients, [&tally](auto incidents) {
    tally.add(incidents && incidents->size() == 20 ? 1 : 0);
  });
  CHECK(tally.reaches(2 * kAlerts + 2));
  dispatcher.stop([&tally] { tally.add(); });
  CHECK(tally.reaches(2 * kAlerts + 3));
  core.stop();
  store->reset();
  clients.stop();
}

}  // namespace tocsin
