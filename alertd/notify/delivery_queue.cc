#include "alertd/notify/delivery_queue.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/check.h"

namespace tocsin::notify {
namespace {

// Copies for a failed channel keep their own order: they tell of another channel's messages.
std::string lane_key(const incident::NotificationHead& message) {
  std::string key(message.incident_id.empty() ? message.key : message.incident_id);
  if (!message.failover_for.empty()) key.append("\n").append(message.failover_for);
  return key;
}

}  // namespace

std::string channel_key(const incident::Notification& notification) {
  return notification.receiver + "/" + notification.channel;
}

Delivery::Delivery(incident::WaitingRow row, const std::string& channel)
    : row_id(row.id),
      kind(row.head.kind),
      sequence(row.head.sequence),
      outcome_unknown(row.outcome_unknown),
      channel_name(channel),
      attempt(row.attempts),
      since(row.head.created_at),
      failures(row.outcome_unknown ? 0 : row.attempts),
      opens(kind == incident::NotificationKind::Firing ||
            kind == incident::NotificationKind::Reopened),
      severity_(row.head.severity),
      bytes_(std::move(row.message)) {}

incident::NotificationHead Delivery::head() const {
  const auto head = incident::head_from_bytes(bytes_);
  TC_CHECK(head.has_value(), "a message whose head was read before");
  return *head;
}

const incident::Notification& Delivery::message() const {
  if (!message_) {
    auto read = incident::notification_from_bytes(bytes_);
    TC_CHECK(read.has_value(), "a message whose head was read before");
    message_ = std::make_unique<incident::Notification>(std::move(*read));
  }
  return *message_;
}

Lane& ChannelQueue::lane_of(const incident::NotificationHead& message) {
  const auto [found, fresh] = lanes_.try_emplace(lane_key(message));
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

ChannelQueue& DeliveryQueue::channel_of(const incident::NotificationHead& message) {
  std::string name = fmt::format("{}/{}", message.receiver, message.channel);
  const auto channel = channels_.find(name);
  if (channel != channels_.end()) return channel->second;
  return channels_.try_emplace(name, name).first->second;
}

DeliveryPtr DeliveryQueue::add(incident::WaitingRow row, base::MonotonicTime now,
                               base::MonotonicTime due) {
  auto [known, fresh] = rows_.try_emplace(row.id);
  if (!fresh) return nullptr;
  ChannelQueue& channel = channel_of(row.head);
  Lane& lane = channel.lane_of(row.head);
  auto delivery = std::make_shared<Delivery>(std::move(row), channel.name());
  known->second = delivery;
  delivery->seen = now;
  delivery->due = due;
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
  for (auto& [name, channel] : channels_) {
    channel.ready_.clear();
    channel.later_.clear();
    channel.lanes_.clear();
  }
}

}  // namespace tocsin::notify
