// For tests of the dispatcher: one that can be killed and started again; only the disk and the
// clock stay.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <utility>

#include "alertd/incident/dispatcher.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/routing/route_config.h"
#include "common/base/sim_executor.h"

namespace tocsin::incident {

/// Everything goes to the pager and the mail of `oncall`, by name of the alert.
inline DispatcherOptions test_options() {
  DispatcherOptions options;
  options.routing.root.receiver = "oncall";
  options.routing.root.group_by = {"alertname"};
  options.routing.root.timing = {std::chrono::seconds(10), std::chrono::minutes(1),
                                 std::chrono::hours(4)};
  options.settings.receivers = {{"oncall", {"pager", "mail"}}};
  return options;
}

struct TestDaemon {
  explicit TestDaemon(base::WallTime begin) : clock(begin) {
    base::set_log_level(base::LogLevel::Error);
  }

  base::SimClock clock;
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
  std::unique_ptr<FakeStateStore> store;
  std::unique_ptr<Dispatcher> dispatcher;

  /// Completes the routes and starts; what that posts has not run yet.
  void boot_with(DispatcherOptions options) {
    dispatcher.reset();
    store = std::make_unique<FakeStateStore>(disk);
    routing::complete_routes(options.routing.root);
    dispatcher = std::make_unique<Dispatcher>(std::move(options), executor, *store, metrics);
    dispatcher->start([](base::Result<void> result) { CHECK(result); });
  }

  /// Returns the answer, if it came at once.
  std::optional<base::Result<IncidentRecord>> command(Command command) {
    const auto answer = std::make_shared<std::optional<base::Result<IncidentRecord>>>();
    dispatcher->command(std::move(command), executor,
                        [answer](base::Result<IncidentRecord> result) { *answer = result; });
    executor.run_ready();
    return *answer;
  }

  std::shared_ptr<const Snapshot> snapshot() {
    std::shared_ptr<const Snapshot> result;
    dispatcher->snapshot(executor, [&result](auto snapshot) { result = std::move(snapshot); });
    executor.run_ready();
    REQUIRE(result);
    return result;
  }
};

}  // namespace tocsin::incident
