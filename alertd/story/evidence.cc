#include "alertd/story/evidence.h"

#include <algorithm>

#include "alertd/incident/record_codec.h"

namespace tocsin::story {

using incident::AttemptRecord;
using incident::DeliveryState;

const AttemptRecord* Delivery::last_answer() const {
  for (auto attempt = record.attempts.rbegin(); attempt != record.attempts.rend(); ++attempt) {
    if (attempt->finished_at) return &*attempt;
  }
  return nullptr;
}

std::optional<Delivery> as_of(const incident::DeliveryRecord& record, base::WallTime at,
                              const std::string& fingerprint) {
  const incident::Notification& message = record.row.notification;
  if (message.created_at > at) return std::nullopt;
  Delivery delivery{record, false, false};
  if (fingerprint.empty()) delivery.names_alert = message.firing();
  for (const incident::NotifiedAlert& each : message.alerts) {
    if (incident::alert_key(each.alert.fingerprint()) != fingerprint) continue;
    delivery.names_alert = each.firing && message.kind != incident::NotificationKind::Resolved;
    delivery.ends_alert = !each.firing;
  }
  auto& attempts = delivery.record.attempts;
  const bool cut = std::any_of(attempts.begin(), attempts.end(), [at](const AttemptRecord& each) {
    return each.started_at > at || (each.finished_at && *each.finished_at > at);
  });
  if (!cut) return delivery;
  std::erase_if(attempts, [at](const AttemptRecord& each) { return each.started_at > at; });
  // What came later is not known then.
  delivery.record.row.state = DeliveryState::Pending;
  delivery.record.row.note.clear();
  for (AttemptRecord& each : attempts) {
    if (!each.finished_at || *each.finished_at <= at) continue;
    each.finished_at.reset();
    each.outcome.clear();
    each.text.clear();
  }
  return delivery;
}

}  // namespace tocsin::story
