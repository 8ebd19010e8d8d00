#include "alertd/incident/notification_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::incident {
namespace {

using Strings = std::map<std::string, std::string>;

Strings to_map(const model::Labels& labels) {
  Strings map;
  for (const auto& label : labels) map.emplace(label.name, label.value);
  return map;
}

/// Returns what `part` of every alert agrees on.
template <class Part>
Strings common_part(const AlertSet& alerts, Part part) {
  std::optional<Strings> common;
  const auto narrow = [&](const model::Alert& alert) {
    const model::Labels& labels = part(alert);
    if (!common) {
      common = to_map(labels);
      return;
    }
    std::erase_if(*common, [&](const auto& each) { return labels.get(each.first) != each.second; });
  };
  std::for_each(alerts.firing.begin(), alerts.firing.end(), narrow);
  std::for_each(alerts.resolved.begin(), alerts.resolved.end(), narrow);
  return common.value_or(Strings());
}

const model::Labels& labels_of(const model::Alert& alert) {
  return alert.labels;
}
const model::Labels& annotations_of(const model::Alert& alert) {
  return alert.annotations;
}

void worst_first(std::vector<model::Alert>& alerts) {
  std::stable_sort(alerts.begin(), alerts.end(), [](const auto& a, const auto& b) {
    if (a.severity != b.severity) return a.severity > b.severity;
    if (a.starts_at != b.starts_at) return a.starts_at < b.starts_at;
    return a.labels < b.labels;
  });
}

IncidentSummary summarize(const Incident& incident) {
  IncidentSummary summary;
  summary.id = incident.id();
  summary.title = incident.title;
  summary.severity = incident.severity;
  summary.peak_severity = incident.peak_severity;
  summary.state = incident.state;
  summary.opened_at = incident.opened_at;
  summary.reopened = incident.reopened;
  summary.url_path = "/incidents/" + incident.id();
  summary.resolved_by = incident.resolved_by;
  summary.comment = incident.comment;
  if (incident.acknowledgement) {
    summary.acknowledged_by = incident.acknowledgement->by;
    summary.comment = incident.acknowledgement->comment;
  }
  return summary;
}

}  // namespace

std::string make_title(const AlertSet& alerts, const model::Labels& group_labels) {
  const Strings annotations = common_part(alerts, annotations_of);
  if (const auto summary = annotations.find("summary"); summary != annotations.end()) {
    return summary->second;
  }
  const Strings labels = common_part(alerts, labels_of);
  const auto name = labels.find(std::string(model::kAlertName));
  std::string title = name != labels.end() ? name->second : "Several alerts";
  std::string details;
  for (const auto& label : group_labels) {
    if (label.name == model::kAlertName || label.name == "severity") continue;
    details += fmt::format("{}{}={}", details.empty() ? "" : ", ", label.name, label.value);
  }
  return details.empty() ? title : fmt::format("{} ({})", title, details);
}

std::string rule_origin(const AlertSet& alerts) {
  const Strings annotations = common_part(alerts, annotations_of);
  const auto of = [&](const char* name) {
    const auto found = annotations.find(name);
    return found == annotations.end() ? std::string() : found->second;
  };
  const std::string commit = of("rule_commit");
  if (commit.empty()) return {};
  return fmt::format(" (rule of commit {} by {}: {})", commit.substr(0, 10), of("rule_author"),
                     of("rule_subject"));
}

Notification make_notification(const Incident& incident, NotificationKind kind, Reason reason,
                               AlertSet alerts, std::size_t alerts_max) {
  Notification notification;
  notification.incident = summarize(incident);
  notification.kind = kind;
  notification.reason = reason;
  notification.sequence = incident.notifications;
  notification.created_at = incident.updated_at;
  notification.receiver = incident.receiver;
  notification.route = incident.route;
  notification.group_key = incident.group_key;
  notification.thread_key =
      base::sha256_hex(fmt::format("{}\n{}\n{}", incident.group_key, incident.id(),
                                   base::to_ms(incident.opened_at)))
          .substr(0, 16);
  notification.group_labels = incident.group_labels;
  model::LabelsBuilder common;
  for (const auto& [name, value] : common_part(alerts, labels_of)) common.set(name, value);
  notification.common_labels = common.build();
  notification.common_annotations = common_part(alerts, annotations_of);
  worst_first(alerts.firing);
  worst_first(alerts.resolved);
  const auto put = [&](std::vector<model::Alert>& from, bool firing) {
    for (model::Alert& alert : from) {
      if (notification.alerts.size() == alerts_max) {
        ++notification.truncated_alerts;
      } else {
        notification.alerts.push_back({std::move(alert), firing});
      }
    }
  };
  put(alerts.firing, true);
  put(alerts.resolved, false);
  return notification;
}

NotifiedAlert digest_line(const Incident& incident) {
  NotifiedAlert line;
  model::LabelsBuilder labels(incident.group_labels);
  labels.set(model::kAlertName, incident.title);
  labels.set("incident", incident.id());
  line.alert.labels = labels.build();
  line.alert.severity = incident.peak_severity;
  line.alert.starts_at = line.alert.updated_at = incident.opened_at;
  line.alert.ends_at = incident.resolved_at;
  line.firing = !incident.resolved();
  return line;
}

}  // namespace tocsin::incident
