// The timelines of tests/data/notify cover the ordinary life of a group; here are the edges.
#include "alertd/routing/dedup.h"
#include "alertd/routing/pipeline_test_support.h"

namespace tocsin::routing {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("pipeline: an older word about an alert is not taken") {
  Pipeline pipeline(one_route(), {});
  CHECK(step(pipeline, kStart, {make_alert("A", "a", kStart)}) == "-GroupWait ");
  model::Alert late = make_alert("A", "a", kStart - seconds(1));
  late.ends_at = kStart;
  CHECK(step(pipeline, kStart, {late}) == "-Outdated ");
  CHECK(step(pipeline, kStart + seconds(30)) == "+FirstNotification ");
}

TEST_CASE("pipeline: over the limit of alerts, known ones go on") {
  Pipeline pipeline(one_route(), {2, 100});
  step(pipeline, kStart, {make_alert("A", "a", kStart), make_alert("A", "b", kStart)});
  CHECK(step(pipeline, kStart, {make_alert("A", "c", kStart)}) == "-LimitExceeded ");
  const WallTime later = kStart + minutes(3);
  CHECK(step(pipeline, later, {make_alert("A", "a", later)}) == "+FirstNotification ");
}

TEST_CASE("pipeline: over the limit of alerts there is room for some Critical ones") {
  Pipeline pipeline(one_route(), {10, 100});
  for (int i = 0; i < 10; ++i) {
    step(pipeline, kStart, {make_alert("A", std::to_string(i), kStart)});
  }
  model::Alert critical = make_alert("A", "critical", kStart);
  critical.severity = model::Severity::Critical;
  CHECK(step(pipeline, kStart, {make_alert("A", "late", kStart)}) == "-LimitExceeded ");
  CHECK(step(pipeline, kStart, {critical}) != "-LimitExceeded ");
  CHECK(pipeline.alerts().size() == 11);
  critical.labels = model::Labels({{"alertname", "A"}, {"host", "one too many"}});
  CHECK(step(pipeline, kStart, {critical}) == "-LimitExceeded ");
}

TEST_CASE("pipeline: over the limit of groups, the rest gathers in one") {
  Pipeline pipeline(one_route(), {100, 2});
  for (const char* name : {"A", "B", "C", "D"}) {
    step(pipeline, kStart, {make_alert(name, "a", kStart)});
  }
  CHECK(pipeline.groups().size() == 3);
  const Group* overflow = pipeline.find_group("{}:overflow");
  REQUIRE(overflow);
  CHECK(overflow->members.size() == 2);
}

TEST_CASE("pipeline: an alert leaves the overflow group when there is room for its own") {
  Pipeline pipeline(one_route(), {100, 2});
  step(pipeline, kStart, {fire("A", "a", kStart), fire("B", "b", kStart), fire("C", "c", kStart)});
  step(pipeline, kStart + seconds(30));
  const WallTime later = kStart + minutes(6);
  step(pipeline, later, {over("A", "a", later), over("B", "b", later), fire("C", "c", later)});
  CHECK(!pipeline.find_group("{}:{alertname=\"C\"}"));
  step(pipeline, later, {fire("C", "c", later)});  // nothing new, but now there is room
  CHECK(pipeline.find_group("{}:{alertname=\"C\"}"));
}

TEST_CASE("pipeline: what is gone and comes again before it is stored is stored, not deleted") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  step(pipeline, kStart + seconds(30));
  pipeline.take_dirty();
  const WallTime later = kStart + minutes(6);
  step(pipeline, later, {over("A", "a", later)});
  CHECK(pipeline.groups().empty());
  CHECK(pipeline.alerts().empty());
  step(pipeline, later, {fire("A", "a", later)});
  const Dirty dirty = pipeline.take_dirty();
  CHECK(dirty.alerts_gone.empty());
  CHECK(dirty.groups_gone.empty());
  REQUIRE(dirty.alerts.size() == 1);
  CHECK(dirty.alerts[0]->alert.labels.get("host") == "a");
  REQUIRE(dirty.groups.size() == 1);
  CHECK(dirty.groups[0]->key == "{}:{alertname=\"A\"}");
}

TEST_CASE("pipeline: a group that is over can be read until its change is stored") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  step(pipeline, kStart + seconds(30));
  pipeline.take_dirty();
  const WallTime later = kStart + minutes(6);
  const auto actions = pipeline.step(later, std::vector{over("A", "a", later)});
  REQUIRE(reasons(actions) == "+AllResolved ");
  CHECK(pipeline.groups().empty());
  CHECK(actions[0].group_key() == "{}:{alertname=\"A\"}");
  CHECK(actions[0].group->members.empty());
  REQUIRE(!pipeline.touched().empty());
  CHECK(pipeline.touched()[0] == actions[0].group);
  CHECK(pipeline.take_dirty().groups_gone.contains("{}:{alertname=\"A\"}"));
  CHECK(pipeline.touched().empty());
}

TEST_CASE("pipeline: a storm speaks in steps, and what is Critical before the rest") {
  Pipeline pipeline(one_route(), {.turns_per_step = 2});
  std::vector<model::Alert> alerts;
  for (const char* name : {"A", "B", "C", "D"}) alerts.push_back(make_alert(name, "a", kStart));
  alerts.push_back(make_alert("Z", "a", kStart));
  alerts.back().severity = model::Severity::Critical;
  step(pipeline, kStart, alerts);
  const WallTime due = kStart + seconds(30);
  const auto first = pipeline.step(due, {});
  REQUIRE(first.size() == 2);
  CHECK(first[0].group->labels.get("alertname") == "Z");
  CHECK(first[1].group->labels.get("alertname") == "A");
  CHECK(pipeline.next_due() == due);
  CHECK(step(pipeline, due) == "+FirstNotification +FirstNotification ");
  CHECK(step(pipeline, due) == "+FirstNotification ");
  CHECK(pipeline.next_due() > due);
}

TEST_CASE("pipeline: an alert that fires for long already is not made to wait") {
  Pipeline pipeline(one_route(), {});
  model::Alert alert = make_alert("A", "a", kStart);
  alert.starts_at = kStart - minutes(1);
  CHECK(step(pipeline, kStart, {alert}) == "-GroupWait +FirstNotification ");
}

TEST_CASE("pipeline: an end announced for later is a time-out") {
  Pipeline pipeline(one_route(), {});
  model::Alert alert = make_alert("A", "a", kStart);
  alert.ends_at = kStart + minutes(2);
  alert.valid_until = kStart + hours(9);
  step(pipeline, kStart, {alert});
  CHECK(step(pipeline, kStart + minutes(1)) == "+FirstNotification ");
  CHECK(pipeline.next_due() == kStart + minutes(2));
  const auto actions = pipeline.step(kStart + minutes(2), {});
  CHECK(reasons(actions) == "+AllResolved ");
  REQUIRE(actions[0].resolved.size() == 1);
  CHECK(actions[0].resolved[0].ends_at == kStart + minutes(2));
}

TEST_CASE("pipeline: repeated sending costs nothing and writes nothing") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {make_alert("A", "a", kStart)});
  step(pipeline, kStart + seconds(30));
  pipeline.take_dirty();
  for (int i = 1; i < 100; ++i) {
    const WallTime now = kStart + seconds(30 + i);
    model::Alert alert = make_alert("A", "a", now);
    alert.starts_at = kStart;
    alert.value = i;
    CHECK(step(pipeline, now, {alert}) == "");
  }
  const Dirty dirty = pipeline.take_dirty();
  CHECK(dirty.alerts.empty());
  CHECK(dirty.groups.empty());
}

TEST_CASE("pipeline: a clock set back does not make groups mute") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {make_alert("A", "a", kStart)});
  step(pipeline, kStart + seconds(30));
  const WallTime earlier = kStart - hours(5);
  CHECK(step(pipeline, earlier, {make_alert("A", "b", kStart + minutes(1))}) == "-GroupInterval ");
  // The turn that was 5 h 5 m away is 5 m away.
  CHECK(pipeline.next_due().value() <= earlier + minutes(5));
  CHECK(step(pipeline, earlier + minutes(5)) == "+NewAlerts ");
}

TEST_CASE("pipeline: restored state says nothing again") {
  Pipeline before(one_route(), {});
  step(before, kStart, {make_alert("A", "a", kStart), make_alert("A", "b", kStart)});
  step(before, kStart + seconds(30));
  std::vector<model::Alert> alerts;
  for (const auto& [fingerprint, entry] : before.alerts()) alerts.push_back(entry.alert);
  std::vector<Group> groups;
  for (const auto& group : before.groups()) groups.push_back(*group);
  Group orphan;
  orphan.key = "gone";
  orphan.members[7] = {};
  groups.push_back(orphan);

  const WallTime restart = kStart + hours(10);
  Pipeline after(one_route(), {});
  after.restore({alerts, groups, {}, {}, {}}, restart, restart + minutes(5));
  CHECK(after.groups().size() == 1);
  CHECK(after.take_dirty().groups_gone.contains("gone"));
  // Overdue by far, repeat included; but nobody has said yet whether it still fires.
  CHECK(step(after, restart) == "-Unchanged ");
  const WallTime later = restart + minutes(1);
  CHECK(step(after, later, {make_alert("A", "a", later)}) == "");
  CHECK(step(after, restart + minutes(5), {make_alert("A", "a", restart + minutes(5))}) ==
        "+SomeResolved ");
}

TEST_CASE("pipeline: new configuration moves alerts and keeps what stays") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {make_alert("A", "a", kStart), make_alert("B", "b", kStart)});
  CHECK(step(pipeline, kStart + seconds(30)) == "+FirstNotification +FirstNotification ");
  Routing changed = one_route();
  Route child;
  child.name = "b";
  child.matchers = {model::Matcher::equal("alertname", "B")};
  child.receiver = "other";
  child.group_by = {"alertname"};
  changed.root.children.push_back(child);
  complete_routes(changed.root);
  pipeline.set_routing(changed, kStart + minutes(1));
  const auto actions = pipeline.step(kStart + minutes(2), {});
  // B leaves its old group (which is told at once) and its new group says it for the first time.
  REQUIRE(reasons(actions) == "+FirstNotification +AllResolved ");
  CHECK(actions[0].group->receiver == "other");
  CHECK(pipeline.find_group("{}:{alertname=\"A\"}") != nullptr);
  CHECK(pipeline.find_group("{}:{alertname=\"B\"}") == nullptr);
}

TEST_CASE("dedup: the order of reasons") {
  Group group;
  group.members[1] = {.severity = model::Severity::High, .since = kStart};
  CHECK(decide(group, hours(1), kStart) == Verdict{true, Reason::FirstNotification});
  group.log.firing = {{1, model::Severity::High}};
  group.log.at = kStart;
  CHECK(decide(group, hours(1), kStart) == Verdict{false, Reason::Unchanged});
  CHECK(decide(group, hours(1), kStart + hours(1)) == Verdict{true, Reason::Repeat});
  CHECK(decide(group, base::Duration{0}, kStart + hours(1)) == Verdict{false, Reason::Unchanged});
  group.repeats_held = true;
  CHECK(decide(group, hours(1), kStart + hours(1)) == Verdict{false, Reason::Acknowledged});
  group.members[2] = {
      .severity = model::Severity::Low, .resolved = true, .since = kStart};  // came and went
  CHECK(decide(group, hours(1), kStart) == Verdict{false, Reason::Unchanged});
  group.log.firing[2] = model::Severity::Low;
  CHECK(decide(group, hours(1), kStart) == Verdict{true, Reason::SomeResolved});
  group.members[1].severity = model::Severity::Critical;
  CHECK(decide(group, hours(1), kStart) == Verdict{true, Reason::SeverityRaised});
  group.members[3] = {.severity = model::Severity::Low, .since = kStart};
  CHECK(decide(group, hours(1), kStart) == Verdict{true, Reason::NewAlerts});
  group.members.erase(3);
  group.members[1].resolved = true;
  CHECK(decide(group, hours(1), kStart) == Verdict{true, Reason::AllResolved});
  group.log.firing.clear();
  CHECK(decide(group, hours(1), kStart) == Verdict{false, Reason::NeverNotified});
}

TEST_CASE("reasons: every name reads back") {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    CHECK(parse_reason(to_string(reason)) == reason);
    CHECK(!describe(reason).empty());
  }
  CHECK(!parse_reason("Whim"));
}

}  // namespace tocsin::routing
