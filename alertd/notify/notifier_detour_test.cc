// The notifier: circuit breaker, failover, dead letters, storms, proofs.

#include <doctest/doctest.h>

#include "alertd/notify/notifier_test_support.h"

namespace tocsin::notify {
namespace {

/// ops/webhook with a failover to backup/mail.
NotifySettings with_failover() {
  ChannelSettings main = webhook_settings();
  main.delivery.failover = "backup/mail";
  ChannelSettings other = webhook_settings("mail");
  other.receiver = "backup";
  NotifySettings settings = notify_settings({main});
  settings.receivers.push_back({"backup", {other}});
  return settings;
}

std::vector<Wire::Sent> sent_by(const World& world, const std::string& channel) {
  std::vector<Wire::Sent> found;
  for (const Wire::Sent& one : world.wire.sent) {
    if (one.channel == channel) found.push_back(one);
  }
  return found;
}

double gauge(World& world, const char* name) {
  return world.counter(name, "ops/webhook");
}

TEST_CASE(
    "breaker: after failures in a row the channel is only probed, and then all goes at once") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  for (std::uint64_t i = 1; i <= 20; ++i) world.add(message(i, "T-" + std::to_string(i)));
  world.run(seconds(10));
  CHECK(gauge(world, "tocsin_alertd_channel_breaker_open") == 1);
  const std::size_t before = world.wire.sent.size();
  CHECK(before <= 9);  // five, and what was under way
  world.run(minutes(3));
  const std::size_t probes = world.wire.sent.size() - before;
  CHECK(probes >= 2);
  CHECK(probes <= 6);
  REQUIRE(world.channels().size() == 2);
  CHECK(world.channels()[1].name == "ops/webhook");
  CHECK(world.channels()[1].state == "open");
  CHECK(world.channels()[1].waiting == 20);
  CHECK(world.channels()[1].last_error == "HTTP 503");
  world.wire.answers.clear();
  world.run(minutes(5));
  for (std::int64_t id = 1; id <= 20; ++id) CHECK(world.row(id).state == DeliveryState::Delivered);
  CHECK(gauge(world, "tocsin_alertd_channel_breaker_open") == 0);
  CHECK(world.channels()[1].state == "ok");
  CHECK(world.channels()[1].last_delivered.has_value());
}

TEST_CASE("breaker: an answer that refuses one message for good says that the channel lives") {
  World world;
  world.wire.answers["webhook"] = {
      Verdict::Permanent, "HTTP 400", {}, false, FailureReason::Refused};
  world.start();
  for (std::uint64_t i = 1; i <= 20; ++i) world.add(message(i, "T-" + std::to_string(i)));
  CHECK(world.wire.sent.size() == 20);
}

TEST_CASE("breaker: the other side asks for a pause, and everybody of the channel keeps it") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 429", minutes(2), false,
                                   FailureReason::RateLimited};
  world.start();
  world.add(message(1, "T-1"));
  world.wire.answers.clear();
  world.add(message(1, "T-2"));
  world.add(message(1, "T-3", "b"));
  CHECK(world.wire.log() == "webhook T-1#1, b T-3#1");
  CHECK(world.channels()[1].state == "paused");
  world.run(minutes(3));
  CHECK(sent_by(world, "webhook").size() == 3);
}

TEST_CASE("breaker: nothing waits behind it for ever; the deadline holds") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  for (std::uint64_t i = 1; i <= 8; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Low));
  }
  world.run(std::chrono::hours(6) + minutes(10));
  for (std::int64_t id = 1; id <= 8; ++id) CHECK(world.row(id).state == DeliveryState::Dead);
}

TEST_CASE("failover: after failed attempts a copy with its own key goes, once, and says why") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start(with_failover());
  world.add(message(1));
  world.run(minutes(30));
  const auto copies = sent_by(world, "mail");
  REQUIRE(copies.size() == 1);
  const Notification& copy = copies[0].notification;
  CHECK(copy.receiver == "backup");
  CHECK(copy.channel == "mail");
  CHECK(copy.failover_for == "ops/webhook");
  CHECK(copy.note == "instead of ops/webhook: 3 failed attempts, the last: HTTP 503");
  CHECK(copy.key.size() == 32);
  CHECK(copy.key != message(1).key);
  CHECK(copy.incident.id == "T-1");
  // The first copy went after seconds, and the original is still tried.
  CHECK(copies[0].at < base::MonotonicTime{seconds(30)});
  CHECK(world.row(1).state == DeliveryState::Pending);
}

TEST_CASE("failover: while the breaker is open Critical and High go at once, the rest waits") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start(with_failover());
  for (std::uint64_t i = 1; i <= 6; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Low));
  }
  world.run(seconds(3));
  REQUIRE(gauge(world, "tocsin_alertd_channel_breaker_open") == 1);
  REQUIRE(sent_by(world, "mail").empty());
  world.add(message(7, "T-7", "webhook", model::Severity::High));
  world.add(message(8, "T-8", "webhook", model::Severity::Medium));
  const auto copies = sent_by(world, "mail");
  REQUIRE(copies.size() == 1);
  CHECK(copies[0].notification.incident.id == "T-7");
  CHECK(copies[0].notification.note == "instead of ops/webhook: it fails: HTTP 503");
}

TEST_CASE("failover: a dead letter sends its copy at once, and raises an alert") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Permanent, "HTTP 401", {}, false, FailureReason::Auth};
  world.start(with_failover());
  world.add(message(1));
  REQUIRE(sent_by(world, "mail").size() == 1);
  CHECK(sent_by(world, "mail")[0].notification.note ==
        "instead of ops/webhook: given up: HTTP 401");
  REQUIRE(world.self_alerts.all.size() == 1);
  const model::Alert& alert = world.self_alerts.all[0];
  CHECK(alert.name() == kSelfAlertName);
  CHECK(alert.severity == model::Severity::Critical);
  CHECK(alert.labels.get("receiver") == "ops");
  CHECK(alert.labels.get("channel") == "webhook");
  CHECK(alert.annotations.get("summary") ==
        "ops/webhook: a message about T-1 could not be delivered: HTTP 401");
  CHECK(alert.valid_until > world.clock.wall());
}

TEST_CASE("failover: who got the beginning gets the end, also after a restart") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start(with_failover());
  world.add(message(1, NotificationKind::Firing));
  world.run(minutes(1));
  REQUIRE(sent_by(world, "mail").size() == 1);
  world.wire.answers.clear();
  bool restarted = false;
  SUBCASE("in the same process") {}
  SUBCASE("after a restart") {
    restarted = true;
    // The store knows deliveries by incident.
    incident::IncidentRecord record;
    record.id = "T-1";
    record.number = 1;
    world.disk->incidents[1] = record;
    world.restart(with_failover());
  }
  CAPTURE(restarted);
  world.run(minutes(6));
  world.add(message(2, NotificationKind::Resolved));
  const auto copies = sent_by(world, "mail");
  REQUIRE(copies.size() == 2);
  CHECK(copies[1].notification.kind == NotificationKind::Resolved);
  CHECK(sent_by(world, "webhook").back().notification.kind == NotificationKind::Resolved);
}

TEST_CASE("failover: who got the end hears that it came back before what follows") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start(with_failover());
  world.add(message(1, NotificationKind::Firing));
  world.run(minutes(1));
  world.add(message(2, NotificationKind::Resolved));
  world.run(minutes(1));
  SUBCASE("in the same process") {}
  SUBCASE("after a restart") {
    world.restart(with_failover());
  }
  Notification update = message(3, NotificationKind::Update);
  update.incident.reopened = 1;
  world.add(update);
  world.run(minutes(10));
  update = message(4, NotificationKind::Update);
  update.incident.reopened = 1;
  world.add(update);
  world.run(minutes(10));
  std::string kinds;
  for (const Wire::Sent& one : sent_by(world, "mail")) {
    kinds += std::string(to_string(one.notification.kind)) + " ";
  }
  CHECK(kinds == "firing resolved reopened update ");
}

TEST_CASE("failover: a copy that fails too is no reason for another copy") {
  World world;
  world.wire.answers["webhook"] = {
      Verdict::Permanent, "HTTP 400", {}, false, FailureReason::Refused};
  world.wire.answers["mail"] = world.wire.answers["webhook"];
  NotifySettings settings = with_failover();
  settings.receivers[1].channels[0].delivery.failover = "ops/webhook";
  world.start(settings);
  world.add(message(1));
  world.run(minutes(1));
  CHECK(world.wire.sent.size() == 2);
  CHECK(world.self_alerts.all.size() == 2);  // about each of the two channels
}

TEST_CASE("the alert about failing messages goes to the fallback when its own receiver fails") {
  World world;
  world.wire.answers["webhook"] = {
      Verdict::Permanent, "HTTP 400", {}, false, FailureReason::Refused};
  NotifySettings settings = with_failover();
  settings.receivers[0].channels[0].delivery.failover.clear();
  settings.delivery.fallback = "backup";
  world.start(settings);
  Notification about_itself = message(1);
  about_itself.common_labels =
      model::Labels{{"alertname", std::string(kSelfAlertName)}, {"channel", "webhook"}};
  world.add(about_itself);
  REQUIRE(sent_by(world, "mail").size() == 1);
  CHECK(sent_by(world, "mail")[0].notification.note ==
        "fallback: ops/webhook does not deliver: HTTP 400");
  CHECK(world.self_alerts.all.empty());  // no alert about the alert
  // The fallback fails too: it is said in the log, and goes nowhere else.
  world.wire.answers["mail"] = world.wire.answers["webhook"];
  Notification again = about_itself;
  again.sequence = 2;
  again.key = "k2";
  world.add(again);
  world.run(minutes(1));
  CHECK(sent_by(world, "mail").size() == 2);
  CHECK(world.self_alerts.all.empty());
}

TEST_CASE("storm: what waits beyond the rate is told by one summary, and recorded as told by it") {
  World world;
  ChannelSettings limited = webhook_settings();
  limited.rate = {6, 2, 0};
  for (std::uint64_t i = 1; i <= 40; ++i) {
    const auto severity = i <= 34 ? model::Severity::Low : model::Severity::High;
    world.add(message(i, "T-" + std::to_string(i), "webhook", severity));
  }
  world.start(notify_settings({limited}));
  world.run(minutes(1));
  REQUIRE(world.wire.sent.size() == 3);
  CHECK(world.wire.sent[0].notification.incident.id == "T-35");  // the worst go one by one first
  const Notification& summary = world.wire.sent[2].notification;
  CHECK(summary.kind == NotificationKind::Summary);
  CHECK(summary.incident.title == "38 more incidents: 4 high, 34 low");
  CHECK(summary.incident.severity == model::Severity::High);
  REQUIRE(summary.members.size() == 38);
  CHECK(summary.members[0].id == "T-37");
  std::size_t told = 0;
  for (const auto& [id, row] : world.disk->rows) {
    if (row.state != DeliveryState::Superseded) continue;
    ++told;
    CHECK(row.note == "told by a summary: 38 more incidents: 4 high, 34 low");
  }
  CHECK(told == 38);
  // Later ones go by themselves again.
  world.run(minutes(1));
  world.add(message(41, "T-41"));
  CHECK(world.wire.sent.back().notification.incident.id == "T-41");
}

TEST_CASE("storm: Critical is never part of a summary and overtakes it") {
  World world;
  ChannelSettings limited = webhook_settings();
  limited.rate = {6, 4, 0.5};
  world.start(notify_settings({limited}));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Medium));
  }
  world.add(message(21, "T-21", "webhook", model::Severity::Critical));
  CHECK(world.wire.sent.back().notification.incident.id == "T-21");
  CHECK(world.wire.sent.back().at == base::MonotonicTime{});
}

TEST_CASE("storm: a summary that waits takes in what comes after it") {
  World world;
  ChannelSettings limited = webhook_settings();
  limited.rate = {1, 1, 0};
  world.start(notify_settings({limited}));
  std::uint64_t next = 1;
  const auto burst = [&](int count) {
    for (int i = 0; i < count; ++i, ++next) {
      world.add(message(next, "T-" + std::to_string(next), "webhook", model::Severity::Low));
    }
  };
  burst(11);
  world.run(seconds(1));
  burst(10);
  world.run(minutes(1));
  REQUIRE(world.wire.sent.size() == 2);
  CHECK(world.wire.sent[1].notification.incident.title == "20 more incidents: 20 low");
}

TEST_CASE("storm: machines get each message") {
  World world;
  world.wire.machines = {"webhook"};
  ChannelSettings limited = webhook_settings();
  limited.rate = {60, 1, 0};
  for (std::uint64_t i = 1; i <= 60; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Low));
  }
  world.start(notify_settings({limited}));
  world.run(minutes(2));
  CHECK(world.wire.sent.size() == 60);
}

TEST_CASE("storm: crash between the summary and its sending") {
  World world;
  ChannelSettings limited = webhook_settings();
  limited.rate = {6, 1, 0};
  for (std::uint64_t i = 1; i <= 20; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Low));
  }
  world.start(notify_settings({limited}));
  REQUIRE(world.wire.sent.size() == 1);
  world.restart(notify_settings({limited}));
  world.run(minutes(1));
  REQUIRE(world.wire.sent.size() == 2);
  CHECK(world.wire.sent[1].notification.incident.title == "19 more incidents: 19 low");
}

TEST_CASE("proof: at its time, channels that carried nothing real for a day are tested") {
  World world;  // 14:48:35 UTC
  NotifySettings settings = notify_settings({webhook_settings(), webhook_settings("b")});
  settings.delivery.proof = ProofSettings{std::chrono::hours(9), {}};
  world.start(settings);
  world.run(std::chrono::hours(10));
  world.add(message(1, "T-1", "b"));
  world.wire.sent.clear();
  world.run(std::chrono::hours(8) + minutes(5));  // 08:53
  CHECK(world.wire.sent.empty());
  world.run(minutes(10));
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].channel == "webhook");
  CHECK(world.wire.sent[0].notification.kind == NotificationKind::Test);
  CHECK(world.wire.sent[0].notification.incident.comment == "daily proof that this channel works");
  world.run(std::chrono::hours(24));
  CHECK(world.wire.sent.size() == 3);  // both now
}

TEST_CASE("proof: a channel that does not work raises the alert after some tries") {
  World world;
  world.wire.answers["webhook"] = failing();
  NotifySettings settings = notify_settings({webhook_settings()});
  settings.delivery.proof = ProofSettings{std::chrono::hours(15), {}};
  world.start(settings);
  world.run(std::chrono::hours(1));
  CHECK(world.wire.sent.size() == 3);
  REQUIRE(world.self_alerts.all.size() == 1);
  CHECK(world.self_alerts.all[0].annotations.get("summary") ==
        "ops/webhook: test could not be delivered: HTTP 503");
}

TEST_CASE("one slot more for Critical, so that it does not wait for others' time-outs") {
  World world;
  world.wire.silent["webhook"] = true;
  world.start();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Low));
  }
  CHECK(world.wire.sent.size() == 4);
  world.add(message(11, "T-11", "webhook", model::Severity::Critical));
  CHECK(world.wire.sent.back().notification.incident.id == "T-11");
}

}  // namespace
}  // namespace tocsin::notify
