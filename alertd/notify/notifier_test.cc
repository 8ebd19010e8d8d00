// The notifier: attempts, retries, order across restarts, limits, reload, test messages.

#include "alertd/notify/notifier.h"

#include <doctest/doctest.h>

#include "alertd/notify/notifier_test_support.h"

namespace tocsin::notify {
namespace {

TEST_CASE("delivered: start recorded before sending, outcome after") {
  World world;
  world.start();
  world.add(message(1));
  CHECK(world.wire.log() == "webhook T-1#1");
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.disk->attempts.at({1, 1}).outcome == "delivered");
  CHECK(world.disk->attempts.at({1, 1}).text == "taken");
  CHECK(world.outcomes == std::vector<std::string>{"webhook#1 delivered after 1: taken"});
  CHECK(world.counter("tocsin_alertd_notifications_total", "ops/webhook", "delivered") == 1);
  world.run(minutes(10));
  CHECK(world.wire.sent.size() == 1);
}

TEST_CASE("retries back off, keep the key, and end with success") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", {}, false};
  world.start();
  world.add(message(1));
  world.run(minutes(30));
  const auto& sent = world.wire.sent;
  REQUIRE(sent.size() > 6);
  for (std::size_t i = 1; i < sent.size(); ++i) {
    CHECK(sent[i].key.value == sent[0].key.value);
    const auto gap = sent[i].at - sent[i - 1].at;
    CHECK(gap >= seconds(1));
    CHECK(gap <= minutes(5));
  }
  CHECK(world.row(1).state == DeliveryState::Pending);
  CHECK(world.counter("tocsin_alertd_notifications_total", "ops/webhook", "retry") ==
        static_cast<double>(sent.size()));
  world.wire.answers.clear();
  world.run(minutes(5));
  CHECK(world.row(1).state == DeliveryState::Delivered);
}

TEST_CASE("Retry-After is honoured") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 429", minutes(7), false};
  world.start();
  world.add(message(1));
  world.run(minutes(6));
  CHECK(world.wire.sent.size() == 1);
  world.run(minutes(2));
  CHECK(world.wire.sent.size() == 2);
}

TEST_CASE("a channel that is only probed and asks to be left alone is left alone") {
  World world;
  world.wire.answers["webhook"] = failing();
  world.start();
  world.add(message(1));
  world.run(minutes(2));  // the breaker is open
  Outcome busy{Verdict::Retry, "HTTP 429", seconds(90), false, FailureReason::RateLimited};
  world.wire.answers["webhook"] = busy;
  world.wire.sent.clear();
  while (world.wire.sent.empty()) world.run(seconds(1));
  world.run(seconds(80));
  CHECK(world.wire.sent.size() == 1);
  world.wire.answers.clear();
  world.run(minutes(6));
  CHECK(world.wire.sent.size() == 2);
  CHECK(world.row(1).state == DeliveryState::Delivered);
}

TEST_CASE("a permanent failure is a dead letter at once, and the next message goes") {
  World world;
  world.wire.answers["webhook"] = {
      Verdict::Permanent, "HTTP 400", {}, false, FailureReason::Refused};
  world.start();
  CHECK(world.counter("tocsin_alertd_notifications_failed_total", "ops/webhook", "refused") == 0);
  world.add(message(1));
  CHECK(world.row(1).state == DeliveryState::Dead);
  CHECK(world.outcomes.at(0) == "webhook#1 dead after 1: HTTP 400");
  CHECK(world.counter("tocsin_alertd_notifications_failed_total", "ops/webhook", "refused") == 1);
  CHECK(world.counter("tocsin_alertd_notifications_failed_total", "ops/webhook", "auth") == 0);
  world.wire.answers.clear();
  world.add(message(2));
  CHECK(world.row(2).state == DeliveryState::Delivered);
}

TEST_CASE("the deadline makes a dead letter; Critical has a day") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", {}, false};
  world.start();
  world.add(message(1));
  world.run(std::chrono::hours(23) + minutes(50));
  CHECK(world.row(1).state == DeliveryState::Pending);
  world.run(minutes(20));
  CHECK(world.row(1).state == DeliveryState::Dead);
}

TEST_CASE(
    "order: an incident's later message waits for the one under way, other incidents do not") {
  World world;
  world.wire.silent["webhook"] = true;
  world.start();
  world.add(message(1, "T-1"));
  world.wire.silent.clear();
  world.add(message(2, "T-1"));
  world.add(message(1, "T-2"));
  CHECK(world.wire.log() == "webhook T-1#1, webhook T-2#1");
  // Nobody knows whether the first one arrived: it goes once more, then the second.
  world.run(minutes(3));
  CHECK(world.wire.log() == "webhook T-1#1, webhook T-2#1, webhook T-1#1, webhook T-1#2");
}

TEST_CASE("a silent channel holds up nobody else, and is given up after a while") {
  World world;
  world.wire.silent["webhook"] = true;
  world.start();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    world.add(message(i, "T-" + std::to_string(i)));
    world.add(message(i, "T-" + std::to_string(i), "b"));
  }
  std::size_t of_b = 0;
  for (const auto& one : world.wire.sent) of_b += one.channel == "b";
  CHECK(of_b == 10);
  CHECK(world.wire.sent.size() == 15);  // four slots of the silent one, and one for Critical
  world.wire.silent.clear();
  // 10 s time-out + 30 s: taken as lost, tried again, marked as a possible repeat.
  world.run(minutes(2));
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.disk->attempts.at({1, 1}).text == "the channel did not answer");
  for (const auto& one : world.wire.sent) {
    if (one.notification.incident.id == "T-1" && one.at > base::MonotonicTime{seconds(30)}) {
      CHECK(one.key.maybe_repeated);
    }
  }
}

TEST_CASE("in flight is bounded, the worst severity goes first") {
  World world;
  ChannelSettings narrow = webhook_settings();
  narrow.in_flight_max = 1;
  world.wire.takes = seconds(1);
  world.add(message(1, "T-1", "webhook", model::Severity::Low));
  world.add(message(2, "T-2", "webhook", model::Severity::Critical));
  world.add(message(3, "T-3", "webhook", model::Severity::High));
  world.start(notify_settings({narrow}));
  world.run(seconds(10));
  CHECK(world.wire.log() == "webhook T-2#2, webhook T-3#3, webhook T-1#1");
  CHECK(world.wire.in_flight_peak == 1);
}

TEST_CASE("rate limit: the rest waits, Critical has its share") {
  World world;
  ChannelSettings limited = webhook_settings();
  limited.rate = {6, 4, 0.5};  // one each ten seconds, a burst of 4, 2 of them reserved
  for (std::uint64_t i = 1; i <= 4; ++i) {
    world.add(message(i, "T-" + std::to_string(i), "webhook", model::Severity::Medium));
  }
  world.start(notify_settings({limited}));
  CHECK(world.wire.sent.size() == 2);
  world.add(message(5, "T-5", "webhook", model::Severity::Critical));
  CHECK(world.wire.log() == "webhook T-1#1, webhook T-2#2, webhook T-5#5");
  CHECK(world.counter("tocsin_alertd_notifications_rate_limited_total", "ops/webhook") >= 1);
  world.run(minutes(2));
  CHECK(world.wire.sent.size() == 5);
}

TEST_CASE("crash while sending: sent again with the same key, marked, in order") {
  World world;
  world.wire.silent["webhook"] = true;
  world.start();
  world.add(message(1));
  world.add(message(2));
  CHECK(world.wire.log() == "webhook T-1#1");
  CHECK(world.row(1).outcome_unknown);
  // The process dies; a new one starts over the same disk.
  world.notifier.reset();
  world.store = std::make_unique<FakeStateStore>(world.disk);
  world.wire.silent.clear();
  world.start();
  CHECK(world.wire.log() == "webhook T-1#1, webhook T-1#1, webhook T-1#2");
  CHECK(world.wire.sent[1].key.value == world.wire.sent[0].key.value);
  CHECK_FALSE(world.wire.sent[0].key.maybe_repeated);
  CHECK(world.wire.sent[1].key.maybe_repeated);
  CHECK(world.row(1).attempts == 2);
}

TEST_CASE("after a restart a row in back-off waits for its time") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", minutes(4), false};
  world.start();
  world.add(message(1));
  world.notifier.reset();
  world.store = std::make_unique<FakeStateStore>(world.disk);
  world.wire.answers.clear();
  world.start();
  world.run(minutes(3));
  CHECK(world.wire.sent.size() == 1);
  world.run(minutes(2));
  CHECK(world.wire.log() == "webhook T-1#1, webhook T-1#1");
}

TEST_CASE("the wall clock set back by a day delays nothing") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", {}, false};
  world.start();
  world.add(message(1));
  world.clock.step_wall(-std::chrono::hours(24));
  world.notifier.reset();
  world.wire.answers.clear();
  world.start();
  world.add(message(1, "T-9"));
  CHECK(world.wire.sent.back().notification.incident.id == "T-9");
  world.run(minutes(6));
  CHECK(world.row(1).state == DeliveryState::Delivered);
}

TEST_CASE("the wall clock set forward makes no dead letter of what was hardly tried") {
  World world;
  world.start();
  world.clock.step_wall(std::chrono::hours(24 * 30));
  world.add(message(1));
  CHECK(world.row(1).state == DeliveryState::Delivered);
}

TEST_CASE("a channel that is gone makes a dead letter that says so") {
  World world;
  world.start();
  world.add(message(1, "T-1", "pager"));
  CHECK(world.row(1).state == DeliveryState::Dead);
  CHECK(world.outcomes.at(0) == "pager#1 dead after 0: the channel is not configured (any more)");
  CHECK(world.wire.sent.empty());
}

TEST_CASE("reload: new channels at once, attempts under way end on the old ones") {
  World world;
  world.wire.takes = seconds(5);
  world.start();
  world.add(message(1));
  world.notifier->reload(notify_settings({webhook_settings("c")}));
  world.add(message(2, "T-2", "c"));
  world.run(seconds(20));
  CHECK(world.row(1).state == DeliveryState::Delivered);
  CHECK(world.row(2).state == DeliveryState::Delivered);
}

TEST_CASE("send_resolved = false: the message is settled without sending") {
  World world;
  ChannelSettings quiet = webhook_settings();
  quiet.send_resolved = false;
  world.start(notify_settings({quiet}));
  Notification resolved = message(1);
  resolved.kind = NotificationKind::Resolved;
  world.add(resolved);
  CHECK(world.wire.sent.empty());
  CHECK(world.row(1).state == DeliveryState::Delivered);
  Notification update = message(2);
  update.kind = NotificationKind::Update;
  update.alerts.push_back({sample_alert("db2", 1), false});
  world.add(update);
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].notification.alerts.size() == 1);
}

TEST_CASE("a test message goes through the outbox and is answered") {
  World world;
  world.start();
  std::optional<base::Result<TestResult>> result;
  const auto test = [&](const std::string& target) {
    result.reset();
    world.notifier->send_test(target, "eva", [&](base::Result<TestResult> r) { result = r; });
    world.run(base::Duration{0});
  };
  test("ops/b");
  REQUIRE(result);
  REQUIRE(*result);
  CHECK((*result)->delivered);
  CHECK((*result)->detail == "taken");
  CHECK(world.wire.sent.at(0).channel == "b");
  CHECK(world.row(1).state == DeliveryState::Delivered);

  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", {}, false};
  test("ops/webhook");
  REQUIRE(result);
  CHECK_FALSE((*result)->delivered);
  CHECK(world.row(2).state == DeliveryState::Dead);  // a test is not repeated for hours

  test("ops/webhok");
  REQUIRE(result);
  CHECK(result->error().code == base::ErrorCode::NotFound);
  CHECK(result->error().message == "no channel 'ops/webhok'; did you mean 'ops/webhook'?");

  world.wire.silent["b"] = true;
  test("ops/b");
  CHECK_FALSE(result);
  world.run(minutes(2));
  REQUIRE(result);
}

TEST_CASE("stop starts nothing more, and nothing is left over") {
  World world;
  world.start();
  world.notifier->stop();
  world.add(message(1));
  world.run(minutes(5));
  CHECK(world.wire.sent.empty());
  CHECK(world.executor.pending() == 0);
}

TEST_CASE("a long jam of one channel does not hide the rows behind it") {
  World world;
  world.wire.answers["webhook"] = {Verdict::Retry, "HTTP 503", {}, false};
  ChannelSettings jammed = webhook_settings();
  jammed.rate = {0.1, 1, 0};
  for (std::uint64_t i = 1; i <= 1500; ++i) world.add(message(i, "T-" + std::to_string(i)));
  world.add(message(1, "T-1", "b"));
  world.start(notify_settings({jammed, webhook_settings("b")}));
  world.run(minutes(2));
  CHECK(world.wire.log().find("b T-1#1") != std::string::npos);
}

}  // namespace
}  // namespace tocsin::notify
