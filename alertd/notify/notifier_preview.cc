// What a channel would say, with the real templates over a real message; nothing is sent.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "alertd/notify/template_check.h"
#include "common/base/log.h"

namespace tocsin::notify {
namespace {

using incident::Notification;

Preview render(const ChannelSettings& channel, const NotifySettings& notify,
               const base::Clock& clock, const Notification& message) {
  Preview preview;
  preview.of = fmt::format("{}, {}", message.incident.id, to_string(message.kind));
  preview.message = MessageWriter(channel, notify, clock).write(message, Escaping::None, true);
  return preview;
}

// The newest message to this channel, else the newest of the incident.
const Notification* newest(const incident::IncidentDetail& detail, const std::string& channel) {
  const Notification* found = nullptr;
  for (const incident::DeliveryRecord& one : detail.deliveries) {
    const Notification& message = one.row.notification;
    const bool here = channel_key(message) == channel;
    if (found == nullptr || here || channel_key(*found) != channel) found = &message;
  }
  return found;
}

}  // namespace

void Notifier::preview(PreviewQuery query, std::function<void(base::Result<Preview>)> done) {
  post([this, query = std::move(query), done = std::move(done)] {
    const auto channel = channels_.find(query.channel);
    if (channel == channels_.end()) {
      done(unknown_channel(query.channel));
      return;
    }
    ChannelSettings settings = channel->second->settings;
    if (!query.text.empty()) {
      const auto parsed = parse_message_template(query.text, settings_.definitions);
      if (!parsed) {
        done(parsed.error());
        return;
      }
      settings.templates.text = query.text;
    }
    if (!query.incident.empty()) {
      preview_incident(settings, query.incident, done);
      return;
    }
    incident::IncidentQuery latest;
    latest.limit = 1;
    world_.store.incidents(latest, world_.executor,
                           [this, alive = alive_, settings, done](
                               const base::Result<std::vector<incident::IncidentRecord>>& found) {
                             if (!*alive) return;
                             if (found && !found->empty()) {
                               preview_incident(settings, found->front().id, done);
                               return;
                             }
                             Preview sample =
                                 render(settings, settings_, world_.executor.clock(),
                                        sample_message(incident::NotificationKind::Firing));
                             sample.of = "a sample: there is no incident yet";
                             done(std::move(sample));
                           });
  });
}

void Notifier::preview_incident(const ChannelSettings& settings, const std::string& id,
                                const std::function<void(base::Result<Preview>)>& done) {
  world_.store.incident(id, world_.executor,
                        [this, alive = alive_, settings, id,
                         done](const base::Result<incident::IncidentDetail>& detail) {
                          if (!*alive) return;
                          if (!detail) {
                            done(detail.error());
                            return;
                          }
                          const Notification* message = newest(*detail, full_name(settings));
                          if (message == nullptr) {
                            done(base::error(base::ErrorCode::NotFound,
                                             fmt::format("no message about {} was made yet", id)));
                            return;
                          }
                          done(render(settings, settings_, world_.executor.clock(), *message));
                        });
}

// A commit fails and what it holds could not be sent for that; Critical and High do not wait. Their
// rows come later with the same keys and are then known here.
void Notifier::send_uncommitted(std::vector<Notification> messages) {
  post([this, messages = std::move(messages)] {
    if (!running_) return;
    for (const Notification& message : messages) {
      const auto channel = channels_.find(channel_key(message));
      const bool urgent = message.incident.severity >= model::Severity::High;
      if (!urgent || !message.firing() || channel == channels_.end() ||
          ahead_.size() >= kAheadMax || !ahead_.try_emplace(message.key).second) {
        continue;
      }
      base::log_error(kComponent, "{} {}: sent although it cannot be stored", channel->first,
                      message.incident.id);
      unrecorded_.increment();
      std::uint64_t& newest = told_ahead_[incident_in(channel->first, message.incident.id)];
      newest = std::max(newest, message.sequence);
      const std::shared_ptr<ChannelState> used = channel->second;
      used->channel->send(message, {message.key, false, {}},
                          [this, alive = alive_, key = message.key, used](const Outcome& outcome) {
                            if (!*alive) return;
                            const auto sent = ahead_.find(key);
                            if (sent == ahead_.end()) return;
                            if (outcome.verdict == Verdict::Delivered) {
                              sent->second = incident::DeliveryState::Delivered;
                            } else if (!outcome.unknown) {
                              ahead_.erase(sent);  // an ordinary message again
                            }
                          });
    }
  });
}

// Whether it went out while its commit failed: the row only has to say so now.
bool Notifier::was_sent_ahead(const DeliveryPtr& delivery) {
  if (ahead_.empty()) return false;
  const auto sent = ahead_.find(std::string(delivery->head().key));
  if (sent == ahead_.end()) return false;
  const std::optional<incident::DeliveryState> state = sent->second;
  ahead_.erase(sent);
  if (state) {
    settle(delivery, *state, "sent before it could be stored");
    return true;
  }
  delivery->outcome_unknown = true;
  return false;
}

/// Whether this one waited for the store while a newer one of its lane went out without it. What
/// may have reached the receiver is repeated all the same.
bool Notifier::sent_a_newer_one(const Delivery& delivery) const {
  if (told_ahead_.empty()) return false;
  const auto newest =
      told_ahead_.find(incident_in(delivery.channel_name, delivery.head().incident_id));
  return newest != told_ahead_.end() && delivery.sequence < newest->second &&
         !delivery.outcome_unknown;
}

/// Rows are read in order: with the one that went out without its row the store has caught up.
void Notifier::drop_overtaken(const Delivery& newer) {
  if (told_ahead_.empty()) return;
  const auto newest = told_ahead_.find(incident_in(newer.channel_name, newer.head().incident_id));
  if (newest == told_ahead_.end() || newer.sequence < newest->second) return;
  for (const DeliveryPtr& each : queue_.lane_of(newer)) {
    if (each->phase != Phase::Waiting || !sent_a_newer_one(*each)) continue;
    settle(each, incident::DeliveryState::Superseded, std::string(kOvertaken));
  }
  told_ahead_.erase(newest);
}

}  // namespace tocsin::notify
