// Alertmanager's way: a log for each integration, decided at ticks only.
#include "alertd/routing/pipeline_test_support.h"

namespace tocsin::routing {
namespace {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Routing compatible() {
  Routing routing = one_route();
  routing.alertmanager = true;
  routing.root.path = "{}";
  routing.receivers = {{"oncall", {{"webhook[0]", true}, {"email[0]", false}}}};
  return routing;
}

Routing with_one() {
  Routing routing = compatible();
  routing.receivers = {{"oncall", {{"w", true}}}};
  return routing;
}

TEST_CASE("alertmanager: each integration has a log of its own") {
  Pipeline pipeline(compatible(), {});
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(1)) ==
        "30 FirstNotification@webhook[0]:+a+b FirstNotification@email[0]:+a+b ");
  const WallTime one = kStart + minutes(1);
  CHECK(told(pipeline, one, {over("A", "a", one)}).empty());  // waits for the tick
  CHECK(run_until(pipeline, kStart + minutes(6)) == "330 SomeResolved@webhook[0]:+b-a ");
  const WallTime two = kStart + minutes(6);
  step(pipeline, two, {over("A", "b", two)});
  CHECK(step(pipeline, kStart + seconds(630)) == "+AllResolved@webhook[0] -NotWanted@email[0] ");
  CHECK(pipeline.groups().empty());
  CHECK(pipeline.alerts().empty());
  // The log of the silent one was cleared too: it fires again as a first notification.
  const WallTime again = kStart + minutes(20);
  step(pipeline, again, {fire("A", "a", again)});
  CHECK(run_until(pipeline, again + minutes(1)) ==
        "1230 FirstNotification@webhook[0]:+a FirstNotification@email[0]:+a ");
}

TEST_CASE("alertmanager: what resolves while it is silenced is not told of") {
  Pipeline pipeline(with_one(), {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(1)) == "30 FirstNotification@w:+a ");
  silence(pipeline, R"(host="a")", kStart + minutes(1), kStart + minutes(20));
  step(pipeline, kStart + minutes(1));
  step(pipeline, kStart + minutes(2), {over("A", "a", kStart + minutes(2))});
  CHECK(run_until(pipeline, kStart + minutes(19)).empty());
  CHECK(pipeline.groups().empty());
  // The log still lists it: that it fires again is nothing new.
  const WallTime again = kStart + minutes(30);
  step(pipeline, again, {fire("A", "a", again)});
  CHECK(run_until(pipeline, again + minutes(30)).empty());
  // And a resolve sent again after the silence is told, for the log says that it fires.
  const WallTime later = again + minutes(30) + seconds(10);
  step(pipeline, later, {over("A", "a", later)});
  CHECK(run_until(pipeline, later + minutes(5)) == "3630 AllResolved@w:-a ");
}

TEST_CASE("alertmanager: a muted alert comes out at the next tick") {
  Pipeline pipeline(with_one(), {});
  silence(pipeline, R"(host="a")", kStart, kStart + minutes(7));
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "b", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(20)) ==
        "30 FirstNotification@w:+b 630 NewAlerts@w:+a+b ");
}

TEST_CASE("alertmanager: a repeat interval that is a multiple of ticks is over at the tick after") {
  Routing routing = with_one();
  routing.root.timing.repeat_interval = minutes(10);
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(31)) ==
        "30 FirstNotification@w:+a 930 Repeat@w:+a 1830 Repeat@w:+a ");
}

TEST_CASE("alertmanager: the log is forgotten after twice the repeat interval or the retention") {
  Routing routing = with_one();
  routing.root.timing.repeat_interval = hours(24 * 10);
  routing.log_retention = hours(24);
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  run_until(pipeline, kStart + minutes(1));
  REQUIRE(pipeline.notify_logs().all().size() == 1);
  CHECK(pipeline.notify_logs().all().begin()->first == "{}:{alertname=\"A\"}\noncall/w");
  CHECK(pipeline.notify_logs().next_expiry() == kStart + seconds(30) + hours(24));
  pipeline.step(kStart + hours(25), {});
  CHECK(pipeline.notify_logs().all().empty());
}

TEST_CASE("alertmanager: whoever has waited already does not wait again") {
  Pipeline pipeline(with_one(), {});
  model::Alert old = fire("A", "a", kStart);
  old.starts_at = kStart - minutes(1);
  CHECK(told(pipeline, kStart, {old}) == "FirstNotification@w:+a ");
  // The second of a group that still waits, too.
  step(pipeline, kStart, {fire("B", "a", kStart)});
  model::Alert late = fire("B", "b", kStart + seconds(5));
  late.starts_at = kStart - minutes(5);
  CHECK(told(pipeline, kStart + seconds(5), {late}) == "FirstNotification@w:+a+b ");
}

TEST_CASE("alertmanager: an alert nobody knew that is over already is nothing to tell") {
  Pipeline pipeline(with_one(), {});
  CHECK(step(pipeline, kStart, {over("A", "a", kStart)}).empty());
  CHECK(pipeline.groups().size() == 1);
  CHECK(step(pipeline, kStart + seconds(30)) == "-NeverNotified@w ");
  CHECK(pipeline.groups().empty());
}

TEST_CASE("alertmanager: activity ranges that overlap are one") {
  Pipeline pipeline(with_one(), {});
  const auto known = [&] { return pipeline.find_alert(fire("A", "a", kStart).fingerprint()); };
  model::Alert alert = fire("A", "a", kStart);
  alert.ends_at = kStart + minutes(10);
  step(pipeline, kStart, {alert});
  // Without an end (time-out only) and shorter: the announced end stays, the earlier start too.
  model::Alert resent = make_alert("A", "a", kStart + minutes(1));
  step(pipeline, kStart + minutes(1), {resent});
  CHECK(known()->alert.starts_at == kStart);
  CHECK(known()->expires_at == kStart + minutes(10));
  // An explicit resolve counts although the announced end was later.
  model::Alert resolved = over("A", "a", kStart + minutes(2));
  resolved.starts_at = kStart;
  step(pipeline, kStart + minutes(2), {resolved});
  CHECK(known()->resolved);
  CHECK(known()->alert.ends_at == kStart + minutes(2));
  // No overlap: a new occurrence replaces it.
  step(pipeline, kStart + minutes(3), {fire("A", "a", kStart + minutes(3))});
  CHECK_FALSE(known()->resolved);
  CHECK(known()->alert.starts_at == kStart + minutes(3));
}

TEST_CASE("alertmanager: a mute interval is looked at when the group ticks") {
  Routing routing = with_one();
  TimePeriod period;
  period.times = {*parse_times("22:00-22:20")};  // kStart is 22:13:20
  routing.time_intervals = {{"quiet", {period}}};
  routing.root.mute_time_intervals = {"quiet"};
  Pipeline pipeline(routing, {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  CHECK(step(pipeline, kStart + seconds(30)) == "-MuteTime ");
  // The interval ends after 400 s, the next tick is at 630 s.
  CHECK(run_until(pipeline, kStart + minutes(20)) == "630 FirstNotification@w:+a ");
}

TEST_CASE("alertmanager: severity is what the sender wrote") {
  Routing routing = with_one();
  routing.root.group_by = {"severity"};
  Pipeline pipeline(routing, {});
  model::Alert alert = fire("A", "a", kStart);
  alert.labels = model::Labels({{"alertname", "A"}, {"severity", "page"}});
  step(pipeline, kStart, {alert});
  CHECK(pipeline.find_group("{}:{severity=\"page\"}"));
}

TEST_CASE("alertmanager: a peer's log counts as told") {
  Pipeline pipeline(with_one(), {});
  const model::Alert alert = fire("A", "a", kStart);
  step(pipeline, kStart, {alert});
  const LoggedNotification entry{"{}:{alertname=\"A\"}\noncall/w",
                                 {alert.fingerprint()},
                                 {},
                                 kStart + seconds(20),
                                 kStart + hours(8)};
  CHECK(*pipeline.apply(MergeNotifyLog{{entry}}, kStart + seconds(20)) == "1");
  CHECK(*pipeline.apply(MergeNotifyLog{{entry}}, kStart + seconds(21)) == "0");
  CHECK(run_until(pipeline, kStart + minutes(30)).empty());
}

TEST_CASE("alertmanager: the second of two peers waits, and tells of what was at the tick") {
  Pipeline pipeline(with_one(), {});
  pipeline.set_peer_wait(seconds(15));
  step(pipeline, kStart, {fire("A", "a", kStart), fire("A", "c", kStart)});
  step(pipeline, kStart + seconds(30));
  const WallTime between = kStart + seconds(40);
  step(pipeline, between, {fire("A", "b", between), over("A", "c", between)});
  CHECK(run_until(pipeline, kStart + minutes(2)) == "45 FirstNotification@w:+a+c ");
  // The tick after: the peer before us has told already.
  const Group* group = pipeline.find_group("{}:{alertname=\"A\"}");
  REQUIRE(group);
  LoggedNotification entry = pipeline.notify_logs().all().begin()->second;
  entry.firing = {fire("A", "a", kStart).fingerprint(), fire("A", "b", kStart).fingerprint()};
  entry.resolved = {fire("A", "c", kStart).fingerprint()};
  entry.at = kStart + seconds(331);
  step(pipeline, kStart + seconds(330));
  CHECK(pipeline.apply(MergeNotifyLog{{entry}}, kStart + seconds(331)));
  CHECK(run_until(pipeline, kStart + minutes(10)).empty());
  CHECK(pipeline.alerts().size() == 2);
}

TEST_CASE("alertmanager: a reload moves alerts without telling anybody") {
  Pipeline pipeline(with_one(), {});
  step(pipeline, kStart, {fire("A", "a", kStart)});
  CHECK(run_until(pipeline, kStart + minutes(1)) == "30 FirstNotification@w:+a ");
  Routing changed = with_one();
  Route child;
  child.name = child.path = "{}/{host=\"a\"}";
  child.matchers = {model::Matcher::equal("host", "a")};
  child.receiver = "oncall";
  child.group_by = {"alertname"};
  child.timing = changed.root.timing;
  changed.root.children = {child};
  pipeline.set_routing(changed, kStart + minutes(1));
  CHECK(pipeline.groups().size() == 1);
  CHECK(pipeline.take_dirty().groups_gone.contains("{}:{alertname=\"A\"}"));
  // Another key, so everything is told anew, as there.
  CHECK(run_until(pipeline, kStart + minutes(10)) == "60 FirstNotification@w:+a ");
}

}  // namespace
}  // namespace tocsin::routing
