// When the straight way is closed: failover channels, dead letters, and one summary for a storm.
//
// A copy has a key of its own, made from the original's and the channel it goes to, so it is made
// once however often the original fails. Whoever got a copy also gets what ends the incident.

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "alertd/notify/notifier_state.h"
#include "alertd/notify/storm_summary.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kSummaryMin = 5;        ///< Fewer are told one by one.
constexpr std::size_t kDetouredMax = 20'000;  ///< Incidents remembered as told elsewhere.
constexpr base::Duration kSelfAlertLasts = std::chrono::minutes(30);

std::string derived_key(const Notification& message, const std::string& channel_name) {
  return base::sha256_hex(fmt::format("copy of {} to {}", message.key, channel_name)).substr(0, 32);
}

bool about_itself(const Notification& message) {
  return message.common_labels.get(model::kAlertName) == kSelfAlertName;
}

bool told_to_end(NotificationKind kind) {
  return kind == NotificationKind::Resolved || kind == NotificationKind::Acknowledged;
}

}  // namespace

void Notifier::copy_to(const Notification& message, const std::string& channel_name,
                       std::string note) {
  const std::size_t slash = channel_name.find('/');
  Notification copy = message;
  copy.receiver = channel_name.substr(0, slash);
  copy.channel = slash == std::string::npos ? "" : channel_name.substr(slash + 1);
  copy.failover_for = channel_key(message);
  copy.note = std::move(note);
  copy.key = derived_key(message, channel_name);
  copy.created_at = world_.executor.clock().wall();
  failed_over_.increment();
  recording_->outbox.push_back(std::move(copy));
}

// Critical and High do not wait until a channel is back.
void Notifier::fail_over_waiting(ChannelState& channel, const ChannelQueue& queue) {
  if (channel.settings.delivery.failover.empty()) return;
  for (const DeliveryPtr& delivery : queue.urgent()) {
    fail_over(delivery, fmt::format("it fails: {}", channel.last_error));
    delivery->pack();
  }
}

void Notifier::fail_over(const DeliveryPtr& delivery, const std::string& why) {
  const auto channel = channels_.find(delivery->channel_name);
  if (delivery->failed_over || channel == channels_.end() ||
      delivery->kind == NotificationKind::Test || delivery->words_only()) {
    return;
  }
  const std::string& target = channel->second->settings.delivery.failover;
  if (target.empty() || !delivery->head().failover_for.empty()) return;
  const Notification& message = delivery->message();
  delivery->failed_over = true;
  if (detoured_.size() >= kDetouredMax) detoured_.erase(detoured_.begin());
  std::uint32_t& heard_of = detoured_[incident_in(delivery->channel_name, message.incident.id)];
  // Whoever knows the incident as over, or not at all in this life, need not hear who looks at it.
  if (message.kind == NotificationKind::Acknowledged && message.incident.reopened > heard_of) {
    return;
  }
  Notification told = message;
  // The message that the incident came back may have been replaced by this one before it went
  // anywhere: whoever gets the copy knows the incident as over.
  if (message.kind == NotificationKind::Update && message.incident.reopened > heard_of) {
    told.kind = NotificationKind::Reopened;
  }
  if (!told_to_end(message.kind)) heard_of = message.incident.reopened;
  base::log_warning(kComponent, "{} {}: a copy goes to {}: {}", delivery->channel_name,
                    message.incident.id, target, why);
  copy_to(told, target, fmt::format("instead of {}: {}", delivery->channel_name, why));
}

// What ends an incident also goes to whoever got its beginning in this channel's place.
void Notifier::follow_failover(const DeliveryPtr& delivery) {
  if (!told_to_end(delivery->kind)) return;
  const auto channel = channels_.find(delivery->channel_name);
  if (channel == channels_.end() || channel->second->settings.delivery.failover.empty()) return;
  const incident::NotificationHead message = delivery->head();
  if (!message.failover_for.empty()) return;
  const std::string why = "it got the messages before";
  if (detoured_.contains(incident_in(delivery->channel_name, message.incident_id))) {
    fail_over(delivery, why);
    return;
  }
  // Older than this process: what it sent where is in the store.
  if (message.sequence <= 1 || message.opened_at >= started_at_) return;
  world_.store.incident(
      std::string(message.incident_id), world_.executor,
      [this, alive = alive_, delivery, why](const base::Result<incident::IncidentDetail>& detail) {
        if (!*alive || !detail) return;
        for (const incident::DeliveryRecord& one : detail->deliveries) {
          if (one.row.notification.failover_for != delivery->channel_name) continue;
          fail_over(delivery, why);
          flush();
          return;
        }
      });
}

void Notifier::dead_letter(const Delivery& delivery, const std::string& why) {
  const Notification& message = delivery.message();
  if (message.kind == NotificationKind::Test && !is_proof(delivery)) return;  // who asked knows
  if (about_itself(message)) {
    // An alert about this alert would go the same way.
    to_fallback(message, fmt::format("{} does not deliver: {}", delivery.channel_name, why));
  } else {
    raise_self_alert(delivery, why);
  }
}

void Notifier::raise_self_alert(const Delivery& delivery, const std::string& why) {
  if (self_alerts_ == nullptr) return;
  const Notification& message = delivery.message();
  const base::WallTime now = world_.executor.clock().wall();
  model::Alert alert;
  alert.severity = delivery.critical() ? model::Severity::Critical : model::Severity::High;
  alert.labels = model::LabelsBuilder()
                     .set(std::string(model::kAlertName), std::string(kSelfAlertName))
                     .set("severity", std::string(model::to_string(alert.severity)))
                     .set("receiver", message.receiver)
                     .set("channel", message.channel)
                     .set("job", "tocsin-alertd")
                     .set("host", world_.host_name)
                     .set("instance", world_.host_name)
                     .build();
  alert.annotations =
      model::LabelsBuilder()
          .set("summary",
               fmt::format("{}: {} could not be delivered: {}", delivery.channel_name,
                           message.incident.id.empty() ? std::string(to_string(message.kind))
                                                       : "a message about " + message.incident.id,
                           why))
          .set(
              "description",
              "Whoever should have got it may know nothing. tocsin channels shows how the channels "
              "are doing; the incident's timeline shows each attempt.")
          .build();
  alert.starts_at = now;
  alert.updated_at = now;
  alert.valid_until = now + kSelfAlertLasts;
  std::vector<model::Alert> alerts;
  alerts.push_back(std::move(alert));
  self_alerts_->post(std::move(alerts));
}

void Notifier::to_fallback(const Notification& message, const std::string& why) {
  bool told = false;
  for (const auto& [name, channel] : channels_) {
    if (channel->settings.receiver != settings_.delivery.fallback) continue;
    if (name == channel_key(message)) continue;
    if (!message.failover_for.empty()) continue;  // the fallback itself failed
    told = true;
    copy_to(message, name, "fallback: " + why);
  }
  if (told) return;
  base::log_error(kComponent, "NOBODY CAN BE TOLD that messages fail: {}; {}", why,
                  settings_.delivery.fallback.empty() ? "[notify] fallback is not set"
                                                      : "the fallback receiver fails too");
}

// What waits for the rate would take too long one by one: one message tells of all, and each is
// recorded as told by it. Critical ones are never among them. Returns whether it did so.
bool Notifier::summarize(ChannelState& channel, const ChannelQueue& queue) {
  const DeliverySettings& delivery_settings = channel.settings.delivery;
  const auto patience = channel.bucket.rate_in(delivery_settings.summary_after);
  if (!delivery_settings.summary || !channel.channel->takes_summary() ||
      queue.ready_count() < kSummaryMin || static_cast<double>(queue.ready_count()) < patience) {
    return false;
  }
  std::vector<DeliveryPtr> told;
  for (const DeliveryPtr& delivery : queue.ready()) {
    const bool fits = delivery->kind != NotificationKind::Test &&
                      delivery->kind != NotificationKind::Acknowledged && !delivery->words_only();
    if (fits && !delivery->critical() && delivery->alone() && !delivery->outcome_unknown) {
      told.push_back(delivery);
    }
  }
  // Only something new makes another summary of a summary that waits.
  const auto single = std::count_if(told.begin(), told.end(), [](const DeliveryPtr& one) {
    return one->kind != NotificationKind::Summary;
  });
  if (static_cast<std::size_t>(single) < kSummaryMin) return false;
  Notification summary = make_summary(told, world_.executor.clock().wall());
  summary.note = fmt::format("more messages than this channel's rate of {:g} a minute lets through",
                             channel.settings.rate.per_minute);
  base::log_warning(kComponent, "{}: {}, told by one message", queue.name(),
                    summary.incident.title);
  const std::string why = fmt::format("told by a summary: {}", summary.incident.title);
  for (const DeliveryPtr& delivery : told)
    settle(delivery, incident::DeliveryState::Superseded, why);
  summarized_.increment(static_cast<double>(single));
  recording_->outbox.push_back(std::move(summary));
  return true;
}

}  // namespace tocsin::notify
