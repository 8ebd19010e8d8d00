#include "alertd/notify/pager_channels.h"
#include "common/base/hash.h"

namespace tocsin::notify {

model::Severity page_severity(const incident::Notification& notification) {
  const bool over = notification.kind == incident::NotificationKind::Resolved;
  return over ? notification.incident.peak_severity : notification.incident.severity;
}

std::string incident_key(const incident::Notification& notification, bool by_group) {
  if (notification.kind == incident::NotificationKind::Test) return "test-" + notification.key;
  if (by_group) return base::sha256_hex(notification.group_key);
  return notification.incident.id;
}

}  // namespace tocsin::notify
