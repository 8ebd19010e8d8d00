#include "alertd/api/server_handlers.h"

#include <boost/json.hpp>

#include "alertd/api/json.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

// The Prometheus whose query API and language this is. Grafana chooses its requests by it (label
// look-ups with match[] since 2.24, for one); without it it would take us for the oldest.
constexpr const char* kSpoken = "3.0.0";

}  // namespace

void ServerHandlers::build_info(ApiCall call) const {
  call.respond(success(json::object{{"application", "tocsin-alertd"},
                                    {"applicationVersion", TOCSIN_VERSION},
                                    {"version", kSpoken},
                                    {"revision", clean(status_.status().revision)},
                                    {"branch", ""},
                                    {"buildUser", ""},
                                    {"buildDate", ""},
                                    {"goVersion", ""}}));
}

void ServerHandlers::runtime_info(ApiCall call) const {
  const StatusInfo status = status_.status();
  const ServerInfo server = status_.server();
  call.respond(success(json::object{{"startTime", base::format_rfc3339(status.started_at)},
                                    {"serverTime", base::format_rfc3339(clock_.wall())},
                                    {"reloadConfigSuccess", server.reload_ok},
                                    {"lastConfigTime", base::format_rfc3339(status.started_at)},
                                    {"corruptionCount", 0},
                                    {"storageRetention", server.retention}}));
}

void ServerHandlers::config(ApiCall call) const {
  runner_.run(runner_.patience(call.request), std::move(call.respond),
              [this](const QueryRunner::Cancelled&) {
                return success(json::object{{"yaml", clean(status_.config_text())}});
              });
}

void ServerHandlers::flags(ApiCall call) const {
  json::object flags;
  for (const auto& [name, value] : status_.server().flags) flags[name] = clean(value);
  call.respond(success(flags));
}

void ServerHandlers::alertmanagers(ApiCall call) const {
  json::array active;
  const std::string url = status_.server().external_url;
  if (!url.empty()) active.push_back(json::object{{"url", clean(url + "/api/v2/alerts")}});
  call.respond(success(json::object{{"activeAlertmanagers", std::move(active)},
                                    {"droppedAlertmanagers", json::array{}}}));
}

}  // namespace tocsin::api
