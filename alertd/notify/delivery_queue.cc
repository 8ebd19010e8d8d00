#include "alertd/notify/delivery_queue.h"

#include <algorithm>

#include "common/base/check.h"

namespace tocsin::notify {
namespace {

// Copies for a failed channel keep their own order: they tell of another channel's messages.
std::string lane_key(const incident::Notification& notification) {
  const std::string& incident =
      notification.incident.id.empty() ? notification.key : notification.incident.id;
  if (notification.failover_for.empty()) return incident;
  return incident + '\n' + notification.failover_for;
}

}  // namespace

std::string channel_key(const incident::Notification& notification) {
  return notification.receiver + "/" + notification.channel;
}

Delivery::Delivery(incident::OutboxRow row)
    : row_id(row.id),
      outcome_unknown(row.outcome_unknown),
      channel_name(channel_key(row.notification)),
      attempt(row.attempts),
      since(row.notification.created_at),
      failures(row.outcome_unknown ? 0 : row.attempts),
      opens(row.notification.kind == incident::NotificationKind::Firing ||
            row.notification.kind == incident::NotificationKind::Reopened),
      severity_(row.notification.incident.severity),
      message_(std::make_unique<incident::Notification>(std::move(row.notification))) {}

incident::Notification& Delivery::unpacked() const {
  if (!message_) {
    auto read = incident::notification_from_bytes(packed_);
    TC_CHECK(read.has_value(), "a message that was packed here");
    message_ = std::make_unique<incident::Notification>(std::move(*read));
    packed_ = std::string();
  }
  return *message_;
}

void Delivery::pack() {
  if (!message_) return;
  std::string bytes;
  bytes.reserve(1024);
  incident::append_bytes(*message_, bytes);
  packed_ = std::string(bytes);  // no larger than it is
  message_.reset();
}

Lane& ChannelQueue::lane_of(const incident::Notification& notification) {
  const auto [found, fresh] = lanes_.try_emplace(lane_key(notification));
  Lane& lane = found->second;
  if (fresh) {
    lane.key = &found->first;
    lane.channel = this;
  }
  return lane;
}

void ChannelQueue::list(Lane& lane) {
  unlist(lane);
  const DeliveryPtr& head = lane.rows.front();
  if (head->phase != Phase::Waiting) return;
  // advance() moves it on if its time has come.
  later_.emplace(std::pair(head->due, head->row_id), head);
  lane.listed = head;
  lane.listed_ready = false;
  lane.listed_due = head->due;
}

void ChannelQueue::unlist(Lane& lane) {
  if (!lane.listed) return;
  if (lane.listed_ready) {
    ready_.erase(Entry(lane.listed));
  } else {
    later_.erase({lane.listed_due, lane.listed->row_id});
  }
  lane.listed.reset();
}

void ChannelQueue::advance(base::MonotonicTime now) {
  while (!later_.empty() && later_.begin()->first.first <= now) {
    DeliveryPtr delivery = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    delivery->lane->listed_ready = true;
    ready_.emplace(std::move(delivery));
  }
}

void ChannelQueue::release_all(base::MonotonicTime now) {
  for (auto& [key, delivery] : later_) {
    delivery->due = now;
    delivery->lane->listed_ready = true;
    ready_.emplace(delivery);
  }
  later_.clear();
}

DeliveryPtr ChannelQueue::best() const {
  DeliveryPtr found = front();
  for (const auto& [key, delivery] : later_) {
    if (!found || Entry(delivery) < Entry(found)) found = delivery;
  }
  return found;
}

std::vector<DeliveryPtr> ChannelQueue::ready() const {
  std::vector<DeliveryPtr> all;
  all.reserve(ready_.size());
  for (const Entry& entry : ready_) all.push_back(entry.delivery);
  return all;
}

std::vector<DeliveryPtr> ChannelQueue::urgent() const {
  std::vector<DeliveryPtr> found;
  for (const Entry& entry : ready_) {
    if (!entry.delivery->urgent()) break;
    found.push_back(entry.delivery);
  }
  for (const auto& [key, delivery] : later_) {
    if (delivery->urgent()) found.push_back(delivery);
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return Entry(a) < Entry(b); });
  return found;
}

std::optional<base::MonotonicTime> ChannelQueue::next_due() const {
  if (later_.empty()) return std::nullopt;
  return later_.begin()->first.first;
}

DeliveryPtr DeliveryQueue::add(incident::OutboxRow row, base::MonotonicTime now,
                               base::MonotonicTime due) {
  auto [known, fresh] = rows_.try_emplace(row.id);
  if (!fresh) return nullptr;
  auto delivery = std::make_shared<Delivery>(std::move(row));
  known->second = delivery;
  delivery->seen = now;
  delivery->due = due;

  auto channel = channels_.find(delivery->channel_name);
  if (channel == channels_.end()) {
    channel = channels_.emplace(delivery->channel_name, ChannelQueue(delivery->channel_name)).first;
  }
  Lane& lane = channel->second.lane_of(delivery->message());
  delivery->lane = &lane;
  const auto place = std::upper_bound(
      lane.rows.begin(), lane.rows.end(), delivery,
      [](const DeliveryPtr& a, const DeliveryPtr& b) { return a->row_id < b->row_id; });
  lane.rows.insert(place, delivery);
  lane.channel->list(lane);
  return delivery;
}

void DeliveryQueue::changed(const DeliveryPtr& delivery) {
  if (delivery->lane) delivery->lane->channel->list(*delivery->lane);
}

void DeliveryQueue::remove(const DeliveryPtr& delivery) {
  // After clear() the same row may have been read anew.
  const auto known = rows_.find(delivery->row_id);
  if (known != rows_.end() && known->second == delivery) rows_.erase(known);
  Lane* lane = std::exchange(delivery->lane, nullptr);
  if (lane == nullptr) return;
  lane->channel->unlist(*lane);
  std::erase(lane->rows, delivery);
  if (lane->rows.empty()) {
    lane->channel->lanes_.erase(lane->channel->lanes_.find(*lane->key));
  } else {
    lane->channel->list(*lane);
  }
}

void DeliveryQueue::remove_waiting() {
  std::vector<DeliveryPtr> waiting;
  for (const auto& [id, delivery] : rows_) {
    if (delivery->phase == Phase::Waiting) waiting.push_back(delivery);
  }
  for (const DeliveryPtr& delivery : waiting) remove(delivery);
}

void DeliveryQueue::clear() {
  for (auto& [id, delivery] : rows_) delivery->lane = nullptr;
  rows_.clear();
  channels_.clear();
}

}  // namespace tocsin::notify
