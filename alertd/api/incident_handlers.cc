#include "alertd/api/incident_handlers.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kCommentBytesMax = 4000;
constexpr base::Duration kHoldMax = std::chrono::hours(24 * 30);

json::value time_json(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::format_rfc3339(*time)) : json::value(nullptr);
}

json::object alert_json(const IncidentAlert& alert) {
  json::array suppressed;
  for (const std::string& reason : alert.suppressed_by) suppressed.emplace_back(clean(reason));
  return {{"labels", labels_json(alert.labels)},
          {"annotations", labels_json(alert.annotations)},
          {"firing", alert.firing},
          {"startsAt", base::format_rfc3339(alert.starts_at)},
          {"endsAt", time_json(alert.ends_at)},
          {"suppressedBy", std::move(suppressed)}};
}

json::object event_json(const IncidentEvent& event) {
  return {{"at", base::format_rfc3339(event.at)},
          {"kind", event.kind},
          {"actor", clean(event.actor)},
          {"text", clean(event.text)}};
}

json::object delivery_json(const IncidentDelivery& delivery) {
  return {{"receiver", clean(delivery.receiver)},
          {"channel", clean(delivery.channel)},
          {"kind", delivery.kind},
          {"state", delivery.state},
          {"attempts", delivery.attempts},
          {"reason", clean(delivery.reason)},
          {"detail", clean(delivery.detail)},
          {"createdAt", base::format_rfc3339(delivery.created_at)}};
}

json::object summary_json(const IncidentInfo& incident) {
  return {{"id", incident.id},
          {"title", clean(incident.title)},
          {"state", incident.state},
          {"severity", std::string(model::to_string(incident.severity))},
          {"peakSeverity", std::string(model::to_string(incident.peak_severity))},
          {"openedAt", base::format_rfc3339(incident.opened_at)},
          {"updatedAt", base::format_rfc3339(incident.updated_at)},
          {"resolvedAt", time_json(incident.resolved_at)},
          {"acknowledgedBy", clean(incident.acknowledged_by)},
          {"acknowledgedUntil", time_json(incident.acknowledged_until)},
          {"resolvedBy", clean(incident.resolved_by)},
          {"comment", clean(incident.comment)},
          {"labels", labels_json(incident.labels)},
          {"alertsFiring", incident.alerts_firing},
          {"escalation", clean(incident.escalation)},
          {"owner", clean(incident.owner)},
          {"snoozedUntil", time_json(incident.snoozed_until)},
          {"mergedInto", incident.merged_into},
          {"mitigatedAt", time_json(incident.mitigated_at)},
          {"reviewedAt", time_json(incident.reviewed_at)}};
}

json::object detail_json(const IncidentInfo& incident) {
  json::object object = summary_json(incident);
  json::array alerts;
  for (const IncidentAlert& alert : incident.alerts) alerts.push_back(alert_json(alert));
  json::array timeline;
  for (const IncidentEvent& event : incident.timeline) timeline.push_back(event_json(event));
  json::array deliveries;
  for (const IncidentDelivery& one : incident.deliveries) deliveries.push_back(delivery_json(one));
  object["alerts"] = std::move(alerts);
  object["timeline"] = std::move(timeline);
  object["deliveries"] = std::move(deliveries);
  return object;
}

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

base::Result<IncidentFilter> read_filter(const net::ServerRequest& request) {
  IncidentFilter filter;
  filter.state = request.parameter("state");
  constexpr std::array<std::string_view, 5> kStates{"", "open", "acknowledged", "resolved",
                                                    "unresolved"};
  if (std::find(kStates.begin(), kStates.end(), filter.state) == kStates.end()) {
    return bad("parameter 'state' is none of open, acknowledged, resolved, unresolved");
  }
  const std::string_view severity = request.parameter("severity");
  if (!severity.empty()) {
    filter.severity = model::parse_severity(severity);
    if (!filter.severity) {
      return bad("parameter 'severity' is none of critical, high, medium, low");
    }
  }
  filter.before = request.parameter("before");
  TC_TRY(const std::size_t limit, count_parameter(request, "limit"));
  if (limit > 1000) return bad(fmt::format("parameter 'limit' is {}, at most 1000", limit));
  if (limit > 0) filter.limit = limit;
  return filter;
}

base::Result<IncidentCommand> read_command(const ApiCall& call,
                                           const std::vector<std::string>& allowed) {
  TC_TRY(JsonBody body, json_body(call.request, allowed));
  if (!body.objects.empty()) {
    return bad(fmt::format("request body: '{}' must be a text", body.objects.begin()->first));
  }
  IncidentCommand command;
  command.id = call.path.front();
  command.by = body.texts["by"];
  command.comment = body.texts["comment"];
  command.source = call.source;
  if (base::trim(command.by).empty()) return bad("request body: 'by' is missing: who does this?");
  if (command.by.size() > kNameBytesMax) {
    return bad(
        fmt::format("request body: 'by' is {} bytes, limit {}", command.by.size(), kNameBytesMax));
  }
  if (command.comment.size() > kCommentBytesMax) {
    return bad(fmt::format("request body: 'comment' is {} bytes, limit {}", command.comment.size(),
                           kCommentBytesMax));
  }
  if (const std::string& text = body.texts["for"]; !text.empty()) {
    TC_TRY(const base::Duration hold, base::parse_duration(text));
    if (hold <= base::Duration{0} || hold > kHoldMax) {
      return bad(fmt::format("request body: 'for' is {}, at most {}", text,
                             base::format_duration(kHoldMax)));
    }
    command.hold = hold;
  }
  return command;
}

}  // namespace

Done<IncidentInfo> answer_with_incident(net::Respond respond) {
  return [respond = std::move(respond)](base::Result<IncidentInfo> incident) {
    respond(incident ? success(detail_json(*incident)) : failure(incident.error(), 400));
  };
}

void IncidentHandlers::list(ApiCall call) const {
  const auto filter = read_filter(call.request);
  if (!filter) {
    call.respond(failure(filter.error(), 400));
    return;
  }
  view_.list(*filter, [respond = std::move(call.respond)](
                          base::Result<std::vector<IncidentInfo>> incidents) {
    if (!incidents) {
      respond(failure(incidents.error(), 400));
      return;
    }
    json::array array;
    for (const IncidentInfo& incident : *incidents) array.push_back(summary_json(incident));
    respond(success(json::object{{"incidents", std::move(array)}}));
  });
}

void IncidentHandlers::find(ApiCall call) const {
  view_.find(call.path.front(), answer_with_incident(std::move(call.respond)));
}

void IncidentHandlers::acknowledge(ApiCall call) const {
  auto command = read_command(call, {"by", "comment", "for"});
  if (!command) {
    call.respond(failure(command.error(), 400));
    return;
  }
  commands_.acknowledge(std::move(*command), answer_with_incident(std::move(call.respond)));
}

void IncidentHandlers::resolve(ApiCall call) const {
  auto command = read_command(call, {"by", "comment"});
  if (!command) {
    call.respond(failure(command.error(), 400));
    return;
  }
  commands_.resolve(std::move(*command), answer_with_incident(std::move(call.respond)));
}

}  // namespace tocsin::api
