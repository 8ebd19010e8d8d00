// The notifier: messages that are begun ahead of the channel's slots, and their way back.

#include <doctest/doctest.h>

#include "alertd/notify/notifier_test_support.h"

namespace tocsin::notify {
namespace {

using model::Severity;

/// One channel of four slots without a limit of its rate.
ChannelSettings fast() {
  ChannelSettings channel = webhook_settings();
  channel.rate.per_minute = 0;
  return channel;
}

std::string incident(std::uint64_t number) {
  return fmt::format("T-{}", number);
}

/// Rows 1 to `count`, each of its own incident; what is sent takes a second.
void fill(World& world, std::uint64_t count, Severity severity = Severity::Low) {
  world.wire.takes = seconds(1);
  for (std::uint64_t i = 1; i <= count; ++i) {
    world.add(message(i, incident(i), "webhook", severity));
  }
}

std::size_t delivered(const World& world) {
  std::size_t count = 0;
  for (const auto& [id, row] : world.disk->rows) count += row.state == DeliveryState::Delivered;
  return count;
}

std::string text_of(const World& world, std::int64_t row) {
  const auto attempt = world.disk->attempts.find({row, 1});
  return attempt == world.disk->attempts.end() ? "no attempt" : attempt->second.text;
}

TEST_CASE("starts are recorded ahead of the slots, which stay as many as they are") {
  World world;
  fill(world, 400);
  world.wire.takes = base::Duration{2};
  world.start(notify_settings({fast()}));
  CHECK(world.wire.sent.size() == 4);
  CHECK(world.row(36).outcome_unknown);  // begun: nobody knows after a crash
  CHECK_FALSE(world.row(37).outcome_unknown);
  world.run(seconds(1));
  CHECK(delivered(world) == 400);
  CHECK(world.wire.in_flight_peak == 4);
  CHECK(world.store->records() <= 400 / 12);
  for (std::int64_t id = 1; id <= 400; ++id) CHECK(world.row(id).attempts == 1);
}

TEST_CASE("what ends is recorded within a moment although enough has begun") {
  World world;
  fill(world, 40);
  world.start(notify_settings({fast()}));
  world.run(seconds(1));
  CHECK(world.wire.sent.size() == 8);
  CHECK(delivered(world) == 0);
  world.run(base::Duration{10});
  CHECK(delivered(world) == 4);
}

TEST_CASE("a channel with a limited rate begins nothing ahead") {
  World world;
  fill(world, 10);
  world.start();
  CHECK(world.row(4).outcome_unknown);
  CHECK_FALSE(world.row(5).outcome_unknown);
}

TEST_CASE("Critical overtakes what has begun, however much that is") {
  World world;
  world.start(notify_settings({fast()}));
  fill(world, 100);
  for (std::uint64_t i = 101; i <= 103; ++i) world.add(message(i, incident(i)));
  REQUIRE(world.wire.sent.size() == 5);  // the slot for Critical
  CHECK(world.wire.sent[4].notification.incident.id == "T-101");
  world.run(seconds(1));
  REQUIRE(world.wire.sent.size() >= 7);
  CHECK(world.wire.sent[5].notification.incident.id == "T-102");
  CHECK(world.wire.sent[6].notification.incident.id == "T-103");
  world.run(minutes(2));
  CHECK(delivered(world) == 103);
  CHECK(world.wire.in_flight_peak == 5);
}

TEST_CASE("the channel fails: what has begun is called back, and goes as if for the first time") {
  World world;
  ChannelSettings channel = fast();
  channel.delivery.failover = "ops/b";
  world.wire.answers["webhook"] = failing();
  fill(world, 30, Severity::High);
  world.start(notify_settings({channel, webhook_settings("b")}));
  world.run(minutes(1));
  CHECK(world.row(30).attempts == 1);
  CHECK(text_of(world, 30) == "not sent: the channel fails: HTTP 503");
  CHECK(world.disk->attempts.at({30, 1}).outcome == "retry");
  CHECK_FALSE(world.row(30).outcome_unknown);
  CHECK(world.row(30).state == DeliveryState::Pending);
  const auto of = [&world](const std::string& channel_name) {
    return std::count_if(world.wire.sent.begin(), world.wire.sent.end(),
                         [&](const Wire::Sent& one) { return one.channel == channel_name; });
  };
  CHECK(of("webhook") <= 10);  // the breaker's five, what was under way, and a probe
  CHECK(of("b") == 26);        // nobody waits for the channel; four have attempts left
  CHECK(world.counter("tocsin_alertd_notifications_total", "ops/webhook", "retry") ==
        static_cast<double>(of("webhook")));
  world.wire.answers.clear();
  world.run(minutes(10));
  CHECK(delivered(world) == 56);
  CHECK(world.row(30).attempts == 1);
  CHECK(text_of(world, 30) == "taken");
  CHECK_FALSE(world.wire.sent.back().key.maybe_repeated);
}

TEST_CASE("the other side asks for a pause: what has begun keeps it") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 429", minutes(2), false,
                                   FailureReason::RateLimited};
  fill(world, 20);
  world.start(notify_settings({fast()}));
  world.run(seconds(2));
  world.wire.answers.clear();
  CHECK(text_of(world, 20) == "not sent: the channel asked for a pause");
  CHECK(world.row(20).due > world.clock.wall() + minutes(1));
  world.run(minutes(1));
  CHECK(world.wire.sent.size() == 4);
  world.run(minutes(9));
  CHECK(delivered(world) == 20);
}

TEST_CASE("a newer message of the incident takes the place of one that has only begun") {
  World world;
  fill(world, 10);
  world.start(notify_settings({fast()}));
  Notification update = message(11, "T-10", "webhook", Severity::Low);
  update.kind = NotificationKind::Update;
  SUBCASE("it is superseded") {}
  SUBCASE("the incident is over: nobody is told") {
    update.kind = NotificationKind::Resolved;
  }
  const bool over = update.kind == NotificationKind::Resolved;
  world.add(update);
  CHECK(world.row(10).state == DeliveryState::Superseded);
  CHECK(text_of(world, 10) == "not sent: message 11 takes its place");
  world.run(minutes(1));
  CHECK(world.row(11).state == (over ? DeliveryState::Superseded : DeliveryState::Delivered));
  CHECK(world.wire.sent.size() == (over ? 9 : 10));
}

TEST_CASE("stopped: what has begun is called back in the store, so that it is no repeat later") {
  World world;
  fill(world, 12);
  world.start(notify_settings({fast()}));
  world.notifier->stop();
  world.run(seconds(5));
  CHECK(world.wire.sent.size() == 4);
  CHECK(delivered(world) == 4);
  CHECK(text_of(world, 12) == "not sent: sending has stopped");
  world.restart(notify_settings({fast()}));
  world.run(seconds(5));
  CHECK(delivered(world) == 12);
  CHECK(world.wire.sent.size() == 12);
  for (const Wire::Sent& one : world.wire.sent) CHECK_FALSE(one.key.maybe_repeated);
}

TEST_CASE("killed: what had begun goes again with the same key, marked, and each once") {
  World world;
  fill(world, 12);
  world.start(notify_settings({fast()}));
  world.restart(notify_settings({fast()}));
  world.run(seconds(5));
  CHECK(delivered(world) == 12);
  CHECK(world.wire.sent.size() == 4 + 12);
  for (std::size_t i = 4; i < world.wire.sent.size(); ++i) {
    CHECK(world.wire.sent[i].key.maybe_repeated);
  }
}

TEST_CASE("reloaded: what has begun goes by the new settings, or is given up with its channel") {
  World world;
  fill(world, 12);
  world.start(notify_settings({fast()}));
  SUBCASE("the channel is still there") {
    world.notifier->reload(notify_settings({fast()}));
    world.run(seconds(5));
    CHECK(delivered(world) == 12);
    CHECK(world.wire.sent.size() == 12);
  }
  SUBCASE("the channel is gone") {
    world.notifier->reload(notify_settings({webhook_settings("b")}));
    world.run(seconds(5));
    CHECK(delivered(world) == 4);
    CHECK(world.wire.sent.size() == 4);
    CHECK(world.row(12).state == DeliveryState::Dead);
  }
}

TEST_CASE("what may have arrived is still known as such after it was called back") {
  World world;
  world.wire.silent["webhook"] = true;
  fill(world, 4);
  world.start(notify_settings({fast()}));
  world.restart(notify_settings({fast()}));  // nobody knows what became of the four
  world.notifier.reset();
  world.wire.silent.clear();
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 429", minutes(2), false,
                                   FailureReason::RateLimited};
  ChannelSettings narrow = fast();
  narrow.in_flight_max = 1;
  world.restart(notify_settings({narrow}));
  world.run(seconds(5));  // one was asked to wait, the other three were called back
  CHECK(world.row(4).outcome_unknown);
  world.wire.answers.clear();
  world.run(minutes(10));
  CHECK(delivered(world) == 4);
}

TEST_CASE("another daemon has the lease: what has begun here ends nowhere") {
  World world;
  fill(world, 12);
  world.start(notify_settings({fast()}));
  world.store->broken = base::error(base::ErrorCode::Cancelled, "another daemon has the lease");
  world.run(minutes(1));
  CHECK(world.wire.sent.size() <= 8);
  CHECK(delivered(world) == 0);
  world.store->broken.reset();
  world.run(minutes(1));
  CHECK(delivered(world) == 12);
}

TEST_CASE("the store cannot record: Critical ones without a record keep to the slots") {
  World world;
  world.start(notify_settings({fast()}));
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 429", seconds(5), false,
                                   FailureReason::RateLimited};
  fill(world, 20, Severity::Critical);
  world.run(seconds(2));
  world.wire.answers.clear();
  world.wire.sent.clear();
  world.store->broken = base::error(base::ErrorCode::Io, "disk is full");
  world.run(minutes(1));
  CHECK_FALSE(world.wire.sent.empty());
  CHECK(world.wire.in_flight_peak <= 5);
  world.store->broken.reset();
  world.run(minutes(2));
  CHECK(delivered(world) == 20);
}

}  // namespace
}  // namespace tocsin::notify
