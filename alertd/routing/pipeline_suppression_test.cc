// Our way with what is hidden: it comes out the moment nothing hides it any more, and what was told
// is told to be over.
#include "alertd/routing/pipeline_test_support.h"

namespace tocsin::routing {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Routing muted_route(std::string_view times) {
  Routing routing = one_route();
  TimePeriod period;
  period.times = {*parse_times(times)};
  routing.time_intervals = {{"night", {period}}};
  routing.root.mute_time_intervals = {"night"};
  return routing;
}

TEST_CASE("suppression: what is silenced is told when the silence ends, not at the next tick") {
  Pipeline pipeline(one_route(), {});
  const WallTime end = kStart + minutes(2);
  silence(pipeline, R"(host="a")", kStart, end);
  const auto actions = pipeline.step(kStart, std::vector{fire("A", "a", kStart)});
  CHECK(reasons(actions) == "-Silenced ");
  CHECK(actions[0].text.find("of ann (disks are replaced) until 2023-11-14T22:15:20Z") !=
        std::string::npos);
  CHECK(step(pipeline, kStart + seconds(30)) == "-Silenced ");
  CHECK(pipeline.next_due() == end);
  CHECK(told(pipeline, end) == "FirstNotification:+a ");
}

TEST_CASE("suppression: of several alerts only those that nothing hides are told") {
  Pipeline pipeline(one_route(), {});
  silence(pipeline, R"(host="a")", kStart, kStart + hours(1));
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(told(pipeline, kStart + seconds(30)) == "FirstNotification:+b ");
  // Over before it came to light: nobody hears of it.
  CHECK(told(pipeline, kStart + minutes(1), {over("A", "a", kStart + minutes(1))}).empty());
  CHECK(told(pipeline, kStart + minutes(6), {over("A", "b", kStart + minutes(6))}) ==
        "AllResolved:-b ");
}

TEST_CASE("suppression: resolved during a silence is told to whom it was told before") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(told(pipeline, kStart + seconds(30)) == "FirstNotification:+a+b ");
  silence(pipeline, R"(host=~"a|b")", kStart + minutes(1), kStart + hours(1));
  CHECK(told(pipeline, kStart + minutes(1)).empty());
  CHECK(run_until(pipeline, kStart + minutes(20)).empty());  // no repeats, no ticks
  CHECK(told(pipeline, kStart + minutes(20), {over("A", "a", kStart + minutes(20))}) ==
        "SomeResolved:-a ");
  const WallTime later = kStart + minutes(25);
  CHECK(told(pipeline, later, {over("A", "b", later)}) == "AllResolved:-b ");
}

TEST_CASE("suppression: a silence that ends over something told before does not repeat it early") {
  Pipeline pipeline(one_route(), {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  CHECK(told(pipeline, kStart + seconds(30)) == "FirstNotification:+a ");
  silence(pipeline, R"(host="a")", kStart + minutes(1), kStart + minutes(2));
  CHECK(run_until(pipeline, kStart + hours(4)).empty());
  CHECK(run_until(pipeline, kStart + hours(5)) == "14520 Repeat:+a ");
}

TEST_CASE("suppression: expiring a silence lets out what it hid, at once") {
  Pipeline pipeline(one_route(), {});
  const std::string id = silence(pipeline, R"(host="a")", kStart, kStart + hours(1));
  step(pipeline, kStart, {fire("A", "a", kStart)});
  step(pipeline, kStart + seconds(30));
  const WallTime now = kStart + minutes(1);
  CHECK(pipeline.apply(ExpireSilence{id, "bob"}, now));
  CHECK(told(pipeline, now) == "FirstNotification:+a ");
}

TEST_CASE("suppression: a target is told as soon as its last source is over") {
  Routing routing = one_route();
  routing.inhibit_rules = {{"hosts",
                            {*parse_matchers(R"(alertname="Down")")},
                            *parse_matchers(R"(alertname="Slow")"),
                            {"host"}}};
  Pipeline pipeline(routing, {});
  // The source is silenced; it inhibits all the same.
  silence(pipeline, R"(alertname="Down")", kStart, kStart + hours(2));
  model::Alert down = fire("Down", "a", kStart);
  CHECK(step(pipeline, kStart, {down}) == "-Silenced ");
  const auto actions = pipeline.step(kStart, std::vector{fire("Slow", "a", kStart)});
  CHECK(reasons(actions) == "-Inhibited ");
  CHECK(actions[0].said() ==
        R"({alertname="Slow", host="a"}: inhibited by {alertname="Down", host="a"})");
  CHECK(run_until(pipeline, kStart + hours(1)).empty());
  const WallTime later = kStart + hours(1);
  CHECK(told(pipeline, later, {over("Down", "a", later)}) == "FirstNotification:+a ");
}

TEST_CASE("suppression: a target that was told is quiet while a source fires") {
  Routing routing = one_route();
  routing.inhibit_rules = {{"",
                            {*parse_matchers(R"(alertname="Down")")},
                            *parse_matchers(R"(alertname="Slow")"),
                            {"host"}}};
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("Slow", "a", kStart)});
  CHECK(told(pipeline, kStart + seconds(30)) == "FirstNotification:+a ");
  const WallTime down = kStart + minutes(1);
  step(pipeline, down, {fire("Down", "a", down)});
  CHECK(run_until(pipeline, kStart + hours(3)) == "90 FirstNotification:+a ");  // Down
  const Group* slow = pipeline.find_group("{}:{alertname=\"Slow\"}");
  REQUIRE(slow);
  CHECK(slow->suppressed());
  CHECK(slow->firing());
  const WallTime later = kStart + hours(3);
  CHECK(told(pipeline, later, {over("Slow", "a", later)}) == "AllResolved:-a ");
}

TEST_CASE("suppression: a quiet route speaks the moment its interval ends") {
  Pipeline pipeline(muted_route("22:00-23:00"), {});  // kStart is 22:13:20
  CHECK(step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)}) ==
        "-GroupWait -GroupWait ");
  CHECK(step(pipeline, kStart + seconds(30)) == "-MuteTime ");
  CHECK(told(pipeline, kStart + minutes(5), {over("A", "b", kStart + minutes(5))}).empty());
  CHECK(run_until(pipeline, kStart + hours(1)) == "2800 FirstNotification:+a ");  // 23:00:00
}

TEST_CASE("suppression: told before a quiet time and over in it: told at its end") {
  Pipeline pipeline(muted_route("22:15-23:00"), {});
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(2)) == "30 FirstNotification:+a+b ");
  const WallTime later = kStart + minutes(10);
  CHECK(told(pipeline, later, {over("A", "a", later), over("A", "b", later)}).empty());
  CHECK(run_until(pipeline, kStart + hours(1)) == "2800 AllResolved:-a-b ");
  CHECK(pipeline.groups().empty());
}

TEST_CASE("suppression: outside its active times a route is quiet") {
  Routing routing = muted_route("09:00-17:00");
  routing.root.active_time_intervals = std::exchange(routing.root.mute_time_intervals, {});
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  const auto actions = pipeline.step(kStart + seconds(30), {});
  CHECK(reasons(actions) == "-OutsideActiveTime ");
  CHECK(actions[0].said() == "night");
  CHECK(run_until(pipeline, kStart + hours(12)) == "38800 FirstNotification:+a ");
}

TEST_CASE("suppression: maintenance holds messages, and its end says what still fires") {
  Routing routing = one_route();
  Maintenance window;
  window.name = "patches";
  window.matcher_sets = {*parse_matchers(R"(host=~"a|b|c")")};
  window.once = Window{kStart + minutes(1), kStart + minutes(31)};
  routing.maintenance = {window};
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(5)) == "30 FirstNotification:+a+b ");
  const WallTime inside = kStart + minutes(10);
  CHECK(step(pipeline, inside, {fire("A", "c", inside)}) == "-Maintenance ");
  CHECK(told(pipeline, inside, {over("A", "b", inside)}) == "SomeResolved:-b ");
  CHECK(run_until(pipeline, kStart + minutes(40)) == "1860 MaintenanceEnded:+a+c ");
}

TEST_CASE(
    "suppression: an alert that flaps is one message, and its resolve comes when it is calm") {
  Pipeline pipeline(one_route(), {});
  std::string text;
  WallTime now = kStart;
  for (int i = 0; i < 5; ++i) {
    now = kStart + seconds(100 * i);
    text += run_until(pipeline, now);
    text += told(pipeline, now, {fire("A", "a", now)});
    now += seconds(50);
    text += run_until(pipeline, now);
    text += told(pipeline, now, {over("A", "a", now)});
  }
  CHECK(text ==
        "30 FirstNotification:+a AllResolved:-a "
        "130 FirstNotification:+a AllResolved:-a "
        "230 FirstNotification:+a Flapping:+a ");
  // The third of the last changes, at 350 s, leaves the window of 15 min.
  CHECK(run_until(pipeline, kStart + hours(1)) == "1250 AllResolved:-a ");
}

TEST_CASE("suppression: a silence may end with what it hid, and reminds before it ends") {
  Pipeline pipeline(one_route(), {});
  SetSilence edit;
  edit.silence.matcher_sets = {*parse_matchers(R"(host="a")")};
  edit.silence.ends_at = kStart + hours(8);
  edit.silence.until_resolved = true;
  const std::string id = *pipeline.apply(edit, kStart);
  const std::string other = silence(pipeline, R"(host="b")", kStart, kStart + hours(1));
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  const WallTime over_at = kStart + minutes(5);
  pipeline.step(over_at, std::vector{over("A", "a", over_at)});
  CHECK(pipeline.silences().find(id)->state(over_at) == SilenceState::Expired);
  CHECK(run_until(pipeline, kStart + minutes(44)).empty());
  CHECK(pipeline.next_due() == kStart + minutes(45));
  const auto actions = pipeline.step(kStart + minutes(45), {});
  REQUIRE(reasons(actions) == "-SilenceEnding ");
  CHECK(actions[0].silence == other);
  CHECK(actions[0].text.find("hides 1 firing alerts and ends at 2023-11-14T23:13:20Z") !=
        std::string::npos);
  CHECK(pipeline.next_due() == kStart + hours(1));
}

TEST_CASE("suppression: a broad silence must be confirmed") {
  Pipeline pipeline(one_route(), {});
  std::vector<model::Alert> alerts;
  for (int i = 0; i < 40; ++i) alerts.push_back(fire("A", fmt::format("h{}", i), kStart));
  step(pipeline, kStart, alerts);
  SetSilence edit;
  edit.silence.matcher_sets = {*parse_matchers(R"(host=~"h.*")")};
  edit.silence.ends_at = kStart + hours(1);
  const SilencePreview preview = pipeline.preview(edit.silence.matcher_sets);
  CHECK(preview.firing == 40);
  CHECK(preview.matched == 40);
  CHECK(preview.broad);
  const auto refused = pipeline.apply(edit, kStart);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "the silence would hide 40 of 40 firing alerts; confirm it with force");
  edit.force = true;
  CHECK(pipeline.apply(edit, kStart));
  edit.force = false;
  edit.silence.matcher_sets = {*parse_matchers(R"(host=~"h1.*")")};  // 11 of 40
  CHECK(pipeline.apply(edit, kStart));
}

TEST_CASE("suppression: after a restart silences hide as before") {
  Pipeline before(one_route(), {});
  silence(before, R"(host="a")", kStart, kStart + hours(1));
  step(before, kStart, {fire("A", "a", kStart)});
  StoredRouting stored;
  for (const auto& [fingerprint, entry] : before.alerts()) stored.alerts.push_back(entry.alert);
  for (const auto& group : before.groups()) stored.groups.push_back(*group);
  for (const auto& [id, each] : before.silences().all()) stored.silences.push_back(each);
  stored.groups[0].members.begin()->second.hidden.reset();  // not stored

  Pipeline after(one_route(), {});
  const WallTime now = kStart + seconds(10);
  after.restore(stored, now, now + minutes(5));
  CHECK(run_until(after, kStart + minutes(59)).empty());
  CHECK(run_until(after, kStart + hours(1)) == "3600 FirstNotification:+a ");
}

}  // namespace
}  // namespace tocsin::routing
