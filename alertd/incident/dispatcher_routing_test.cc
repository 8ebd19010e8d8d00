// Silences and maintenance through the dispatcher, over restarts; Alertmanager's integrations.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/incident/dispatcher_test_daemon.h"
#include "alertd/incident/routing_codec.h"
#include "alertd/routing/matcher_text.h"

namespace tocsin::incident {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const base::WallTime kBegin = base::wall_time(1'700'000'000'000);

struct Daemon : TestDaemon {
  Daemon() : TestDaemon(kBegin) {}

  std::vector<std::string> committed;  ///< Kinds of records that peers were told of.

  void boot(bool alertmanager = false) {
    DispatcherOptions options = test_options();
    if (alertmanager) {
      options.routing.alertmanager = true;
      options.routing.root.path = "{}";
      options.routing.receivers = {{"oncall", {{"pager", true}, {"mail", false}}}};
    }
    options.committed = [this](const StateChange& change) {
      for (const KeptRecord& record : change.records_upsert) committed.push_back(record.kind);
    };
    boot_with(std::move(options));
    executor.run_ready();
  }

  void post(std::string_view name, bool firing = true) {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", name}, {"host", "db1"}});
    alert.severity = model::Severity::High;
    alert.starts_at = kBegin;
    alert.updated_at = clock.wall();
    alert.valid_until = clock.wall() + hours(24);
    if (!firing) alert.ends_at = clock.wall();
    dispatcher->post({alert});
    executor.run_ready();
  }

  std::string edit(routing::Edit edit) {
    std::string answer = "none";
    dispatcher->edit(std::move(edit), executor, [&answer](base::Result<std::string> result) {
      answer = result ? *result : "error: " + result.error().message;
    });
    executor.run_ready();
    return answer;
  }

  std::string silence(base::Duration lasts) {
    routing::SetSilence edit;
    edit.silence.matcher_sets = {*routing::parse_matchers(R"(host=~"db.*")")};
    edit.silence.ends_at = clock.wall() + lasts;
    edit.silence.created_by = "ann";
    edit.silence.comment = "disks";
    return this->edit(edit);
  }

  /// "pager firing FirstNotification; ..."
  std::string sent() const {
    std::string text;
    for (const auto& [id, row] : disk->rows) {
      text += fmt::format("{} {} {}; ", row.notification.channel, to_string(row.notification.kind),
                          routing::to_string(row.notification.reason));
    }
    return text;
  }
};

TEST_CASE("dispatcher: a silence is durable when it is answered, and hides after a restart") {
  Daemon daemon;
  daemon.boot();
  const std::string id = daemon.silence(hours(1));
  REQUIRE(id.size() == 36);
  CHECK(daemon.committed == std::vector<std::string>{"silence"});
  daemon.post("DiskFull");
  daemon.executor.run_for(seconds(20));
  daemon.boot();
  daemon.executor.run_for(minutes(30));
  CHECK(daemon.sent().empty());
  const auto snapshot = daemon.snapshot();
  REQUIRE(snapshot->silences.size() == 1);
  CHECK(snapshot->silences[0].comment == "disks");
  REQUIRE(snapshot->alerts.size() == 1);
  CHECK(snapshot->alerts[0].suppression.silenced_by == std::vector<std::string>{id});
  CHECK(daemon.edit(routing::ExpireSilence{id, "bob"}) == id);
  daemon.executor.run_ready();
  CHECK(daemon.sent() == "pager firing FirstNotification; mail firing FirstNotification; ");
  CHECK(daemon.edit(routing::ExpireSilence{id, "bob"}) ==
        fmt::format("error: silence {} already expired", id));
}

TEST_CASE("dispatcher: an acknowledgement does not tell of what is silenced") {
  Daemon daemon;
  daemon.boot();
  daemon.post("DiskFull");
  daemon.executor.run_for(seconds(20));
  REQUIRE(daemon.silence(hours(1)).size() == 36);
  Command command;
  command.incident_id = "T-1001";
  command.actor = "ann";
  daemon.dispatcher->command(command, daemon.executor, [](base::Result<IncidentRecord>) {});
  daemon.executor.run_ready();
  const Notification& last = daemon.disk->rows.rbegin()->second.notification;
  CHECK(last.kind == NotificationKind::Acknowledged);
  CHECK(last.alerts.empty());
}

TEST_CASE("dispatcher: Alertmanager's integrations are told one by one, and its log survives") {
  Daemon daemon;
  daemon.boot(true);
  daemon.post("DiskFull");
  daemon.executor.run_for(seconds(20));
  CHECK(daemon.sent() == "pager firing FirstNotification; mail firing FirstNotification; ");
  daemon.boot(true);
  daemon.post("DiskFull");
  daemon.executor.run_for(minutes(3));
  daemon.post("DiskFull", false);
  daemon.executor.run_for(minutes(3));
  CHECK(daemon.sent() ==
        "pager firing FirstNotification; mail firing FirstNotification; "
        "pager resolved AllResolved; ");
  const auto snapshot = daemon.snapshot();
  REQUIRE(snapshot->incidents.size() == 1);
  CHECK(snapshot->incidents[0].incident.resolved());
  CHECK(snapshot->alerts.empty());
}

TEST_CASE("records of routing read back as they were written") {
  routing::Silence silence;
  silence.id = "11111111-2222-8333-8444-555555555555";
  silence.matcher_sets = {*routing::parse_matchers(R"(a="1",b!~"x|y")"),
                          *routing::parse_matchers(R"(c=~"z.*")")};
  silence.starts_at = kBegin;
  silence.ends_at = kBegin + hours(1);
  silence.updated_at = kBegin + seconds(1);
  silence.created_by = "ann";
  silence.annotations = {{"ticket", "4711"}};
  silence.until_resolved = silence.has_hidden = true;
  silence.remind_before = minutes(5);
  const KeptRecord written = silence_record(silence);
  const auto read = silence_from_record(written);
  REQUIRE_MESSAGE(read, read);
  CHECK(read->matcher_sets == silence.matcher_sets);
  CHECK(silence_record(*read).body == written.body);

  routing::Maintenance maintenance;
  maintenance.name = "patches";
  maintenance.matcher_sets = silence.matcher_sets;
  routing::Recurrence recurrence;
  recurrence.days.weekdays = {{0, 0}, {2, 4}};
  recurrence.days.zone = *timezone::Zone::find("Europe/Berlin");
  recurrence.start_minute = 120;
  recurrence.duration = hours(4);
  maintenance.recurrence = recurrence;
  maintenance.ended_at = kBegin;
  const auto window = maintenance_from_record(maintenance_record(maintenance));
  REQUIRE_MESSAGE(window, window);
  CHECK(maintenance_record(*window).body == maintenance_record(maintenance).body);
  CHECK(window->recurrence->days.zone.name() == "Europe/Berlin");

  const routing::LoggedNotification entry{"{}:{}\nr/w", {1, 2}, {3}, kBegin, kBegin + hours(8)};
  const auto logged = notify_log_from_record(notify_log_record(entry));
  REQUIRE_MESSAGE(logged, logged);
  CHECK(logged->firing == entry.firing);
  CHECK(logged->resolved == entry.resolved);
  CHECK(logged->expires_at == entry.expires_at);

  CHECK_FALSE(silence_from_record({"silence", "x", R"({"matcher_sets":[[{"op":"=>"}]]})"}));
  CHECK_FALSE(notify_log_from_record({"notify_log", "x", R"({"firing":["zz"]})"}));
}

}  // namespace
}  // namespace tocsin::incident
