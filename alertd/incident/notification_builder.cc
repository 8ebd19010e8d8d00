#include "alertd/incident/notification_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::incident {
namespace {

using Alerts = std::vector<model::Alert>;
using Part = model::Labels model::Alert::*;

/// Returns what that part of every alert agrees on; of one alert all of it, which they share.
model::Labels common_part(const AlertSet& alerts, Part part) {
  if (alerts.firing.size() + alerts.resolved.size() == 1) {
    return (alerts.firing.empty() ? alerts.resolved : alerts.firing).front().*part;
  }
  const model::Labels* first = nullptr;
  std::vector<model::LabelView> common;
  for (const Alerts* list : {&alerts.firing, &alerts.resolved}) {
    for (const model::Alert& alert : *list) {
      const model::Labels& labels = alert.*part;
      if (!first) {
        first = &labels;
        common.assign(labels.begin(), labels.end());
        continue;
      }
      std::erase_if(common, [&](const auto& each) { return labels.get(each.name) != each.value; });
    }
  }
  return model::Labels::from_sorted(common);
}

/// Returns the value of that name if it is the same for all alerts, else "".
std::string_view common_value(const Alerts& alerts, Part part, std::string_view name) {
  if (alerts.empty()) return {};
  const std::string_view value = (alerts.front().*part).get(name);
  const bool same = std::all_of(alerts.begin(), alerts.end(), [&](const model::Alert& alert) {
    return (alert.*part).get(name) == value;
  });
  return same ? value : std::string_view();
}

void worst_first(std::vector<model::Alert>& alerts) {
  if (alerts.size() < 2) return;
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
  summary.url_path = "/incidents/" + summary.id;
  summary.resolved_by = incident.resolved_by;
  summary.comment = incident.comment;
  if (incident.acknowledgement) {
    summary.acknowledged_by = incident.acknowledgement->by;
    summary.comment = incident.acknowledgement->comment;
  }
  return summary;
}

}  // namespace

std::string make_title(const Alerts& firing, const model::Labels& group_labels) {
  const std::string_view summary = common_value(firing, &model::Alert::annotations, "summary");
  if (!summary.empty()) return std::string(summary);
  const std::string_view name = common_value(firing, &model::Alert::labels, model::kAlertName);
  std::string title(name.empty() ? "Several alerts" : name);
  std::string details;
  for (const auto& label : group_labels) {
    if (label.name == model::kAlertName || label.name == "severity") continue;
    details += fmt::format("{}{}={}", details.empty() ? "" : ", ", label.name, label.value);
  }
  return details.empty() ? title : fmt::format("{} ({})", title, details);
}

std::string rule_origin(const Alerts& firing) {
  const auto of = [&](std::string_view name) {
    return common_value(firing, &model::Alert::annotations, name);
  };
  const std::string_view commit = of("rule_commit");
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
  std::string thread(incident.group_key);
  thread.append("\n").append(notification.incident.id).append("\n");
  thread.append(std::to_string(base::to_ms(incident.opened_at)));
  notification.thread_key = base::sha256_hex(thread).substr(0, 16);
  notification.group_labels = incident.group_labels;
  notification.common_labels = common_part(alerts, &model::Alert::labels);
  for (const auto& [name, value] : common_part(alerts, &model::Alert::annotations)) {
    notification.common_annotations.emplace(name, value);
  }
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
