// From the recorded start of an attempt to the channel's slot.
//
// While a channel works, more messages are begun than it has slots: one commit records the starts
// of many, and a slot that becomes free is used at once. Critical ones overtake. What has begun and
// must not go after all - the channel fails, asks for a pause, was configured anew, a newer message
// is there - is called back: it waits again, as if the attempt had not been begun, whose number the
// next one takes.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "alertd/notify/superseding.h"

namespace tocsin::notify {

// For Critical what it overtakes does not count.
bool Notifier::may_begin_another(const ChannelState& channel, bool critical) const {
  const auto overtaken =
      critical ? std::partition_point(channel.begun.begin(), channel.begun.end(),
                                      [](const DeliveryPtr& each) { return each->critical(); })
               : channel.begun.end();
  const auto before = static_cast<std::size_t>(overtaken - channel.begun.begin());
  const std::size_t ahead = store_down_since_ ? 0 : channel.ahead_max();
  return channel.starting + before + channel.in_flight < channel.slots(critical) + ahead;
}

// Its start is recorded, or it goes without.
void Notifier::has_begun(const DeliveryPtr& delivery) {
  ChannelState& channel = *delivery->used;
  --channel.starting;
  delivery->phase = Phase::Begun;
  const auto place = std::upper_bound(
      channel.begun.begin(), channel.begun.end(), delivery,
      [](const DeliveryPtr& a, const DeliveryPtr& b) { return a->severity() > b->severity(); });
  channel.begun.insert(place, delivery);
  send_begun(delivery->used);
}

// Those whose turn it is, and back with those that must not go.
void Notifier::send_begun(const std::shared_ptr<ChannelState>& channel) {
  while (!channel->begun.empty()) {
    const DeliveryPtr next = channel->begun.front();
    if (const std::string why = why_not(*next); !why.empty()) {
      call_back(next, why);
      continue;
    }
    if (channel->in_flight >= channel->slots(next->critical())) return;
    channel->begun.pop_front();
    ++channel->in_flight;
    next->phase = Phase::Sending;
    ++next->attempt;
    read_receipts(next,
                  [this, next](std::vector<Receipt> receipts) { send(next, std::move(receipts)); });
  }
}

// Returns why what has begun is not to be sent; empty: it is.
std::string Notifier::why_not(const Delivery& delivery) const {
  if (!running_) return "sending has stopped";
  const ChannelState& channel = *delivery.used;
  if (channel.replaced) return "the channel was configured anew";
  if (!channel.breaker.closed() && !delivery.probe) {
    return fmt::format("the channel fails: {}", channel.last_error);
  }
  if (channel.paused_until > world_.executor.clock().monotonic()) {
    return "the channel asked for a pause";
  }
  if (sent_a_newer_one(delivery)) return std::string(kOvertaken);
  return {};
}

void Notifier::call_back(const DeliveryPtr& delivery, const std::string& why) {
  const ChannelState& channel = *delivery->used;
  const base::Clock& clock = world_.executor.clock();
  const base::MonotonicTime now = clock.monotonic();
  give_back(*delivery);
  delivery->due = std::max(now, channel.paused_until);
  if (!channel.breaker.closed() && delivery->urgent()) {
    fail_over(delivery, fmt::format("it fails: {}", channel.last_error));
  }
  // Of an attempt whose end is unknown the store must not think that it was not sent, and what went
  // without the store is unknown to it.
  if (delivery->outcome_unknown || std::exchange(delivery->unrecorded, false)) {
    delivery->phase = Phase::Waiting;
    queue_.changed(delivery);
    return;
  }
  incident::AttemptResult result;
  result.row_id = delivery->row_id;
  result.attempt = delivery->attempt + 1;
  result.next_due = clock.wall() + std::chrono::duration_cast<base::Duration>(delivery->due - now);
  result.finished_at = clock.wall();
  result.text = "not sent: " + why;
  delivery->phase = Phase::Recording;
  recording_->finished.push_back({delivery, std::move(result)});
  recording_->pressing = true;
}

// A newer message of the incident is there: what has begun need not go any more.
void Notifier::call_back_replaced(const Delivery& newer) {
  if (newer.alone()) return;
  const DeliveryPtr first = queue_.lane_of(newer).front();
  if (first->phase != Phase::Begun || first->outcome_unknown || !may_replace(newer, *first)) return;
  call_back(first, fmt::format("message {} takes its place", newer.sequence));
}

// The attempt does not take place.
void Notifier::give_back(Delivery& delivery) {
  ChannelState& channel = *delivery.used;
  if (delivery.phase == Phase::Starting) --channel.starting;
  if (delivery.phase == Phase::Begun) {
    std::erase_if(channel.begun, [&](const DeliveryPtr& each) { return each.get() == &delivery; });
  }
  if (std::exchange(delivery.probe, false)) channel.breaker.abandoned();
}

}  // namespace tocsin::notify
