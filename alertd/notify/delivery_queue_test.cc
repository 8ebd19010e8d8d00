// A message while it waits, and the order of those that wait.
#include "alertd/notify/delivery_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "alertd/notify/test_support.h"

namespace tocsin::notify {
namespace {

incident::WaitingRow row_of(std::int64_t id, std::string incident, model::Severity severity,
                            std::uint32_t attempts = 0) {
  incident::OutboxRow row;
  row.id = id;
  row.notification = sample_notification();
  row.notification.incident.id = std::move(incident);
  row.notification.incident.severity = severity;
  row.attempts = attempts;
  return incident::waiting_row(row);
}

TEST_CASE("a message is the one that came, however often it is packed") {
  const std::string channel = "ops/webhook";
  incident::Notification notification = sample_notification();
  notification.incident.id = "T-7";
  notification.incident.severity = model::Severity::High;
  const std::string before = to_json(notification);
  Delivery delivery(row_of(7, "T-7", model::Severity::High, 2), channel);
  for (int i = 0; i < 2; ++i) {
    delivery.pack();
    delivery.pack();
    CHECK(delivery.urgent());
    CHECK_FALSE(delivery.critical());
    CHECK(delivery.head().incident_id == "T-7");
    CHECK(to_json(delivery.message()) == before);
  }
  CHECK(delivery.row_id == 7);
  CHECK(delivery.failures == 2);
}

TEST_CASE(
    "packed or not, the worst goes first, then the oldest; an incident's own keep their order") {
  DeliveryQueue queue;
  const base::MonotonicTime now{};
  const std::vector<DeliveryPtr> all{
      queue.add(row_of(1, "T-1", model::Severity::Low), now, now),
      queue.add(row_of(3, "T-3", model::Severity::High), now, now),
      queue.add(row_of(2, "T-2", model::Severity::High), now, now),
      queue.add(row_of(4, "T-1", model::Severity::Critical), now, now),
      queue.add(row_of(5, "T-5", model::Severity::Critical), now, now),
  };
  CHECK(queue.add(row_of(5, "T-5", model::Severity::Critical), now, now) == nullptr);
  for (const DeliveryPtr& each : all) {
    each->pack();
    queue.changed(each);
  }
  REQUIRE(queue.channels().size() == 1);
  ChannelQueue& channel = queue.channels().begin()->second;
  std::vector<std::int64_t> order;
  for (channel.advance(now); const DeliveryPtr head = channel.front(); channel.advance(now)) {
    order.push_back(head->row_id);
    queue.remove(head);
  }
  CHECK(order == std::vector<std::int64_t>{5, 2, 3, 1, 4});
  CHECK(queue.size() == 0);
}

TEST_CASE("whatever comes, goes and waits: each lane's oldest row is listed, and no other") {
  const base::MonotonicTime start{};
  std::mt19937 random(5);
  DeliveryQueue queue;
  std::map<std::int64_t, DeliveryPtr> all;
  base::MonotonicTime now = start;
  std::int64_t next_row = 1;
  for (int step = 0; step < 4'000; ++step) {
    now += base::Duration{1};
    const auto what = random() % 8;
    if (what < 3 || all.empty()) {
      // Also rows that are older than those here, as after a claim that another daemon gave back.
      const std::int64_t id = random() % 4 == 0 ? next_row - 3 : next_row;
      next_row = std::max(next_row, id) + 1;
      const auto severity = static_cast<model::Severity>(random() % 4);
      const base::MonotonicTime due = now + base::Duration{random() % 3 * 10};
      const DeliveryPtr added =
          queue.add(row_of(id, "T-" + std::to_string(random() % 9), severity), now, due);
      CHECK((added == nullptr) == all.contains(id));
      if (added) all[id] = added;
    } else {
      const auto chosen =
          std::next(all.begin(), static_cast<std::ptrdiff_t>(random() % all.size()));
      const DeliveryPtr delivery = chosen->second;
      if (what < 6) {
        queue.remove(delivery);
        all.erase(chosen);
        CHECK(queue.lane_of(*delivery).empty());
      } else {
        delivery->phase = what == 6 ? Phase::Sending : Phase::Waiting;
        delivery->due = now + base::Duration{random() % 20};
        queue.changed(delivery);
      }
    }
    if (step % 1'000 == 999) {
      queue.clear();
      all.clear();
    }
    CHECK(queue.size() == all.size());
    if (queue.channels().empty()) continue;
    ChannelQueue& channel = queue.channels().begin()->second;
    channel.advance(now);
    std::map<std::string, DeliveryPtr> oldest;
    for (const auto& [id, delivery] : all) {
      const DeliveryPtr& first =
          oldest.try_emplace(std::string(delivery->head().incident_id), delivery).first->second;
      CHECK(queue.lane_of(*delivery).front() == first);
    }
    std::size_t waiting = 0;
    std::vector<DeliveryPtr> ready;
    for (const auto& [incident, delivery] : oldest) {
      if (delivery->phase != Phase::Waiting) continue;
      ++waiting;
      if (delivery->due <= now) ready.push_back(delivery);
    }
    std::sort(ready.begin(), ready.end(), [](const DeliveryPtr& a, const DeliveryPtr& b) {
      if (a->severity() != b->severity()) return a->severity() > b->severity();
      return a->row_id < b->row_id;
    });
    CHECK(channel.ready() == ready);
    CHECK(channel.waiting_count() == waiting);
  }
}

TEST_CASE("messages without an incident, and copies for another channel, have lanes of their own") {
  DeliveryQueue queue;
  std::vector<DeliveryPtr> all;
  const auto add = [&](std::string incident, std::string key, std::string copy_of) {
    incident::OutboxRow row;
    row.id = static_cast<std::int64_t>(all.size()) + 1;
    row.notification = sample_notification();
    row.notification.incident.id = std::move(incident);
    row.notification.key = std::move(key);
    row.notification.failover_for = std::move(copy_of);
    all.push_back(queue.add(incident::waiting_row(row), {}, {}));
  };
  add("T-1", "a", "");
  add("T-1", "b", "ops/pager");
  add("", "c", "");
  add("", "d", "");
  for (const DeliveryPtr& each : all) CHECK(each->alone());
  add("T-1", "e", "ops/pager");
  CHECK(all[0]->alone());
  CHECK(queue.lane_of(*all[4]) == std::vector<DeliveryPtr>{all[1], all[4]});
  add("", "d", "");
  CHECK(queue.lane_of(*all[3]).size() == 2);
}

}  // namespace
}  // namespace tocsin::notify
