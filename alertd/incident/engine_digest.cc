// Digests: one message a day with all that happened to incidents whose policy says so.
//
// Such an incident tells nobody by itself. What it did is told at the digest's hour to those whom
// the policy's step names then: open ones and those that are over meanwhile. One that is told of
// and goes on quietly is not told of again; its end is in the digest after it.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"

namespace tocsin::incident {

/// Returns the line of a digest, or of a hand-over, about one incident.
bool Engine::in_digest(const Incident& incident) const {
  return incident.escalation && incident.escalation->policy.digest.has_value();
}

void Engine::put_into_digest(Incident& incident) {
  changed_.insert(incident.number);
  const bool waits = incident.digest_at.has_value();
  if (!waits) incident.digest_at = next_digest(incident.escalation->policy, now_);
  decided(incident, Reason::Digest, false);
  if (waits) return;
  add_event(incident, now_, "digest", "",
            "told with the digest of " + base::format_rfc3339(*incident.digest_at),
            result_.change.events);
}

void Engine::send_digests() {
  std::map<std::pair<std::string, Address>, std::vector<Incident*>> digests;
  for (const std::int64_t number : looks_.seen()) {
    Incident* found = incidents_.find(number);
    if (!found) continue;
    Incident& incident = *found;
    if (!incident.digest_at || *incident.digest_at > now_) continue;
    incident.digest_at.reset();
    changed_.insert(number);
    if (!in_digest(incident)) continue;
    const Policy& policy = incident.escalation->policy;
    PolicyStep step = policy.steps.front();
    step.hours.clear();  // the digest's hour is the hour
    Recipients recipients =
        resolve(step, policy, {settings_.directory, settings_.receivers, incident.receiver, now_});
    if (addresses_.in_order(recipients.now).empty()) recipients.now = route_addresses(incident);
    for (const Address& address : recipients.now) {
      digests[{policy.name, address}].push_back(&incident);
    }
    if (recipients.now.empty()) decided(incident, Reason::NoChannel, false);
  }
  for (const auto& [key, incidents] : digests) send_digest(key.first, key.second, incidents);
}

void Engine::send_digest(const std::string& policy, const Address& address,
                         const std::vector<Incident*>& incidents) {
  Notification message;
  message.incident.severity = model::Severity::Low;
  std::size_t over = 0;
  for (Incident* incident : incidents) {
    if (incident->resolved()) ++over;
    message.incident.severity = std::max(message.incident.severity, incident->severity);
    const std::string text = fmt::format("digest to {} ({})", address.receiver, address.channel);
    write_down(*incident, Reason::Digest, true, text);
    add_event(*incident, now_, "notified", "", text, result_.change.events);
    if (message.alerts.size() < settings_.alerts_per_notification) {
      message.alerts.push_back(digest_line(*incident));
    } else {
      ++message.truncated_alerts;
    }
  }
  std::stable_sort(message.alerts.begin(), message.alerts.end(),
                   [](const auto& a, const auto& b) { return a.firing && !b.firing; });
  message.incident.title = fmt::format("Digest '{}': {} incident{}, {} of them over", policy,
                                       incidents.size(), incidents.size() == 1 ? "" : "s", over);
  message.incident.peak_severity = message.incident.severity;
  message.incident.opened_at = now_;
  message.incident.url_path = "/incidents";
  message.kind = NotificationKind::Update;
  message.reason = Reason::Digest;
  message.sequence = static_cast<std::uint64_t>(base::to_ms(now_));
  message.created_at = now_;
  message.receiver = address.receiver;
  message.channel = address.channel;
  message.group_key = "digest:" + policy;
  message.thread_key = message.group_key;
  message.key = delivery_key(message.group_key, address.receiver, address.channel, message.kind,
                             message.sequence);
  decided(Reason::Digest, true);
  result_.change.outbox.push_back(std::move(message));
}

}  // namespace tocsin::incident
