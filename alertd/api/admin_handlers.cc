#include "alertd/api/admin_handlers.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

json::object counts_json(const std::map<std::string, std::uint64_t>& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

json::object agent_json(const AgentInfo& agent) {
  return {{"name", clean(agent.name)},
          {"labels", labels_json(agent.labels)},
          {"createdAt", base::format_rfc3339(agent.created_at)},
          {"lastSeen", agent.last_seen ? json::value(base::format_rfc3339(*agent.last_seen))
                                       : json::value(nullptr)},
          {"version", clean(agent.version)},
          {"series", agent.series},
          {"seriesLimit", agent.series_max},
          {"seriesRefused", agent.series_refused},
          {"samples", agent.samples},
          {"samplesRefused", agent.samples_refused},
          {"limits", counts_json(agent.limits)},
          {"requestsLimited", counts_json(agent.requests_limited)}};
}

json::object numbers_json(const std::vector<std::pair<std::string, double>>& numbers) {
  json::object object;
  for (const auto& [name, value] : numbers) object[name] = value;
  return object;
}

bool is_agent_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

base::Result<AgentRequest> read_agent(const ApiCall& call) {
  TC_TRY(JsonBody body, json_body(call.request, {"name", "labels"}));
  if (body.texts.contains("labels"))
    return bad("request body: 'labels' must be an object of texts");
  AgentRequest request{body.texts["name"], {}, call.source};
  if (!is_agent_name(request.name)) {
    return bad("request body: 'name' must be 1 to 128 letters, digits, '-', '_' or '.'");
  }
  model::LabelsBuilder labels;
  for (const auto& [name, value] : body.objects["labels"]) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
      return bad(fmt::format("request body: label name '{}' is not allowed", clean(name)));
    }
    labels.set(name, value);
  }
  request.labels = labels.build();
  return request;
}

bool all_ok(const StatusInfo& status) {
  return status.ready && std::all_of(status.parts.begin(), status.parts.end(),
                                     [](const HealthPart& part) { return part.ok; });
}

}  // namespace

void AdminHandlers::list_agents(ApiCall call) const {
  parts_.agents.list(
      [respond = std::move(call.respond)](base::Result<std::vector<AgentInfo>> agents) {
        if (!agents) {
          respond(failure(agents.error(), 400));
          return;
        }
        json::array array;
        for (const AgentInfo& agent : *agents) array.push_back(agent_json(agent));
        respond(success(json::object{{"agents", std::move(array)}}));
      });
}

void AdminHandlers::add_agent(ApiCall call) const {
  auto request = read_agent(call);
  if (!request) {
    call.respond(failure(request.error(), 400));
    return;
  }
  parts_.agents.add(std::move(*request),
                    [respond = std::move(call.respond)](base::Result<EnrolledAgent> enrolled) {
                      if (!enrolled) {
                        respond(failure(enrolled.error(), 400));
                        return;
                      }
                      json::object object = agent_json(enrolled->agent);
                      object["token"] = enrolled->token.reveal();  // the only time it is shown
                      auto response = success(object);
                      response.status = 201;
                      respond(std::move(response));
                    });
}

void AdminHandlers::remove_agent(ApiCall call) const {
  const std::string name =
      call.path.empty() ? std::string(call.request.parameter("name")) : call.path.front();
  if (!is_agent_name(name)) {
    call.respond(bad_data("the name of the agent is missing or not a name"));
    return;
  }
  parts_.agents.remove(
      name, call.source, [respond = std::move(call.respond), name](base::Result<void> removed) {
        respond(removed ? success(json::object{{"removed", name}}) : failure(removed.error(), 400));
      });
}

void AdminHandlers::status(ApiCall call) const {
  const StatusInfo status = parts_.status.status();
  const base::Duration uptime =
      std::max(parts_.clock.wall() - status.started_at, base::Duration{0});
  json::array parts;
  for (const HealthPart& part : status.parts) {
    parts.push_back(
        json::object{{"name", clean(part.name)}, {"ok", part.ok}, {"detail", clean(part.detail)}});
  }
  call.respond(success(json::object{
      {"health", all_ok(status) ? "healthy" : "degraded"},
      {"ready", status.ready},
      {"build", json::object{{"version", TOCSIN_VERSION}, {"revision", clean(status.revision)}}},
      {"startedAt", base::format_rfc3339(status.started_at)},
      {"uptime", base::format_duration(uptime - uptime % std::chrono::seconds(1))},
      {"parts", std::move(parts)},
      {"store", numbers_json(status.store)},
      {"counts", numbers_json(status.counts)}}));
}

void AdminHandlers::send_test(ApiCall call) const {
  const std::string channel(call.request.parameter("channel"));
  if (channel.empty()) {
    call.respond(bad_data("parameter 'channel' is missing"));
    return;
  }
  parts_.test_sender.send_test(
      channel, call.source,
      [respond = std::move(call.respond), channel](base::Result<TestOutcome> outcome) {
        respond(outcome ? success(json::object{
                              {"channel", clean(channel)},
                              {"delivered", outcome->delivered},
                              {"detail", clean(outcome->detail)},
                              {"seconds", static_cast<double>(outcome->took.count()) / 1000.0}})
                        : failure(outcome.error(), 400));
      });
}

void AdminHandlers::metrics(ApiCall call) const {
  net::ServerResponse response = plain_text(200, parts_.metrics.text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  call.respond(std::move(response));
}

void AdminHandlers::healthy(ApiCall call) const {
  call.respond(plain_text(200, "healthy\n"));
}

void AdminHandlers::ready(ApiCall call) const {
  const bool ready = parts_.status.status().ready;
  call.respond(ready ? plain_text(200, "ready\n") : plain_text(503, "starting\n"));
}

void AdminHandlers::reload(ApiCall call) const {
  parts_.reloader.reload(call.source,
                         [respond = std::move(call.respond)](base::Result<ReloadOutcome> outcome) {
                           if (!outcome) {
                             respond(failure(outcome.error(), 400));
                             return;
                           }
                           json::array warnings;
                           for (const std::string& warning : outcome->warnings)
                             warnings.emplace_back(clean(warning));
                           respond(success(json::object{{"generation", outcome->generation},
                                                        {"rules", outcome->rules},
                                                        {"warnings", std::move(warnings)}}));
                         });
}

}  // namespace tocsin::api
