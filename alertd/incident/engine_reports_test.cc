// What reports of deliveries add: a line of the timeline each, and nothing else if all went well.
#include <doctest/doctest.h>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {
namespace {

const base::WallTime kStart = base::wall_time(1'700'000'000'000);

Engine make_engine() {
  routing::Routing routing;
  routing.root.receiver = "ops";
  routing.root.timing.group_wait = base::Duration{0};
  routing::complete_routes(routing.root);
  IncidentSettings settings;
  settings.receivers = {{"ops", {"pager", "mail"}}};
  return Engine(std::move(routing), {}, std::move(settings));
}

model::Alert make_alert(std::string_view name) {
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", name}});
  alert.starts_at = alert.updated_at = kStart;
  alert.valid_until = kStart + std::chrono::hours(1);
  return alert;
}

struct Opened {
  Engine engine = make_engine();
  std::vector<model::Alert> alerts{make_alert("A")};
  StateChange opening = engine.step(kStart, {alerts, {}, {}}).change;

  StateChange report(const Notification& message) {
    const std::vector<DeliveryReport> reports{report_of(message)};
    return engine.step(kStart, {{}, {}, reports}).change;
  }
};

}  // namespace

TEST_CASE("reports: what was delivered is a line, and the incident is not written again") {
  Opened world;
  REQUIRE(world.opening.outbox.size() == 2);
  std::uint64_t last = world.opening.events.back().sequence;
  for (const Notification& message : world.opening.outbox) {
    const StateChange change = world.report(message);
    CHECK(change.incidents_upsert.empty());
    REQUIRE(change.events.size() == 1);
    CHECK(change.events[0].kind == "delivered");
    CHECK(change.events[0].sequence == ++last);
  }
  // One that nobody waits for, as after a failover: now what is stored must know of the line.
  const StateChange more = world.report(world.opening.outbox[0]);
  REQUIRE(more.incidents_upsert.size() == 1);
  CHECK(incident_from_record(more.incidents_upsert[0])->events == more.events.back().sequence);
}

TEST_CASE("reports: after a restart no line takes the number of another") {
  Opened world;
  std::uint64_t last = 0;
  for (const Notification& message : world.opening.outbox) {
    last = world.report(message).events.back().sequence;
  }
  LoadedState state;
  state.alerts = world.opening.alerts_upsert;
  state.groups = world.opening.groups_upsert;
  state.incidents = world.opening.incidents_upsert;
  Engine restarted = make_engine();
  REQUIRE(restarted.restore(state, kStart).empty());
  const std::vector<DeliveryReport> late{report_of(world.opening.outbox[0])};
  const StateChange change = restarted.step(kStart, {{}, {}, late}).change;
  REQUIRE(change.events.size() == 1);
  CHECK(change.events[0].sequence > last);
}

TEST_CASE("reports: what is written for another reason leaves room for reports to come") {
  Opened world;
  Command note;
  note.kind = Command::Kind::Comment;
  note.incident_id = "T-1001";
  note.comment = "looking";
  note.actor = "ann";
  const std::vector<Command> commands{note};
  const StateChange noted = world.engine.step(kStart, {{}, commands, {}}).change;
  REQUIRE(noted.incidents_upsert.size() == 1);
  for (const Notification& message : world.opening.outbox) {
    CHECK(world.report(message).incidents_upsert.empty());
  }
}

}  // namespace tocsin::incident
