#include "alertd/notify/delivery_queue.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::notify {
namespace {

// Of one incident, or, without one, of one message. Copies for a failed channel keep their own
// order: they tell of another channel's messages.
std::string_view subject(const incident::NotificationHead& message) {
  return message.incident_id.empty() ? message.key : message.incident_id;
}

std::uint64_t lane_hash(const incident::NotificationHead& message) {
  return base::hash64(message.failover_for, base::hash64(subject(message)));
}

bool same_lane(const incident::NotificationHead& a, const incident::NotificationHead& b) {
  return subject(a) == subject(b) && a.failover_for == b.failover_for;
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

void ChannelQueue::take_in(Delivery& delivery, const incident::NotificationHead& message) {
  delivery.queue_ = this;
  delivery.lane_hash_ = lane_hash(message);
  Delivery* const newest = newest_.find(
      delivery.lane_hash_, [&](const Delivery* each) { return same_lane(each->head(), message); });
  Delivery* older = newest;
  Delivery* newer = nullptr;
  for (; older && older->row_id > delivery.row_id; older = older->older_) newer = older;
  delivery.older_ = older;
  delivery.newer_ = newer;
  if (older) older->newer_ = &delivery;
  if (newer) {
    newer->older_ = &delivery;
    unlist(*newer);
  } else {
    newest_.put(delivery.lane_hash_, &delivery,
                [&](const Delivery* each) { return each == newest; });
  }
  list(delivery);
}

void ChannelQueue::take_out(Delivery& delivery) {
  unlist(delivery);
  Delivery* const older = std::exchange(delivery.older_, nullptr);
  Delivery* const newer = std::exchange(delivery.newer_, nullptr);
  const auto is_it = [&](const Delivery* each) { return each == &delivery; };
  if (older) older->newer_ = newer;
  if (newer) {
    newer->older_ = older;
    list(*newer);
  } else if (older) {
    newest_.put(delivery.lane_hash_, older, is_it);
  } else {
    newest_.erase(delivery.lane_hash_, is_it);
  }
  delivery.queue_ = nullptr;
}

// Only a lane's oldest row may go.
void ChannelQueue::list(Delivery& delivery) {
  unlist(delivery);
  if (delivery.phase != Phase::Waiting || delivery.older_) return;
  if (delivery.due <= now_) {
    ready_.emplace_hint(ready_.end(), Place(delivery), &delivery);
    delivery.listed_ = Delivery::Listed::Ready;
  } else {
    later_.emplace(std::pair(delivery.due, delivery.row_id), &delivery);
    delivery.listed_ = Delivery::Listed::Later;
    delivery.listed_due_ = delivery.due;
  }
}

void ChannelQueue::unlist(Delivery& delivery) {
  const auto listed = std::exchange(delivery.listed_, Delivery::Listed::No);
  if (listed == Delivery::Listed::Ready) ready_.erase(Place(delivery));
  if (listed == Delivery::Listed::Later) later_.erase({delivery.listed_due_, delivery.row_id});
}

void ChannelQueue::clear() {
  newest_.clear();
  ready_.clear();
  later_.clear();
}

void ChannelQueue::advance(base::MonotonicTime now) {
  now_ = std::max(now_, now);
  while (!later_.empty() && later_.begin()->first.first <= now) list(*later_.begin()->second);
}

void ChannelQueue::release_all(base::MonotonicTime now) {
  now_ = std::max(now_, now);
  while (!later_.empty()) {
    Delivery& delivery = *later_.begin()->second;
    delivery.due = now;
    list(delivery);
  }
}

DeliveryPtr ChannelQueue::best() const {
  Delivery* found = ready_.empty() ? nullptr : ready_.begin()->second;
  for (const auto& [due, delivery] : later_) {
    if (!found || Place(*delivery) < Place(*found)) found = delivery;
  }
  return found ? shared(found) : nullptr;
}

std::vector<DeliveryPtr> ChannelQueue::ready() const {
  std::vector<DeliveryPtr> all;
  all.reserve(ready_.size());
  for (const auto& [place, delivery] : ready_) all.push_back(shared(delivery));
  return all;
}

std::vector<DeliveryPtr> ChannelQueue::urgent() const {
  std::vector<DeliveryPtr> found;
  for (const auto& [place, delivery] : ready_) {
    if (!delivery->urgent()) break;
    found.push_back(shared(delivery));
  }
  for (const auto& [due, delivery] : later_) {
    if (delivery->urgent()) found.push_back(shared(delivery));
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return Place(*a) < Place(*b); });
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
  const incident::NotificationHead message = row.head;
  ChannelQueue& channel = channel_of(message);
  auto delivery = std::make_shared<Delivery>(std::move(row), channel.name());
  known->second = delivery;
  delivery->seen = now;
  delivery->due = due;
  channel.now_ = std::max(channel.now_, now);
  channel.take_in(*delivery, message);
  return delivery;
}

void DeliveryQueue::changed(const DeliveryPtr& delivery) {
  if (delivery->queue_) delivery->queue_->list(*delivery);
}

void DeliveryQueue::remove(const DeliveryPtr& delivery) {
  if (!delivery->queue_) return;  // after clear() the same row may have been read anew
  delivery->queue_->take_out(*delivery);
  rows_.erase(delivery->row_id);
}

std::vector<DeliveryPtr> DeliveryQueue::lane_of(const Delivery& delivery) const {
  std::vector<DeliveryPtr> rows;
  if (!delivery.queue_) return rows;
  const Delivery* each = &delivery;
  while (each->older_) each = each->older_;
  for (; each; each = each->newer_) rows.push_back(rows_.at(each->row_id));
  return rows;
}

void DeliveryQueue::remove_waiting() {
  std::vector<DeliveryPtr> waiting;
  for (const auto& [id, delivery] : rows_) {
    if (delivery->phase == Phase::Waiting) waiting.push_back(delivery);
  }
  for (const DeliveryPtr& delivery : waiting) remove(delivery);
}

void DeliveryQueue::clear() {
  for (auto& [name, channel] : channels_) channel.clear();
  for (auto& [id, delivery] : rows_) {
    delivery->queue_ = nullptr;
    delivery->older_ = delivery->newer_ = nullptr;
    delivery->listed_ = Delivery::Listed::No;
  }
  rows_.clear();
}

}  // namespace tocsin::notify
