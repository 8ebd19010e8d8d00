// A message while it waits, and the order of those that wait.
#include "alertd/notify/delivery_queue.h"

#include <doctest/doctest.h>

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

}  // namespace
}  // namespace tocsin::notify
