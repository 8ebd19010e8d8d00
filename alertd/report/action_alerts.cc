#include "alertd/report/action_alerts.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/report/redact.h"

namespace tocsin::report {

std::vector<model::Alert> overdue_alerts(const incident::Reviews& reviews, model::Severity severity,
                                         base::WallTime now, base::Duration valid) {
  std::vector<model::Alert> alerts;
  for (const auto& [number, review] : reviews) {
    for (const incident::ActionItem& item : review->actions) {
      if (!item.overdue(now)) continue;
      const std::string id = incident::action_id(number, item.number);
      model::Alert alert;
      model::LabelsBuilder labels;
      labels.set(model::kAlertName, "ActionItemOverdue");
      labels.set("action", id);
      labels.set("incident", incident::Incident::incident_id(number));
      labels.set("owner", item.owner);
      labels.set("severity", std::string(model::to_string(severity)));
      alert.labels = labels.build();
      model::LabelsBuilder annotations;
      annotations.set(
          "summary", fmt::format("action item {} of {} is overdue since {}: {}", id,
                                 item.owner.empty() ? "nobody" : item.owner,
                                 base::format_rfc3339(*item.due).substr(0, 10), redact(item.text)));
      alert.annotations = annotations.build();
      alert.severity = severity;
      alert.starts_at = *item.due;
      alert.updated_at = now;
      alert.valid_until = now + valid;
      alerts.push_back(std::move(alert));
    }
  }
  return alerts;
}

std::optional<base::WallTime> next_overdue(const incident::Reviews& reviews, base::WallTime now) {
  std::optional<base::WallTime> next;
  for (const auto& [number, review] : reviews) {
    for (const incident::ActionItem& item : review->actions) {
      if (!item.due || item.done_at || *item.due <= now) continue;
      next = std::min(next.value_or(*item.due), *item.due);
    }
  }
  return next;
}

}  // namespace tocsin::report
