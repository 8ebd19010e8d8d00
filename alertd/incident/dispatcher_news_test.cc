// News for stakeholders, reminders, maintenance and reports through the dispatcher, over restarts.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/incident/dispatcher_test_daemon.h"
#include "alertd/routing/matcher_text.h"
#include "common/base/strings.h"

namespace tocsin::incident {
namespace {

using base::ErrorCode;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const base::WallTime kBegin = base::parse_rfc3339("2026-11-26T10:00:00Z").value();

Communication communication_of(bool automatic) {
  Communication communication;
  Service service;
  service.name = "registration";
  service.title = "Course registration";
  communication.services.emplace(service.name, service);
  Audience dean;
  dean.name = "dean";
  dean.addresses = {{"dean", "mail"}};
  dean.automatic = automatic;
  dean.maintenance = hours(24);
  Audience staff;
  staff.name = "staff";
  staff.addresses = {{"staff", "chat"}};
  staff.severities = {true, true, true, true};
  staff.cadence = {};
  communication.audiences = {dean, staff};
  return communication;
}

struct Daemon : TestDaemon {
  explicit Daemon(bool automatic = false) : TestDaemon(kBegin), automatic_(automatic) { boot(); }

  void boot() {
    DispatcherOptions options = test_options();
    options.routing.root.timing = {seconds(0), minutes(1), hours(400)};
    options.settings.receivers = {
        {"ada", {"chat"}}, {"dean", {"mail"}}, {"oncall", {"pager"}}, {"staff", {"chat"}}};
    oncall::Person ada;
    ada.name = "ada";
    ada.receiver = "ada";
    options.settings.directory.persons.emplace("ada", ada);
    options.settings.communication =
        std::make_shared<const Communication>(communication_of(automatic_));
    options.settings.dependencies.add({"registration", {}, {}});
    boot_with(std::move(options));
    executor.run_ready();
  }

  void post(bool firing, model::Severity severity = model::Severity::Critical,
            std::string_view service = "registration") {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", "Slow"}, {"host", "db17"}, {"service", service}});
    alert.severity = severity;
    alert.starts_at = alert.updated_at = clock.wall();
    alert.valid_until = clock.wall() + hours(24 * 30);
    if (!firing) alert.ends_at = clock.wall();
    dispatcher->post({alert});
    executor.run_ready();
  }

  std::string send(Command command) {
    command.actor = "ada";
    command.source = "api 192.0.2.7";
    const auto done = this->command(std::move(command));
    if (!done) return "none";
    return *done ? (*done)->id : done->error().message;
  }

  std::string tell(NewsState state, const std::string& text = {},
                   const std::vector<std::string>& audiences = {}) {
    Command command;
    command.kind = Command::Kind::News;
    command.incident_id = "T-1001";
    command.news.state = state;
    command.news.text = text;
    command.news.audiences = audiences;
    return send(std::move(command));
  }

  /// Returns what left since the last call: "dean/mail news: title | words".
  std::vector<std::string> sent() {
    std::vector<std::string> lines;
    for (const auto& [id, row] : disk->rows) {
      if (id <= seen_) continue;
      seen_ = id;
      const Notification& each = row.notification;
      lines.push_back(each.kind == NotificationKind::News
                          ? fmt::format("{}/{} news: {} | {}", each.receiver, each.channel,
                                        each.incident.title, each.words)
                          : fmt::format("{}/{} {} {}", each.receiver, each.channel,
                                        to_string(each.kind), routing::to_string(each.reason)));
    }
    return lines;
  }

 private:
  bool automatic_;
  std::int64_t seen_ = 0;
};

using Lines = std::vector<std::string>;

TEST_CASE("news: a person's words go to whom the incident concerns, and nowhere else") {
  Daemon daemon;
  daemon.post(true);
  CHECK(daemon.sent() == Lines{"oncall/pager firing FirstNotification"});
  daemon.executor.run_for(minutes(5));
  CHECK(daemon.tell(NewsState::Identified, "Use the desk meanwhile.") == "T-1001");
  const Lines lines = daemon.sent();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] ==
        "dean/mail news: Course registration: cause found | Course registration has not been "
        "working since 10:00. We know the cause and are working on it.\nUse the desk meanwhile.\n"
        "Next update: 10:35.");
  // No cadence was promised to the staff.
  CHECK(lines[1] ==
        "staff/chat news: Course registration: cause found | Course registration has not been "
        "working since 10:00. We know the cause and are working on it.\nUse the desk meanwhile.");
  const Notification& message = daemon.disk->rows.rbegin()->second.notification;
  CHECK(message.incident.url_path.empty());
  CHECK(message.ack_path.empty());
  CHECK(message.alerts.empty());
  CHECK(message.group_labels.size() == 0);
  const StoredAudit& audit = daemon.disk->audit.back();
  CHECK(audit.record.action == "news");
  CHECK(audit.record.object == "T-1001");
  CHECK(audit.record.text == "identified to all whom it concerns: Use the desk meanwhile.");
  CHECK(daemon.tell(NewsState::Monitoring, "", {"staff"}) == "T-1001");
  CHECK(daemon.sent().size() == 1);
}

TEST_CASE("news: hosts, unknown audiences and incidents that concern nobody are refused") {
  Daemon daemon;
  daemon.post(true);
  CHECK(daemon.tell(NewsState::Identified, "DB17 is full")
            .starts_with("the news names the host 'db17'"));
  CHECK(daemon.tell(NewsState::Identified, "", {"deen"}) == "there is no audience 'deen'");
  static_cast<void>(daemon.sent());
  Daemon other;
  other.post(true, model::Severity::Critical, "elsewhere");
  CHECK(other.tell(NewsState::Identified) ==
        "no [[audience]] is concerned by T-1001: its [[service]]s are none");
  CHECK(other.sent() == Lines{"oncall/pager firing FirstNotification"});
}

TEST_CASE("news: an automatic audience hears of begin and end once, over restarts") {
  Daemon daemon(true);
  daemon.post(true);
  const Lines begin = daemon.sent();
  REQUIRE(begin.size() == 2);
  CHECK(begin[1].starts_with("dean/mail news: Course registration: being looked into"));
  daemon.boot();
  daemon.executor.run_for(minutes(10));
  CHECK(daemon.sent().empty());
  daemon.post(false);
  daemon.executor.run_for(minutes(2));
  const Lines end = daemon.sent();
  REQUIRE(end.size() == 2);
  CHECK(end[0] == "oncall/pager resolved AllResolved");
  CHECK(end[1].starts_with("dean/mail news: Course registration: works again"));
  daemon.boot();
  daemon.executor.run_for(minutes(10));
  CHECK(daemon.sent().empty());
}

TEST_CASE("news: what flaps does not tell stakeholders each time") {
  Daemon daemon(true);
  daemon.post(true);
  daemon.post(false);
  daemon.executor.run_for(minutes(2));
  static_cast<void>(daemon.sent());
  daemon.post(true);
  daemon.executor.run_for(minutes(1));
  Lines again = daemon.sent();
  CHECK(again == Lines{"oncall/pager reopened FirstNotification"});
  daemon.executor.run_for(minutes(5));
  again = daemon.sent();
  REQUIRE(again.size() == 1);
  CHECK(again[0].starts_with("dean/mail news: Course registration: being looked into"));
}

TEST_CASE("news: a drill and a mild incident tell the dean nothing") {
  Daemon daemon(true);
  daemon.post(true, model::Severity::Medium);
  CHECK(daemon.sent() == Lines{"oncall/pager firing FirstNotification"});
}

TEST_CASE("news: whoever works on it is reminded when an update is overdue") {
  Daemon daemon;
  daemon.post(true);
  static_cast<void>(daemon.sent());
  daemon.executor.run_for(minutes(29));
  CHECK(daemon.sent().empty());
  daemon.executor.run_for(minutes(2));
  CHECK(daemon.sent() == Lines{"oncall/pager update NewsDue"});
  Command owner;
  owner.kind = Command::Kind::Owner;
  owner.incident_id = "T-1001";
  daemon.send(owner);
  // The next one goes to the owner; a restart does not repeat the last.
  daemon.boot();
  daemon.executor.run_for(minutes(28));
  CHECK(daemon.sent().empty());
  daemon.executor.run_for(minutes(2));
  CHECK(daemon.sent() == Lines{"ada/chat firing NewsDue"});
  CHECK(daemon.tell(NewsState::Identified) == "T-1001");
  static_cast<void>(daemon.sent());
  daemon.executor.run_for(minutes(29));
  CHECK(daemon.sent().empty());
  daemon.post(false);
  daemon.executor.run_for(hours(3));
  for (const std::string& line : daemon.sent()) {
    CHECK_MESSAGE(line.find("NewsDue") == std::string::npos, line);
  }
}

TEST_CASE("news: a silenced incident reminds nobody, and does not keep the daemon busy") {
  Daemon daemon;
  daemon.post(true);
  routing::SetSilence silence;
  silence.silence.matcher_sets = {*routing::parse_matchers("service=registration")};
  silence.silence.ends_at = daemon.clock.wall() + hours(2);
  silence.silence.created_by = "ada";
  silence.silence.comment = "known";
  daemon.dispatcher->edit(silence, daemon.executor, [](const auto& done) { CHECK(done); });
  daemon.executor.run_ready();
  static_cast<void>(daemon.sent());
  daemon.executor.run_for(hours(1));
  CHECK(daemon.sent().empty());
}

TEST_CASE("news: maintenance is announced, begun and over, each told once") {
  Daemon daemon;
  routing::SetMaintenance edit;
  edit.maintenance.name = "upgrade";
  edit.maintenance.matcher_sets = {*routing::parse_matchers("service=registration")};
  edit.maintenance.once = routing::Window{kBegin + hours(30), kBegin + hours(31)};
  edit.maintenance.created_by = "ada";
  edit.maintenance.comment = "new version";
  daemon.dispatcher->edit(edit, daemon.executor, [](const auto& done) { CHECK(done); });
  daemon.executor.run_for(hours(5));
  CHECK(daemon.sent().empty());
  daemon.executor.run_for(hours(2));
  Lines lines = daemon.sent();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("dean/mail news: Course registration: planned maintenance"));
  daemon.boot();
  daemon.executor.run_for(hours(22));
  CHECK(daemon.sent().empty());
  daemon.executor.run_for(hours(1) + minutes(30));
  lines = daemon.sent();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("dean/mail news: Course registration: maintenance has begun"));
  daemon.executor.run_for(hours(1));
  lines = daemon.sent();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("dean/mail news: Course registration: maintenance is over"));
  daemon.executor.run_for(hours(24));
  CHECK(daemon.sent().empty());
}

TEST_CASE("report: what people write is kept when the incident is long over") {
  Daemon daemon;
  daemon.post(true);
  daemon.post(false);
  daemon.executor.run_for(hours(5));
  Command command;
  command.kind = Command::Kind::Report;
  command.incident_id = "T-1001";
  command.review.fields["root_cause"] = "a missing index";
  CHECK(daemon.send(command) == "T-1001");
  command.review = {};
  command.review.new_action.emplace();
  command.review.new_action->text = "add the index";
  CHECK(daemon.send(command) == "A-1001-1");
  CHECK(daemon.disk->audit.back().record.object == "T-1001");
  CHECK(daemon.disk->audit.back().record.source == "api 192.0.2.7");
  command.incident_id = "T-1002";
  CHECK(daemon.send(command) == "there is no incident 'T-1002'");
  daemon.boot();
  std::shared_ptr<const Snapshot> snapshot;
  daemon.dispatcher->snapshot(daemon.executor, [&](auto taken) { snapshot = std::move(taken); });
  daemon.executor.run_ready();
  REQUIRE(snapshot->reviews.contains(1001));
  CHECK(snapshot->reviews.at(1001)->fields.at("root_cause") == "a missing index");
  CHECK(snapshot->reviews.at(1001)->actions.at(0).text == "add the index");
}

}  // namespace
}  // namespace tocsin::incident
