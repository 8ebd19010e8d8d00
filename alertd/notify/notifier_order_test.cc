// The notifier: what supersedes what, in which order, and what survives crashes.

#include <doctest/doctest.h>

#include "alertd/notify/notifier_test_support.h"

namespace tocsin::notify {
namespace {

/// Kinds and sequences that reached the channel, in order.
std::string kinds(const World& world) {
  std::vector<std::string> all;
  for (const Wire::Sent& one : world.wire.sent) {
    all.push_back(
        fmt::format("{}#{}", to_string(one.notification.kind), one.notification.sequence));
  }
  return base::join(all, ", ");
}

/// A channel of one message each ten seconds, with nothing left: what comes now waits.
NotifySettings exhausted() {
  ChannelSettings limited = webhook_settings();
  limited.rate = {6, 1, 0};
  limited.delivery.summary = false;
  return notify_settings({limited});
}

void exhaust(World& world) {
  world.start(exhausted());
  world.add(message(1, "T-99"));
  world.wire.sent.clear();
}

TEST_CASE("a newer message takes the place of an unsent older one, which is recorded") {
  World world;
  exhaust(world);
  world.add(message(1, NotificationKind::Firing));
  world.add(message(2, NotificationKind::Update));
  world.add(message(3, NotificationKind::Update));
  world.run(minutes(1));
  CHECK(kinds(world) == "update#3");
  CHECK(world.row(2).state == DeliveryState::Superseded);
  CHECK(world.row(2).note == "superseded by message 2 (update)");
  CHECK(world.row(3).note == "superseded by message 3 (update)");
  CHECK(world.row(4).state == DeliveryState::Delivered);
  CHECK(world.outcomes.at(1) == "webhook#1 superseded after 0: superseded by message 2 (update)");
  CHECK(world.row(2).attempts == 0);
}

TEST_CASE("news for stakeholders and messages to responders do not replace each other") {
  World world;
  exhaust(world);
  world.add(message(1, NotificationKind::Update));
  world.add(message(2, NotificationKind::News));
  world.add(message(3, NotificationKind::News));
  world.add(message(4, NotificationKind::Update));
  world.run(minutes(1));
  CHECK(kinds(world) == "update#1, news#3, update#4");
  CHECK(world.row(3).state == DeliveryState::Superseded);
}

TEST_CASE("the reports of two days are two reports") {
  World world;
  exhaust(world);
  world.add(message(1, NotificationKind::Report));
  world.add(message(2, NotificationKind::Report));
  world.run(minutes(1));
  CHECK(kinds(world) == "report#1, report#2");
}

TEST_CASE("a message that failed is superseded too; its failures count on") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.run(seconds(20));
  const std::size_t failed = world.wire.sent.size();
  REQUIRE(failed >= 3);
  world.add(message(2, NotificationKind::Update));
  CHECK(world.row(1).state == DeliveryState::Superseded);
  world.wire.answers.clear();
  world.run(minutes(6));
  CHECK(world.wire.sent.back().notification.sequence == 2);
  CHECK(world.row(2).state == DeliveryState::Delivered);
}

TEST_CASE("superseding does not put off the deadline") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  std::uint64_t sequence = 1;
  world.add(message(sequence, NotificationKind::Firing));
  for (int hour = 0; hour < 25; ++hour) {
    world.run(std::chrono::hours(1));
    Notification update = message(++sequence, NotificationKind::Update);
    update.created_at = world.clock.wall();
    world.add(update);
  }
  std::size_t dead = 0;
  for (const auto& [id, row] : world.disk->rows) dead += row.state == DeliveryState::Dead;
  CHECK(dead == 1);
  CHECK(world.self_alerts.all.size() == 1);
}

TEST_CASE("over before anybody could be told: told to nobody, and recorded") {
  World world;
  exhaust(world);
  world.add(message(1, NotificationKind::Firing));
  world.add(message(2, NotificationKind::Resolved));
  world.run(minutes(2));
  CHECK(world.wire.sent.empty());
  CHECK(world.row(2).state == DeliveryState::Superseded);
  CHECK(world.row(2).note == "resolved before it could be sent");
  CHECK(world.row(3).state == DeliveryState::Superseded);
  CHECK(world.executor.pending() < 5);
}

TEST_CASE("over before anybody could be told: the resolved message goes if that is wanted") {
  World world;
  NotifySettings settings = exhausted();
  settings.delivery.unsent_resolved = UnsentResolved::Send;
  world.start(settings);
  world.add(message(1, "T-99"));
  world.wire.sent.clear();
  world.add(message(1, NotificationKind::Firing));
  world.add(message(2, NotificationKind::Resolved));
  world.run(minutes(2));
  CHECK(kinds(world) == "resolved#2");
}

TEST_CASE("over after it was given up without an attempt: told to nobody") {
  World world;
  NotifySettings settings = notify_settings({webhook_settings()});
  settings.deadlines.fill(minutes(30));
  world.wire.answers["webhook"] = failing();
  world.start(settings);
  // Another incident opens the breaker, and its messages are the probes.
  world.add(message(1, "T-99"));
  world.run(minutes(5));
  const auto unlike = [](const Wire::Sent& one) { return one.notification.incident.id != "T-99"; };
  const auto add = [&world](std::uint64_t sequence, NotificationKind kind) {
    world.add(message(sequence, kind, model::Severity::High));
  };
  add(1, NotificationKind::Firing);
  bool behind = false;
  SUBCASE("the resolved message comes after it was given up") {}
  SUBCASE("an update took its place") {
    add(2, NotificationKind::Update);
  }
  SUBCASE("an acknowledgement took its place") {
    add(2, NotificationKind::Acknowledged);
  }
  SUBCASE("the resolved message waits behind what is given up") {
    add(2, NotificationKind::Acknowledged);
    world.run(minutes(10));
    add(3, NotificationKind::Resolved);
    behind = true;
  }
  world.add(message(2, "T-99"));
  world.run(minutes(40));
  world.add(message(3, "T-99"));
  if (!behind) add(3, NotificationKind::Resolved);
  world.wire.answers.clear();
  world.run(minutes(20));
  CHECK(std::none_of(world.wire.sent.begin(), world.wire.sent.end(), unlike));
  std::size_t dropped = 0;
  for (const auto& [id, row] : world.disk->rows) {
    dropped += row.note == "resolved, and all that came before was given up unsent";
  }
  CHECK(dropped == 1);
}

TEST_CASE("over after it was given up, but an attempt was made or somebody heard: told") {
  World world;
  NotifySettings settings = notify_settings({webhook_settings()});
  settings.deadlines.fill(minutes(30));
  world.wire.answers["webhook"] = failing();
  world.start(settings);
  world.add(message(1, NotificationKind::Firing));
  world.run(minutes(45));
  REQUIRE(world.row(1).state == DeliveryState::Dead);
  world.wire.answers.clear();
  world.add(message(2, NotificationKind::Resolved));
  world.run(minutes(20));
  CHECK(world.wire.sent.back().notification.kind == NotificationKind::Resolved);
}

TEST_CASE("resolved is told if an attempt for the firing was made") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.wire.answers.clear();
  world.add(message(2, NotificationKind::Resolved));
  world.run(minutes(1));
  CHECK(kinds(world) == "firing#1, resolved#2");
  CHECK(world.row(1).state == DeliveryState::Superseded);
}

TEST_CASE("resolved is told to whoever got the firing, whatever was dropped in between") {
  World world;
  world.start(exhausted());
  world.add(message(1, NotificationKind::Firing));
  CHECK(kinds(world) == "firing#1");
  SUBCASE("an update") {
    world.add(message(2, NotificationKind::Update));
  }
  SUBCASE("a resolve and a reopening") {
    world.add(message(2, NotificationKind::Resolved));
    world.add(message(3, NotificationKind::Reopened));
  }
  world.add(message(9, NotificationKind::Resolved));
  world.run(minutes(1));
  CHECK(kinds(world) == "firing#1, resolved#9");
}

TEST_CASE("reopened and over again before it could be told: told to nobody") {
  World world;
  world.start(exhausted());
  world.add(message(1, NotificationKind::Firing));
  world.run(seconds(15));
  world.add(message(2, NotificationKind::Resolved));
  CHECK(kinds(world) == "firing#1, resolved#2");
  world.add(message(3, NotificationKind::Reopened));
  world.add(message(4, NotificationKind::Resolved));
  world.run(minutes(1));
  CHECK(kinds(world) == "firing#1, resolved#2");
}

TEST_CASE("an acknowledgement is never lost") {
  World world;
  exhaust(world);
  world.add(message(1, NotificationKind::Firing));
  world.add(message(2, NotificationKind::Acknowledged));
  world.add(message(3, NotificationKind::Update));
  world.add(message(4, NotificationKind::Resolved));
  world.run(minutes(2));
  CHECK(kinds(world) == "acknowledged#2, resolved#4");
}

TEST_CASE("a message whose outcome is unknown is not superseded: it goes first") {
  World world;
  world.wire.silent["webhook"] = true;
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.wire.silent.clear();
  world.add(message(2, NotificationKind::Resolved));
  CHECK(kinds(world) == "firing#1");
  world.restart(notify_settings({webhook_settings()}));
  world.run(minutes(3));
  CHECK(kinds(world) == "firing#1, firing#1, resolved#2");
}

TEST_CASE("what may have been taken is owned up to, also after an attempt that certainly was not") {
  World world;
  Outcome lost = failing("connection lost");
  lost.unknown = true;
  world.wire.answers["webhook"] = lost;
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.wire.answers["webhook"] = failing("HTTP 503");
  world.run(seconds(20));
  REQUIRE(world.wire.sent.size() >= 3);
  world.add(message(2, NotificationKind::Update));
  world.wire.answers.clear();
  world.run(minutes(6));
  REQUIRE(world.row(2).state == DeliveryState::Delivered);
  // It goes first, and says that it may be a repeat.
  const Wire::Sent& again = world.wire.sent[world.wire.sent.size() - 2];
  CHECK(again.notification.sequence == 1);
  CHECK(again.key.maybe_repeated);
  CHECK(world.wire.sent.back().notification.sequence == 2);
}

TEST_CASE("never firing after its resolved was sent, also when both are read after a restart") {
  World world;
  // Written in this order by a former process; both still pending.
  world.add(message(1, NotificationKind::Firing));
  world.add(message(2, NotificationKind::Update));
  world.add(message(3, NotificationKind::Resolved));
  world.start();
  world.run(minutes(1));
  CHECK(world.wire.sent.empty());
  for (std::int64_t id = 1; id <= 3; ++id) CHECK(world.row(id).state == DeliveryState::Superseded);
}

TEST_CASE("attempts and outcomes of one moment are recorded with few calls") {
  World world;
  ChannelSettings wide = webhook_settings();
  wide.in_flight_max = 64;
  wide.rate.per_minute = 0;
  for (std::uint64_t i = 1; i <= 640; ++i) world.add(message(i, "T-" + std::to_string(i)));
  world.start(notify_settings({wide}));
  world.run(seconds(1));
  CHECK(world.wire.sent.size() == 640);
  CHECK(world.store->records() <= 30);
  for (const auto& [id, row] : world.disk->rows) CHECK(row.state == DeliveryState::Delivered);
}

TEST_CASE("the store cannot record: Critical goes out after a grace, the rest waits") {
  World world;
  world.start();
  Notification page = message(2, "T-3", "webhook", model::Severity::Critical);
  Notification low = message(2, "T-4", "b", model::Severity::Low);
  world.wire.answers["webhook"] = failing();
  world.wire.answers["b"] = failing();
  world.add(page);
  world.add(low);
  world.wire.sent.clear();
  world.wire.answers.clear();
  // Both wait for their second attempt; from now on nothing can be recorded.
  world.store->broken = base::error(base::ErrorCode::Io, "disk is full");
  world.run(seconds(30));
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].notification.incident.id == "T-3");
  CHECK(world.wire.sent[0].key.value == page.key);
  CHECK(world.row(1).state == DeliveryState::Pending);  // not recorded yet
  double unrecorded = 0;
  for (const base::MetricPoint& point : world.metrics.points()) {
    if (point.name == "tocsin_alertd_notifications_unrecorded_total") unrecorded = point.value;
  }
  CHECK(unrecorded == 1);
  world.store->broken.reset();
  world.run(minutes(1));
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.row(2).state == DeliveryState::Delivered);
  CHECK(world.wire.sent.size() == 2);
}

TEST_CASE("what waited for the store does not go out after a newer one that went without it") {
  World world;
  world.start();
  // Decided one after the other; no commit is possible, and the older one is not for the hurry.
  Notification older = message(1, NotificationKind::Update, model::Severity::Low);
  Notification newer = message(2, NotificationKind::Update);
  world.notifier->send_uncommitted({older, newer});
  world.run(seconds(1));
  CHECK(kinds(world) == "update#2");
  // The store is back: both are committed, in their order.
  incident::StateChange change;
  change.outbox = {older, newer};
  world.store->commit(std::move(change), world.executor, [](const base::Result<void>&) {});
  world.notifier->poke();
  world.run(minutes(1));
  CHECK(kinds(world) == "update#2");
  CHECK(world.row(1).state == DeliveryState::Superseded);
  CHECK(world.row(1).note == "a newer one was sent before either could be stored");
  CHECK(world.row(2).state == DeliveryState::Delivered);
  CHECK(world.row(2).note == "sent before it could be stored");
  // What comes then goes as always.
  world.add(message(3, NotificationKind::Resolved));
  CHECK(kinds(world) == "update#2, resolved#3");
}

TEST_CASE(
    "what failed before does not go out again after a newer one that went without the store") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.wire.answers.clear();
  world.wire.sent.clear();
  const Notification newer = message(2, NotificationKind::Update);
  world.notifier->send_uncommitted({newer});
  SUBCASE("it is its turn before the newer one is stored") {
    world.run(minutes(1));
    CHECK(kinds(world) == "update#2");
    world.add(newer);
  }
  SUBCASE("the newer one is stored before it is its turn") {
    world.run(base::Duration{0});
    world.add(newer);
  }
  world.run(minutes(1));
  CHECK(kinds(world) == "update#2");
  CHECK(world.row(1).state == DeliveryState::Superseded);
  CHECK(world.row(2).state == DeliveryState::Delivered);
  world.add(message(3, NotificationKind::Resolved));
  CHECK(kinds(world) == "update#2, resolved#3");
}

TEST_CASE("an outcome that cannot be recorded is kept and recorded later; nothing is sent twice") {
  World world;
  world.wire.takes = seconds(1);
  world.start();
  world.add(message(1));
  world.store->broken = base::error(base::ErrorCode::Unavailable, "no connection");
  world.run(minutes(2));
  CHECK(world.row(1).state == DeliveryState::Pending);
  world.store->broken.reset();
  world.run(minutes(1));
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.wire.sent.size() == 1);
}

TEST_CASE("another daemon has the lease: everything is forgotten, and taken up when it is ours") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1));
  world.store->broken = base::error(base::ErrorCode::Cancelled, "another daemon has the lease");
  world.wire.answers.clear();
  world.wire.sent.clear();
  world.run(minutes(10));
  CHECK(world.wire.sent.empty());
  world.store->broken.reset();
  world.run(minutes(1));
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.wire.sent.size() == 1);
}

TEST_CASE("stopped and started again: what another process sent meanwhile is not sent again") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1, "T-1"));
  world.add(message(1, "T-2"));
  world.notifier->stop();
  world.run(base::Duration{0});
  world.wire.answers.clear();
  world.wire.sent.clear();
  world.disk->rows.at(1).state = DeliveryState::Delivered;
  world.notifier->start();
  world.run(minutes(1));
  CHECK(world.wire.log() == "webhook T-2#1");
}

TEST_CASE("receipts come back with the incident's later messages, only where they are wanted") {
  World world;
  world.wire.wants_receipts = {"webhook"};
  Outcome taken{Verdict::Delivered, "taken"};
  taken.receipt = "1712.0001";
  world.wire.answers["webhook"] = taken;
  world.wire.answers["b"] = taken;
  world.start();
  world.add(message(1, NotificationKind::Firing));
  world.add(message(1, "T-1", "b"));
  world.restart(notify_settings({webhook_settings(), webhook_settings("b")}));
  world.add(message(2, NotificationKind::Update));
  world.add(message(2, "T-1", "b"));
  REQUIRE(world.wire.sent.size() == 4);
  CHECK(world.wire.sent[0].key.earlier.empty());
  REQUIRE(world.wire.sent[2].key.earlier.size() == 1);
  CHECK(world.wire.sent[2].key.earlier[0].text == "1712.0001");
  CHECK(world.wire.sent[2].key.earlier[0].sequence == 1);
  CHECK(world.wire.sent[3].key.earlier.empty());
}

}  // namespace
}  // namespace tocsin::notify
