// What is kept of decisions for `explain`: a line when the answer changes, and none while it stays.
#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"
#include "alertd/routing/matcher_text.h"
#include "alertd/routing/route_config.h"

namespace tocsin::incident {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const base::WallTime kStart = base::wall_time(1'700'000'000'000);

struct World {
  base::WallTime now = kStart;
  std::vector<model::Alert> firing;
  std::vector<DecisionRecord> kept;
  std::size_t commits = 0;
  Engine engine = make({});

  static Engine make(std::vector<std::string> group_by) {
    routing::Routing routing;
    routing.root.receiver = "oncall";
    routing.root.group_by = std::move(group_by);
    routing.root.timing.group_wait = seconds(10);
    routing.root.timing.group_interval = minutes(5);
    routing.root.timing.repeat_interval = hours(4);
    routing::complete_routes(routing.root);
    IncidentSettings settings;
    settings.receivers = {{"oncall", {"pager"}}};
    return Engine(std::move(routing), {}, std::move(settings));
  }

  void fire(std::string_view host) {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", "DiskFull"}, {"host", host}});
    alert.severity = model::Severity::High;
    alert.starts_at = now;
    firing.push_back(std::move(alert));
  }

  void step(std::vector<routing::Edit> edits = {}, std::vector<Command> commands = {}) {
    for (model::Alert& alert : firing) {
      alert.updated_at = now;
      alert.valid_until = now + minutes(4);
    }
    StepResult result = engine.step(now, {firing, commands, {}, edits});
    for (const auto& reply : result.replies) CHECK_MESSAGE(reply, reply);
    if (!result.change.empty()) ++commits;
    for (DecisionRecord& record : result.change.decisions) kept.push_back(std::move(record));
  }

  /// As the rules do: every 15 seconds all that fires.
  void run(base::Duration length) {
    for (const base::WallTime end = now + length; now < end; now += seconds(15)) step();
  }

  /// "-GroupWait +FirstNotification": of the lines kept since the last call.
  std::string reasons() {
    std::string text;
    for (const DecisionRecord& record : std::exchange(kept, {})) {
      text += (text.empty() ? "" : " ") + std::string(record.sent ? "+" : "-") + record.reason;
    }
    return text;
  }
};

}  // namespace

TEST_CASE("decisions: a steady alert costs nothing until the answer changes") {
  World world;
  world.fire("db1");
  world.step();
  REQUIRE(world.kept.size() == 1);
  CHECK(world.kept[0].text ==
        "{alertname=\"DiskFull\", host=\"db1\"}: group_wait until 2023-11-14T22:13:30Z");
  CHECK(world.kept[0].fingerprint == alert_key(world.firing[0].fingerprint()));
  CHECK(world.reasons() == "-GroupWait");
  world.run(minutes(10));
  REQUIRE(world.kept.size() == 2);
  CHECK(world.kept[0].incident_id == "T-1001");
  CHECK(world.kept[0].text == "firing to oncall (pager): first notification");
  CHECK(world.kept[1].text ==
        "already told at 2023-11-14T22:13:35Z, repeat at 2023-11-15T02:13:35Z");
  CHECK(world.reasons() == "+FirstNotification -Unchanged");
  const std::size_t commits = world.commits;
  world.run(hours(3));
  CHECK(world.reasons() == "");
  CHECK(world.commits == commits);  // no decision, no disk write
  world.run(hours(1));
  CHECK(world.reasons() == "+Repeat -Unchanged");
}

TEST_CASE("decisions: an acknowledged incident's held repeat says by whom") {
  World world;
  world.fire("db1");
  world.run(minutes(10));
  Command command;
  command.incident_id = "T-1001";
  command.actor = "ann";
  command.expires_in = hours(8);
  world.step({}, {command});
  world.reasons();
  world.run(hours(5));
  REQUIRE(!world.kept.empty());
  CHECK(world.kept.back().text == "acknowledged by ann until 2023-11-15T06:23:20Z");
  CHECK(world.reasons() == "-Unchanged -Acknowledged");
}

TEST_CASE("decisions: a storm costs a line for each alert") {
  constexpr std::size_t kAlerts = 3000;
  World world;
  for (std::size_t i = 0; i < kAlerts; ++i) world.fire("host" + std::to_string(i));
  world.run(minutes(10));
  CHECK(world.kept.size() == kAlerts + 2);  // and the group's message, and "unchanged"
}

TEST_CASE("decisions: a silence is named, also with another end, and so is its end") {
  World world;
  routing::SetSilence edit;
  edit.silence.matcher_sets = {*routing::parse_matchers("alertname=\"DiskFull\"")};
  edit.silence.ends_at = kStart + hours(1);
  edit.silence.created_by = "ann";
  edit.silence.comment = "disks";
  world.step({edit});
  world.fire("db1");
  world.run(minutes(10));
  REQUIRE(world.kept.size() == 2);  // the alert's, and its group's
  CHECK(world.kept[0].text.ends_with("of ann (disks) until 2023-11-14T23:13:20Z"));
  CHECK(world.reasons() == "-Silenced -Silenced");

  edit.silence = world.engine.pipeline().silences().all().begin()->second;
  edit.silence.ends_at = kStart + hours(2);
  world.step({edit});
  REQUIRE(!world.kept.empty());
  CHECK(world.kept[0].text.ends_with("of ann (disks) until 2023-11-15T00:13:20Z"));
  world.run(minutes(60));
  for (const DecisionRecord& record : world.kept) CHECK(record.reason == "Silenced");
  world.reasons();
  world.run(hours(1));
  CHECK(world.reasons() == "-SilenceEnding -Released +FirstNotification -Unchanged");
}

TEST_CASE("decisions: what comes back says so again") {
  World world;
  for (int round = 0; round < 2; ++round) {
    world.fire("db1");
    world.run(minutes(6));
    CHECK(world.reasons() == "-GroupWait +FirstNotification -Unchanged");
    world.firing.clear();
    world.run(minutes(20));
    CHECK(world.reasons() == "+AllResolved");
  }
}

TEST_CASE("decisions: what came and went between two turns was told to nobody") {
  World world;
  world.fire("db1");
  world.run(minutes(1));
  world.reasons();
  world.fire("db2");
  world.step();
  world.firing.back().ends_at = world.now;
  world.now += seconds(5);
  world.step();
  world.firing.pop_back();
  world.run(minutes(6));
  const auto gone = std::find_if(world.kept.begin(), world.kept.end(), [](const auto& record) {
    return record.reason == "NeverNotified";
  });
  REQUIRE(gone != world.kept.end());
  CHECK(gone->text == "{alertname=\"DiskFull\", host=\"db2\"}");
}

TEST_CASE("decisions: the keeper") {
  DecisionKeeper keeper;
  DecisionRecord record{kStart, "group", "", "", false, "Unchanged", "x"};
  CHECK(keeper.news(record));
  CHECK_FALSE(keeper.news(record));
  CHECK(keeper.news(record, "webhook"));
  record.text = "y";
  CHECK(keeper.news(record));
  record.sent = true;
  CHECK(keeper.news(record));
  CHECK(keeper.news(record));
  record.sent = false;
  CHECK_FALSE(keeper.news(record));
  keeper.forget("group");
  CHECK(keeper.news(record));
}

}  // namespace tocsin::incident
