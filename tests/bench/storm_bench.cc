// A storm in one process: alerts posted to the dispatcher, one message each, to a channel that
// takes everything at once; and a Critical one in the middle of it.
//
// Usage: storm_bench [ALERTS] [GROUPS]     50,000 alerts, each its own group, unless given
//
// Everything is real but the network: engine, SQLite in a temporary folder, outbox, notifier. For
// profiling and for comparing changes without the noise of servers; storm_side_by_side.py measures
// the real program. Printed: CPU seconds (user and system), wall seconds to the last delivery,
// resident MiB, and how long the Critical one took.
#include <fmt/core.h>

#include <atomic>
#include <cstdlib>
#include <future>

#include "alertd/incident/dispatcher.h"
#include "alertd/notify/notifier.h"
#include "alertd/routing/route_config.h"
#include "alertd/state/sqlite_state_store.h"
#include "common/base/asio_executor.h"
#include "common/base/log.h"
#include "common/base/process.h"

namespace tocsin {
namespace {

using Clock = base::RealClock;

/// Takes every message at once and remembers when the last and the Critical one came.
class Sink final : public notify::Channel {
 public:
  explicit Sink(base::Executor& executor) : executor_(executor) {}

  void send(const incident::Notification& message, const notify::DeliveryKey&,
            notify::SendDone done) override {
    if (message.incident.severity == model::Severity::Critical) {
      critical = executor_.clock().monotonic();
    }
    if (message.firing() && ++taken == expected) all.set_value(executor_.clock().monotonic());
    executor_.post([done = std::move(done)] { done({notify::Verdict::Delivered, "taken"}); });
  }

  std::size_t taken = 0;
  std::size_t expected = 0;
  std::promise<base::MonotonicTime> all;
  std::atomic<base::MonotonicTime> critical{base::MonotonicTime{}};

 private:
  base::Executor& executor_;
};

model::Alert make_alert(std::size_t i, std::size_t groups, base::WallTime now, bool critical) {
  model::Alert alert;
  const std::string severity = critical ? "critical" : "medium";
  alert.labels = model::LabelsBuilder()
                     .set("alertname", fmt::format("Load{}", i % groups))
                     .set("instance", fmt::format("host-{:05}:9100", i / 10))
                     .set("job", "node")
                     .set("severity", severity)
                     .set("device", fmt::format("dev{}", i % 10))
                     .build();
  alert.annotations =
      model::LabelsBuilder()
          .set("summary", fmt::format("host-{:05}: something is over its threshold", i))
          .build();
  alert.severity = critical ? model::Severity::Critical : model::Severity::Medium;
  alert.starts_at = alert.updated_at = now;
  alert.valid_until = now + std::chrono::hours(1);
  return alert;
}

incident::DispatcherOptions options_of(bool one_each, notify::Notifier& notifier) {
  incident::DispatcherOptions options;
  options.routing.root.receiver = "hook";
  options.routing.root.group_by = {"alertname"};
  if (one_each) options.routing.root.group_by = {"alertname", "device", "instance", "severity"};
  options.routing.root.timing.group_wait = base::Duration{0};
  routing::complete_routes(options.routing.root);
  options.settings.receivers = {{"hook", {"webhook"}}};
  options.settings.storm_incidents = 0;  // one message each is what is measured
  options.outbox_changed = [&notifier] { notifier.poke(); };
  options.queue_max = 200'000;
  return options;
}

int run(std::size_t alerts, std::size_t groups) {
  base::set_log_level(base::LogLevel::Error);
  const Clock clock;
  base::AsioExecutor core(clock, "core", 1);
  base::AsioExecutor notify_thread(clock, "notify", 1);
  base::Metrics metrics;
  const auto random = base::make_seeded_random(1);
  const auto files = base::make_real_file_system();
  const std::string folder =
      fmt::format("/tmp/tocsin-storm-{}", clock.monotonic().time_since_epoch().count());
  if (!files->create_folders(folder)) return 1;
  auto store = state::open_sqlite_state_store({.path = folder + "/state.db"}, clock);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 1;
  }
  const auto http = net::make_http_client(clock, 1, 10);
  const auto mail = net::make_mail_client(clock, 1, 10);
  notify::NotifySettings settings;
  notify::ChannelSettings channel;
  channel.receiver = "hook";
  channel.name = "webhook";
  channel.rate.per_minute = 0;
  channel.in_flight_max = 64;
  channel.kind = notify::WebhookSettings{};
  settings.receivers.push_back({"hook", {channel}});
  const auto sink = std::make_shared<Sink>(notify_thread);
  sink->expected = groups == 0 ? alerts + 1 : groups + 1;
  incident::Dispatcher* reports = nullptr;
  notify::Notifier notifier(
      {notify_thread, **store, *http, *mail, *random, metrics, "bench"}, settings,
      [&](const incident::Notification& sent, std::uint32_t attempts, incident::DeliveryState state,
          const std::string& text) {
        reports->report(incident::report_of(sent, state, attempts, text));
      },
      [&](const auto&, const auto&) { return sink; });
  incident::Dispatcher dispatcher(options_of(groups == 0, notifier), core, **store, metrics);
  reports = &dispatcher;
  std::promise<void> started;
  dispatcher.start([&](const base::Result<void>&) { started.set_value(); });
  started.get_future().wait();
  notifier.start();

  const double cpu = base::process_cpu_seconds();
  const base::MonotonicTime begin = clock.monotonic();
  base::MonotonicTime critical_posted{};
  constexpr std::size_t kAtOnce = 64;  // what Prometheus sends
  for (std::size_t i = 0; i < alerts; i += kAtOnce) {
    std::vector<model::Alert> batch;
    for (std::size_t k = i; k < std::min(i + kAtOnce, alerts); ++k) {
      batch.push_back(make_alert(k, groups == 0 ? 100 : groups, clock.wall(), false));
    }
    if (i <= alerts / 2 && i + kAtOnce > alerts / 2) {
      batch.push_back(make_alert(1'000'000, 1'000'001, clock.wall(), true));
      critical_posted = clock.monotonic();
    }
    dispatcher.post(std::move(batch));
  }
  auto last = sink->all.get_future();
  const bool done = last.wait_for(std::chrono::seconds(120)) == std::future_status::ready;
  const auto seconds = [](auto span) { return std::chrono::duration<double>(span).count(); };
  fmt::print(
      "alerts {} groups {} delivered {} cpu_s {:.2f} wall_s {:.2f} critical_s {:.2f} "
      "rss_mib {}\n",
      alerts, groups, done ? sink->expected : sink->taken, base::process_cpu_seconds() - cpu,
      done ? seconds(last.get() - begin) : -1.0, seconds(sink->critical.load() - critical_posted),
      base::process_resident_bytes() >> 20U);
  notifier.stop();
  std::promise<void> stopped;
  dispatcher.stop([&] { stopped.set_value(); });
  stopped.get_future().wait();
  notify_thread.stop();
  core.stop();
  store->reset();
  for (const char* file : {"/state.db", "/state.db-wal", "/state.db-shm", ""}) {
    if (!files->remove(folder + file)) continue;  // not there any more
  }
  return done ? 0 : 1;
}

}  // namespace
}  // namespace tocsin

int main(int argc, char** argv) {
  const std::size_t alerts = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 50'000;
  const std::size_t groups = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  return tocsin::run(alerts, groups);
}
