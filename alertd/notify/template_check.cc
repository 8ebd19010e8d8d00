#include "alertd/notify/template_check.h"

#include "alertd/notify/message.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;

// 2026-01-05T10:00:00Z
constexpr base::WallTime kSampleTime = base::wall_time(1'767'607'200'000);

incident::NotifiedAlert sample_alert(const char* host, bool firing) {
  model::Alert alert;
  alert.labels = model::Labels{{"alertname", "DiskFull"}, {"host", host}, {"severity", "high"}};
  alert.annotations = model::Labels{{"summary", "/ is 97 % full"}};
  alert.severity = model::Severity::High;
  alert.starts_at = kSampleTime - std::chrono::minutes(10);
  if (!firing) alert.ends_at = kSampleTime;
  alert.valid_until = kSampleTime + std::chrono::minutes(5);
  alert.updated_at = kSampleTime;
  alert.value = 97.5;
  alert.generator_url = "https://tocsin.example.org/graph";
  alert.rule_source = "disk.toml:12";
  return {std::move(alert), firing};
}

}  // namespace

Notification sample_message(NotificationKind kind) {
  const bool firing = kind != NotificationKind::Resolved;
  Notification message;
  message.key = "00000000000000000000000000000000";
  message.kind = kind;
  message.incident.id = "T-1";
  message.incident.title = "DiskFull";
  message.incident.severity = message.incident.peak_severity = model::Severity::High;
  message.incident.state =
      firing ? incident::IncidentState::Open : incident::IncidentState::Resolved;
  message.incident.opened_at = kSampleTime - std::chrono::minutes(10);
  message.incident.url_path = "/incidents/T-1";
  message.sequence = 1;
  message.created_at = kSampleTime;
  message.receiver = "receiver";
  message.channel = "channel";
  message.route = "root";
  message.group_key = "{}:{alertname=\"DiskFull\"}";
  message.thread_key = "T-1";
  message.group_labels = model::Labels{{"alertname", "DiskFull"}};
  message.common_labels = model::Labels{{"alertname", "DiskFull"}, {"severity", "high"}};
  message.common_annotations = {{"summary", "/ is 97 % full"}};
  message.alerts = {sample_alert("db1", firing), sample_alert("db2", firing)};
  return message;
}

base::Result<void> check_message_template(std::string_view text,
                                          const std::vector<std::string>& definitions) {
  TC_TRY(const auto parsed, parse_message_template(text, definitions));
  for (const NotificationKind kind : {NotificationKind::Firing, NotificationKind::Resolved}) {
    const auto data =
        message_data(sample_message(kind), "https://tocsin.example.org", Escaping::None);
    TC_TRY(parsed.execute(data, {}, gotemplate::MissingKey::Zero));
  }
  return base::ok();
}

}  // namespace tocsin::notify
