#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

std::string age_of(const json::value& object, std::string_view key, const Context& context) {
  const auto time = base::parse_rfc3339(text_of(object, key));
  return time ? age(*time, context.clock.wall()) : "";
}

void print_line(Context& context, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  context.out << fmt::format("{:<14}", fmt::format("{}:", name)) << printable(value) << '\n';
}

void print_detail(const json::value& incident, Context& context) {
  const std::string state = text_of(incident, "state");
  const std::string severity = text_of(incident, "severity");
  context.out << colored(printable(text_of(incident, "id")), Color::Bold, context.terminal) << "  "
              << colored(severity, color_of(severity), context.terminal) << "  "
              << colored(state, color_of(state), context.terminal) << "  "
              << printable(text_of(incident, "title")) << '\n';
  print_line(context, "opened", text_of(incident, "openedAt"));
  print_line(context, "acknowledged", text_of(incident, "acknowledgedBy"));
  print_line(context, "until", text_of(incident, "acknowledgedUntil"));
  print_line(context, "resolved", text_of(incident, "resolvedAt"));
  print_line(context, "resolved by", text_of(incident, "resolvedBy"));
  print_line(context, "comment", text_of(incident, "comment"));
  print_line(context, "escalation", text_of(incident, "escalation"));
  print_line(context, "owner", text_of(incident, "owner"));
  print_line(context, "snoozed until", text_of(incident, "snoozedUntil"));
  print_line(context, "part of", text_of(incident, "mergedInto"));
  print_line(context, "mitigated", text_of(incident, "mitigatedAt"));
  print_line(context, "reviewed", text_of(incident, "reviewedAt"));

  Table alerts({"ALERT", "STATE", "SINCE", "HELD BY"});
  for (const json::value& alert : array_of(incident, "alerts")) {
    const std::string alert_state = flag_of(alert, "firing") ? "firing" : "resolved";
    std::string held;
    for (const json::value& reason : array_of(alert, "suppressedBy")) {
      if (reason.is_string()) held += (held.empty() ? "" : ", ") + std::string(reason.get_string());
    }
    alerts.add({{series_text(object_of(alert, "labels"))},
                {alert_state, color_of(alert_state)},
                {text_of(alert, "startsAt")},
                {held}});
  }
  if (!alerts.empty()) context.out << '\n' << alerts.text(context.terminal);
  std::set<std::string> origins;
  for (const json::value& alert : array_of(incident, "alerts")) {
    const std::string origin = rule_origin(object_of(alert, "annotations"));
    if (!origin.empty()) origins.insert(origin);
  }
  Table changes({"RULE CHANGED"});
  for (const std::string& origin : origins) changes.add({{origin}});
  if (!changes.empty()) context.out << '\n' << changes.text(context.terminal);
  Table timeline({"TIME", "EVENT", "WHO", "WHAT"});
  for (const json::value& event : array_of(incident, "timeline")) {
    timeline.add({{text_of(event, "at")},
                  {text_of(event, "kind")},
                  {text_of(event, "actor")},
                  {text_of(event, "text")}});
  }
  if (!timeline.empty()) context.out << '\n' << timeline.text(context.terminal);
  Table deliveries({"CHANNEL", "KIND", "STATE", "TRIES", "REPLY"});
  for (const json::value& one : array_of(incident, "deliveries")) {
    const std::string delivery_state = text_of(one, "state");
    deliveries.add({{text_of(one, "channel")},
                    {text_of(one, "kind")},
                    {delivery_state, delivery_state == "dead" ? Color::Red : Color::None},
                    {fmt::format("{:.0f}", number_of(one, "attempts"))},
                    {text_of(one, "detail")}});
  }
  if (!deliveries.empty()) context.out << '\n' << deliveries.text(context.terminal);
}

std::string path_of(const std::string& id, std::string_view action) {
  return "/api/v1/incidents/" + net::percent_encode(incident_id(id)) + std::string(action);
}

/// Sends the command and says what became of the incident.
int change(Context& context, const ApiRequest& request) {
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value incident = parse_json(answer.data);
  std::string line = fmt::format("{} is {}", text_of(incident, "id"), text_of(incident, "state"));
  const std::string until = text_of(incident, "acknowledgedUntil");
  if (!until.empty()) line += " until " + until;
  context.out << printable(line) << '\n';
  return kOk;
}

}  // namespace

int run_incidents(const IncidentsOptions& options, Context& context) {
  ApiRequest request;
  ApiAnswer answer;
  if (!options.id.empty()) {
    request.path = path_of(options.id, "");
    if (ask(context, request, answer)) print_detail(parse_json(answer.data), context);
    return answer.exit_code;
  }
  request.path = "/api/v1/incidents";
  if (!options.all) request.query = {{"state", "unresolved"}};
  if (options.ids_only) context.output = OutputFormat::Table;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"ID", "SEVERITY", "STATE", "AGE", "ALERTS", "WHO", "TITLE"});
  for (const json::value& incident : array_of(data, "incidents")) {
    const std::string state = text_of(incident, "state");
    const std::string severity = text_of(incident, "severity");
    if (options.ids_only) context.out << printable(text_of(incident, "id")) << '\n';
    table.add({{text_of(incident, "id")},
               {severity, color_of(severity)},
               {state, color_of(state)},
               {age_of(incident, "openedAt", context)},
               {fmt::format("{:.0f}", number_of(incident, "alertsFiring"))},
               {text_of(incident, "acknowledgedBy")},
               {text_of(incident, "title")}});
  }
  if (options.ids_only) return kOk;
  if (table.empty()) {
    context.err << (options.all ? "no incidents\n"
                                : "no open incidents; --all shows resolved ones\n");
  } else {
    context.out << table.text(context.terminal);
  }
  return kOk;
}

int run_ack(const AckOptions& options, Context& context) {
  json::object body{{"by", options.by}};
  if (!options.message.empty()) body["comment"] = options.message;
  if (!options.hold.empty()) body["for"] = options.hold;
  return change(context, {"POST", path_of(options.id, "/ack"), {}, json::serialize(body)});
}

int run_resolve(const ResolveOptions& options, Context& context) {
  json::object body{{"by", options.by}};
  if (!options.message.empty()) body["comment"] = options.message;
  return change(context, {"POST", path_of(options.id, "/resolve"), {}, json::serialize(body)});
}

int run_incident_action(const IncidentActionOptions& options, Context& context) {
  json::object body{{"by", options.by}};
  const auto put = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  put("comment", options.message);
  put("for", options.hold);
  put("title", options.title);
  put("receiver", options.receiver);
  put("policy", options.policy);
  if (options.action == "merge") {
    put("into", incident_id(options.value));
  } else if (options.action == "owner") {
    put("owner", options.value);
  } else {
    put("severity", options.value);
  }
  json::object labels;
  for (const std::string& pair : options.labels) {
    const std::size_t equals = pair.find('=');
    labels[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!labels.empty()) body["labels"] = std::move(labels);
  const std::string path =
      options.action == "create" ? "/api/v1/incidents" : path_of(options.id, "/" + options.action);
  return change(context, {"POST", path, {}, json::serialize(body)});
}

}  // namespace tocsin::cli
