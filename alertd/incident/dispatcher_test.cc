#include "alertd/incident/dispatcher.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/incident/dispatcher_test_daemon.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {
namespace {

using base::ErrorCode;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Fate = FakeStateStore::Fate;

const base::WallTime kStart = base::wall_time(1'700'000'000'000);

model::Alert make_alert(std::string_view name, std::string_view host, base::WallTime now) {
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", name}, {"host", host}, {"severity", "high"}});
  alert.annotations = model::Labels({{"summary", "it is full"}});
  alert.severity = model::Severity::High;
  alert.starts_at = alert.updated_at = now;
  alert.valid_until = now + minutes(4);
  return alert;
}

struct World : TestDaemon {
  World() : TestDaemon(kStart) {}

  int outbox_calls = 0;
  std::size_t rows_seen = 0;  ///< Durable rows when outbox_changed was called last.

  void boot(std::size_t queue_max = 1000) {
    DispatcherOptions options = test_options();
    options.queue_max = queue_max;
    options.outbox_changed = [this] {
      ++outbox_calls;
      rows_seen = disk->rows.size();
    };
    boot_with(std::move(options));
  }

  double metric(const std::string& name, const base::MetricLabels& labels = {}) const {
    for (const auto& point : metrics.points()) {
      if (point.name == name && point.labels == labels) return point.value;
    }
    return -1;
  }

  /// What is in the outbox, in order: "T-1001 pager firing FirstNotification".
  std::vector<std::string> sent() const {
    std::vector<std::string> lines;
    for (const auto& [id, row] : disk->rows) {
      const Notification& each = row.notification;
      lines.push_back(fmt::format("{} {} {} {}", each.incident.id, each.channel,
                                  to_string(each.kind), routing::to_string(each.reason)));
    }
    return lines;
  }
};

Command acknowledge_command(const std::string& id) {
  Command command;
  command.incident_id = id;
  command.actor = "ann";
  return command;
}

}  // namespace

TEST_CASE("dispatcher: rows are durable before the notifier hears of them") {
  World world;
  world.boot();
  world.executor.run_ready();
  CHECK(world.outbox_calls == 1);  // at start: rows of before the restart
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(10));
  CHECK(world.outbox_calls == 2);
  CHECK(world.rows_seen == 2);
  CHECK(world.metric("tocsin_alertd_incidents_open", {{"severity", "high"}}) == 1);
  CHECK(world.metric("tocsin_alertd_alerts", {{"severity", "high"}, {"state", "firing"}}) == 1);
  CHECK(world.metric("tocsin_alertd_decisions_total",
                     {{"reason", "FirstNotification"}, {"outcome", "sent"}}) == 1);
  const auto snapshot = world.snapshot();
  REQUIRE(snapshot->incidents.size() == 1);
  CHECK(snapshot->incidents[0].firing == 1);
  CHECK(snapshot->incidents[0].incident.title == "it is full");
  REQUIRE(snapshot->alerts.size() == 1);
  CHECK(snapshot->alerts[0].groups.at(0).incident_id == "T-1001");
}

TEST_CASE("dispatcher: who asks during a commit is shown what it makes durable") {
  World world;
  world.boot();
  world.executor.run_ready();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  CHECK(world.snapshot()->alerts.size() == 1);
  world.executor.run_for(seconds(10));
  world.boot();
  world.executor.run_ready();
  world.dispatcher->post({make_alert("LoadHigh", "a", world.clock.wall())});
  CHECK(world.snapshot()->alerts.size() == 2);
}

TEST_CASE("dispatcher: a failing disk loses nothing and doubles nothing") {
  for (const Fate fate : {Fate::FailsBefore, Fate::FailsAfter}) {
    World world;
    world.boot();
    world.executor.run_ready();
    world.store->fate = [fate](std::uint64_t n) { return n < 8 ? fate : Fate::Works; };
    world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
    world.executor.run_ready();
    world.dispatcher->post({make_alert("LoadHigh", "a", world.clock.wall())});
    CHECK(world.outbox_calls == 1);
    CHECK(world.snapshot()->alerts.empty());  // nothing that is not durable is shown
    world.executor.run_for(minutes(2));
    CHECK(world.metric("tocsin_alertd_state_commit_failures_total") == 7);
    CHECK(world.sent() == std::vector<std::string>{"T-1001 pager firing FirstNotification",
                                                   "T-1001 mail firing FirstNotification",
                                                   "T-1002 pager firing FirstNotification",
                                                   "T-1002 mail firing FirstNotification"});
  }
}

TEST_CASE("dispatcher: alerts beyond the limit are refused and counted") {
  World world;
  DispatcherOptions options = test_options();
  options.limits.alerts_max = 10;
  world.boot_with(std::move(options));
  std::vector<model::Alert> alerts;
  for (int i = 0; i < 13; ++i) {
    alerts.push_back(make_alert("DiskFull", fmt::format("host{}", i), world.clock.wall()));
  }
  world.dispatcher->post(std::move(alerts));
  world.executor.run_for(seconds(1));
  CHECK(world.metric("tocsin_alertd_alerts_refused_total", {{"reason", "limit"}}) == 3);
}

TEST_CASE("dispatcher: a full queue refuses and counts") {
  World world;
  world.boot(3);
  world.dispatcher->post(std::vector<model::Alert>(4, make_alert("A", "a", kStart)));
  world.dispatcher->post(std::vector<model::Alert>(3, make_alert("A", "a", kStart)));
  world.dispatcher->post({make_alert("A", "a", kStart)});
  const std::string refused = "tocsin_alertd_alerts_refused_total";
  CHECK(world.metric(refused, {{"reason", "queue"}}) == 4);  // not the first post: it is one
  CHECK(world.metric(refused, {{"reason", "limit"}}) == 0);
  const auto answer = world.command(acknowledge_command("T-1"));  // room for 3 / 10 = 0 commands
  REQUIRE(answer.has_value());
  CHECK(answer->error().code == ErrorCode::Unavailable);
}

TEST_CASE("dispatcher: a storm is taken in step by step, and what is Critical before the rest") {
  World world;
  world.boot(100'000);
  world.executor.run_ready();
  std::vector<model::Alert> storm;
  for (int i = 0; i < 20'000; ++i) {
    storm.push_back(make_alert("DiskFull", std::to_string(i), world.clock.wall()));
  }
  storm.push_back(make_alert("Down", "a", world.clock.wall()));
  storm.back().severity = model::Severity::Critical;
  std::vector<std::size_t> stored;  // after each commit
  bool critical_first = false;
  world.store->fate = [&](std::uint64_t) {
    stored.push_back(world.disk->alerts.size());
    if (stored.size() == 2) {
      critical_first =
          std::any_of(world.disk->alerts.begin(), world.disk->alerts.end(), [](const auto& row) {
            return alert_from_record({row.first, row.second})->severity ==
                   model::Severity::Critical;
          });
    }
    return Fate::Works;
  };
  world.dispatcher->post(std::move(storm));
  world.executor.run_ready();
  CHECK(stored.size() == 3);
  CHECK(critical_first);
  CHECK(world.snapshot()->alerts.size() == 20'001);
}

TEST_CASE("dispatcher: commands answer when they are durable, with typed errors") {
  World world;
  world.boot();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(10));
  CHECK(world.command(acknowledge_command("T-9"))->error().code == ErrorCode::NotFound);
  CHECK(world.command(acknowledge_command("1001"))->error().code == ErrorCode::NotFound);
  Command nobody = acknowledge_command("T-1001");
  nobody.actor.clear();
  CHECK(world.command(nobody)->error().code == ErrorCode::InvalidArgument);
  Command forever = acknowledge_command("T-1001");
  forever.expires_in = hours(24 * 8);
  CHECK(world.command(forever)->error().code == ErrorCode::InvalidArgument);
  Command lengthy = acknowledge_command("T-1001");
  lengthy.comment = std::string(5000, 'x');
  CHECK(world.command(lengthy)->error().code == ErrorCode::LimitExceeded);

  world.store->fate = [](std::uint64_t n) { return n < 4 ? Fate::FailsBefore : Fate::Works; };
  CHECK(!world.command(acknowledge_command("T-1001")).has_value());
  world.executor.run_for(seconds(5));
  CHECK(world.disk->incidents.at(1001).state == IncidentState::Acknowledged);

  Command close = acknowledge_command("T-1001");
  close.kind = Command::Kind::Resolve;
  CHECK(world.command(close)->value().state == IncidentState::Resolved);
  CHECK(world.command(close)->error().code == ErrorCode::InvalidArgument);
  CHECK(world.command(acknowledge_command("T-1001"))->error().code == ErrorCode::InvalidArgument);
}

DeliveryReport report_of(DeliveryState state) {
  DeliveryReport report;
  report.incident_id = "T-1001";
  report.receiver = "oncall";
  report.channel = "mail";
  report.state = state;
  return report;
}

TEST_CASE("dispatcher: deliveries come back into the timeline") {
  World world;
  world.boot();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(10));
  DeliveryReport report = report_of(DeliveryState::Dead);
  report.attempts = 5;
  report.text = "550 no such user";
  world.dispatcher->report(report);
  world.executor.run_ready();
  const TimelineEvent& last = world.disk->events.rbegin()->second;
  CHECK(last.kind == "delivery_failed");
  CHECK(last.text == "firing to oncall/mail after 5 attempts: 550 no such user");
}

TEST_CASE("dispatcher: reports of deliveries gather for a moment, one of a failure does not") {
  World world;
  world.boot();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(10));
  DeliveryReport report = report_of(DeliveryState::Delivered);
  const std::uint64_t commits = world.store->commits();
  const std::size_t events = world.disk->events.size();
  for (int i = 0; i < 30; ++i) {
    world.dispatcher->report(report);
    world.executor.run_for(base::Duration{1});
  }
  CHECK(world.store->commits() == commits);
  world.executor.run_for(base::Duration{100});
  CHECK(world.store->commits() == commits + 1);
  CHECK(world.disk->events.size() == events + 30);
  world.dispatcher->report(report);
  report.state = DeliveryState::Dead;
  world.dispatcher->report(report);
  world.executor.run_ready();
  CHECK(world.store->commits() == commits + 2);
  CHECK(world.disk->events.size() == events + 32);
  world.executor.run_for(seconds(1));
  CHECK(world.store->commits() == commits + 2);
}

TEST_CASE("dispatcher: a jump of the clock resolves nothing") {
  World world;
  world.boot();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(30));
  CHECK(world.sent().size() == 2);
  world.clock.step_wall(hours(3));  // far past valid_until
  world.executor.run_for(minutes(2));
  CHECK(world.metric("tocsin_alertd_clock_jumps_total") == 1);
  CHECK(world.sent().size() == 2);
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.clock.step_wall(-hours(6));
  world.executor.run_for(minutes(2));
  world.dispatcher->post({make_alert("LoadHigh", "a", world.clock.wall())});
  world.executor.run_for(minutes(1));
  CHECK(world.sent().size() == 4);  // LoadHigh's; DiskFull is still known
}

TEST_CASE("dispatcher: after a reload the new receiver hears, also of acknowledgements") {
  World world;
  world.boot();
  world.dispatcher->post({make_alert("DiskFull", "a", world.clock.wall())});
  world.executor.run_for(seconds(10));
  routing::Routing routing;
  routing.root.receiver = "night";
  routing.root.group_by = {"alertname"};
  routing::complete_routes(routing.root);
  IncidentSettings settings;
  settings.receivers = {{"night", {"phone"}}, {"empty", {}}};
  world.dispatcher->reload(routing, settings);
  world.executor.run_ready();
  CHECK(world.sent().size() == 2);  // a reload does not page
  CHECK(world.command(acknowledge_command("T-1001")).value());
  CHECK(world.sent().back() == "T-1001 phone acknowledged Acknowledged");

  routing.root.receiver = "empty";
  world.dispatcher->reload(routing, settings);
  Command close = acknowledge_command("T-1001");
  close.kind = Command::Kind::Resolve;
  CHECK(world.command(close).value());
  CHECK(world.sent().size() == 3);
  CHECK(world.disk->events.rbegin()->second.kind == "not_notified");
  CHECK(world.metric("tocsin_alertd_decisions_total",
                     {{"reason", "NoChannel"}, {"outcome", "held"}}) == 1);
}

TEST_CASE("dispatcher: explain tells the walk and the group; the decisions are stored") {
  World world;
  world.boot();
  const model::Alert alert = make_alert("DiskFull", "a", world.clock.wall());
  world.dispatcher->post({alert});
  world.executor.run_for(seconds(260));  // turns at 10 s, 70 s, 130 s, 190 s, 250 s
  std::optional<routing::Explanation> answer;
  world.dispatcher->explain(alert, world.executor,
                            [&answer](routing::Explanation explanation) { answer = explanation; });
  world.executor.run_ready();
  REQUIRE(answer.has_value());
  CHECK(answer->walk.size() == 1);
  REQUIRE(answer->groups.size() == 1);
  CHECK(answer->groups[0].exists);
  CHECK(answer->groups[0].firing == 1);
  CHECK(answer->groups[0].told_at.has_value());
  std::vector<std::string> reasons;
  for (const DecisionRecord& record : world.disk->decisions) reasons.push_back(record.reason);
  CHECK(reasons == std::vector<std::string>{"GroupWait", "FirstNotification", "Unchanged"});
}

TEST_CASE("dispatcher: stop answers who waits") {
  World world;
  world.boot();
  world.executor.run_ready();
  bool stopped = false;
  std::optional<base::Result<IncidentRecord>> answer;
  world.dispatcher->stop([&stopped] { stopped = true; });
  world.dispatcher->command(acknowledge_command("T-1"), world.executor,
                            [&answer](base::Result<IncidentRecord> result) { answer = result; });
  world.executor.run_ready();
  CHECK(stopped);
  REQUIRE(answer.has_value());
  CHECK(answer->error().code == ErrorCode::Unavailable);
  world.dispatcher.reset();
  world.executor.run_for(hours(10));
  CHECK(world.executor.pending() == 0);
}

namespace {

/// Fires and resolves three alerts in two groups; the senders repeat themselves every 30 s.
class Story {
 public:
  /// Kills the process at commit number `fatal` with `fate` (0: never); returns what was sent.
  static std::vector<std::string> tell(std::uint64_t fatal, Fate fate, std::uint64_t* commits) {
    World world;
    bool dead = false;
    world.boot();
    world.store->fate = [&](std::uint64_t n) {
      dead = n == fatal;
      return dead ? fate : Fate::Works;
    };
    for (int second = 0; second < 20 * 60; ++second) {
      if (second % 30 == 0) world.dispatcher->post(firing_and_resolved(second, world.clock.wall()));
      world.executor.run_for(seconds(1));
      if (dead && (fate == Fate::DiesBefore || fate == Fate::DiesAfter)) {
        *commits += world.store->commits();
        world.boot();
        dead = false;
      }
    }
    *commits += world.store->commits();
    CHECK(world.disk->alerts.empty());
    CHECK(world.disk->groups.empty());
    std::map<std::string, int> keys;
    for (const auto& [id, row] : world.disk->rows) ++keys[row.notification.key];
    for (const auto& [key, count] : keys) CHECK(count == 1);
    return world.sent();
  }

 private:
  static std::vector<model::Alert> firing_and_resolved(int second, base::WallTime now) {
    struct Life {
      const char* name;
      const char* host;
      int from;
      int to;
    };
    static constexpr Life kLives[] = {
        {"DiskFull", "a", 0, 600}, {"DiskFull", "b", 180, 840}, {"LoadHigh", "a", 360, 900}};
    std::vector<model::Alert> alerts;
    for (const Life& life : kLives) {
      if (second < life.from) continue;
      model::Alert alert = make_alert(life.name, life.host, now);
      alert.starts_at = kStart + seconds(life.from);
      if (second >= life.to) alert.ends_at = kStart + seconds(life.to);
      alerts.push_back(std::move(alert));
    }
    return alerts;
  }
};

}  // namespace

TEST_CASE("dispatcher: killed at any commit, no page is lost and none doubled") {
  std::uint64_t commits = 0;
  const std::vector<std::string> expected = Story::tell(0, Fate::Works, &commits);
  CHECK(expected == std::vector<std::string>{
                        "T-1001 pager firing FirstNotification",
                        "T-1001 mail firing FirstNotification", "T-1001 pager update NewAlerts",
                        "T-1001 mail update NewAlerts", "T-1002 pager firing FirstNotification",
                        "T-1002 mail firing FirstNotification", "T-1001 pager update SomeResolved",
                        "T-1001 mail update SomeResolved", "T-1001 pager resolved AllResolved",
                        "T-1001 mail resolved AllResolved", "T-1002 pager resolved AllResolved",
                        "T-1002 mail resolved AllResolved"});
  CHECK(commits >= 10);
  for (std::uint64_t fatal = 1; fatal <= commits; ++fatal) {
    for (const Fate fate :
         {Fate::DiesBefore, Fate::DiesAfter, Fate::FailsBefore, Fate::FailsAfter}) {
      CAPTURE(fatal);
      CAPTURE(static_cast<int>(fate));
      std::uint64_t ignored = 0;
      CHECK(Story::tell(fatal, fate, &ignored) == expected);
    }
  }
}

}  // namespace tocsin::incident
