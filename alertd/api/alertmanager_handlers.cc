#include "alertd/api/alertmanager_handlers.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/api/alertmanager_filter.h"
#include "alertd/api/alertmanager_json.h"
#include "alertd/api/json.h"
#include "common/base/strings.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

constexpr std::string_view kReceivedHelp = "Alerts posted to the Alertmanager API.";

/// Whether the body may be read as JSON; a form of another site could not say so.
bool is_json(const ApiCall& call) {
  const std::string type = base::to_lower(call.request.header("content-type"));
  if (type.starts_with("application/json")) return true;
  call.respond(alertmanager_invalid(
      415, 415,
      fmt::format("unsupported media type \"{}\", only [application/json] are allowed", type)));
  return false;
}

std::string join_errors(const std::vector<std::string>& errors) {
  return base::join(errors, "; ");
}

}  // namespace

AlertmanagerHandlers::AlertmanagerHandlers(AlertmanagerView& view, const base::Clock& clock,
                                           base::Metrics& metrics, Options options)
    : view_(view),
      clock_(clock),
      options_(std::move(options)),
      received_(metrics.counter("tocsin_alertd_posted_alerts_total", std::string(kReceivedHelp))),
      invalid_(metrics.counter("tocsin_alertd_posted_alerts_invalid_total",
                               "Posted alerts refused because they are wrong.")),
      refused_(metrics.counter("tocsin_alertd_posted_alerts_refused_total",
                               "Posted alerts refused because routing was busy.")) {}

std::vector<Route> AlertmanagerHandlers::routes(Access read, Access write) const {
  const auto to = [this](auto method) {
    return [this, method](ApiCall call) { (this->*method)(std::move(call)); };
  };
  using H = AlertmanagerHandlers;
  return {{"GET", "/api/v2/status", read, to(&H::status)},
          {"GET", "/api/v2/receivers", read, to(&H::receivers)},
          {"GET", "/api/v2/alerts", read, to(&H::alerts)},
          {"POST", "/api/v2/alerts", write, to(&H::post_alerts)},
          {"GET", "/api/v2/alerts/groups", read, to(&H::groups)},
          {"GET", "/api/v2/silences", read, to(&H::silences)},
          {"POST", "/api/v2/silences", write, to(&H::post_silence)},
          {"GET", "/api/v2/silence/<id>", read, to(&H::silence)},
          {"DELETE", "/api/v2/silence/<id>", write, to(&H::expire_silence)}};
}

void AlertmanagerHandlers::status(ApiCall call) const {
  const AlertmanagerCluster cluster = view_.cluster();
  std::string peers;
  for (const AlertmanagerPeer& peer : cluster.peers) {
    peers += fmt::format("{}{{\"address\":{},\"name\":{}}}", peers.empty() ? "" : ",",
                         net::json_string(peer.address), net::json_string(peer.name));
  }
  std::string name;
  if (!cluster.name.empty()) name = "\"name\":" + net::json_string(cluster.name) + ",";
  call.respond(alertmanager_ok(fmt::format(
      "{{\"cluster\":{{{}\"peers\":[{}],\"status\":{}}},\"config\":{{\"original\":{}}},"
      "\"uptime\":\"{}\",\"versionInfo\":{{\"branch\":\"\",\"buildDate\":\"\",\"buildUser\":\"\","
      "\"goVersion\":\"\",\"revision\":{},\"version\":\"{}\"}}}}",
      name, peers, net::json_string(cluster.status), net::json_string(view_.configuration()),
      api_time(options_.started_at), net::json_string(options_.revision), TOCSIN_VERSION)));
}

void AlertmanagerHandlers::receivers(ApiCall call) const {
  const auto filter = AlertFilter::read(call.request);
  if (!filter) return call.respond(alertmanager_failure(filter.error()));
  std::string out = "[";
  for (const std::string& name : view_.receivers()) {
    if (!filter->takes_receiver(name)) continue;
    out += (out.size() > 1 ? ",{\"name\":" : "{\"name\":") + net::json_string(name) + '}';
  }
  call.respond(alertmanager_ok(out + ']'));
}

void AlertmanagerHandlers::alerts(ApiCall call) const {
  auto filter = AlertFilter::read(call.request);
  if (!filter) return call.respond(alertmanager_failure(filter.error()));
  view_.snapshot([filter = std::move(*filter), now = clock_.wall(),
                  respond = std::move(call.respond)](auto snapshot) {
    std::vector<std::pair<std::uint64_t, const AlertmanagerAlert*>> shown;
    for (const AlertmanagerAlert& one : snapshot->alerts) {
      if (filter.takes(one, now) && filter.takes_any_receiver(one.receivers)) {
        shown.emplace_back(one.alert.fingerprint(), &one);
      }
    }
    std::sort(shown.begin(), shown.end());
    std::string out = "[";
    for (const auto& [fingerprint, one] : shown) {
      if (out.size() > 1) out += ',';
      append_alert(out, *one, one->receivers, nullptr);
    }
    respond(alertmanager_ok(out + ']'));
  });
}

void AlertmanagerHandlers::groups(ApiCall call) const {
  auto filter = AlertFilter::read(call.request);
  if (!filter) return call.respond(alertmanager_failure(filter.error()));
  view_.snapshot([filter = std::move(*filter), now = clock_.wall(),
                  respond = std::move(call.respond)](auto snapshot) {
    std::string out = "[";
    for (const AlertmanagerGroup& group : snapshot->groups) {
      if (!filter.takes_receiver(group.receiver)) continue;
      if (!filter.muted() && !group.muted_by.empty()) continue;
      std::string members;
      for (const std::size_t index : group.alerts) {
        const AlertmanagerAlert& one = snapshot->alerts[index];
        if (!filter.takes(one, now)) continue;
        if (!members.empty()) members += ',';
        append_alert(members, one, one.receivers, &group.muted_by);
      }
      if (members.empty()) continue;
      if (out.size() > 1) out += ',';
      out += "{\"alerts\":[" + members + "],\"labels\":" + labels_text(group.labels);
      out += ",\"receiver\":{\"name\":" + net::json_string(group.receiver) + '}';
      if (!group.route_labels.empty()) out += ",\"routeLabels\":" + labels_text(group.route_labels);
      out += '}';
    }
    respond(alertmanager_ok(out + ']'));
  });
}

void AlertmanagerHandlers::post_alerts(ApiCall call) const {
  if (!is_json(call)) return;
  IngestOptions options;
  options.now = clock_.wall();
  options.resolve_timeout = view_.resolve_timeout();
  options.severity_default = options_.severity_default;
  options.limits = options_.limits;
  auto posted = parse_posted_alerts(call.request.body, options);
  if (!posted) return call.respond(alertmanager_invalid(400, 400, posted.error().message));
  const auto count = static_cast<double>(posted->alerts.size());
  received_.increment(count);
  invalid_.increment(static_cast<double>(posted->errors.size()));
  // What is good is kept, whatever the rest is.
  if (!posted->alerts.empty() && !view_.post(std::move(posted->alerts))) {
    refused_.increment(count);
    auto response = alertmanager_error(503, "routing is busy; post the alerts again");
    response.headers.emplace_back("Retry-After", "1");
    return call.respond(std::move(response));
  }
  if (!posted->errors.empty()) {
    return call.respond(alertmanager_error(400, join_errors(posted->errors)));
  }
  net::ServerResponse response;
  call.respond(std::move(response));
}

void AlertmanagerHandlers::silences(ApiCall call) const {
  auto filter = SilenceFilter::read(call.request);
  if (!filter) return call.respond(alertmanager_failure(filter.error()));
  view_.silences([filter = std::move(*filter), respond = std::move(call.respond)](auto silences) {
    if (!silences) return respond(alertmanager_failure(silences.error()));
    sort_silences(*silences);
    std::string out = "[";
    for (const AlertmanagerSilence& one : *silences) {
      if (!filter.takes(one)) continue;
      if (out.size() > 1) out += ',';
      append_silence(out, one);
    }
    respond(alertmanager_ok(out + ']'));
  });
}

void AlertmanagerHandlers::silence(ApiCall call) const {
  view_.silence(call.path.front(), [respond = std::move(call.respond)](auto silence) {
    if (!silence) return respond(alertmanager_failure(silence.error()));
    std::string out;
    append_silence(out, *silence);
    respond(alertmanager_ok(std::move(out)));
  });
}

void AlertmanagerHandlers::post_silence(ApiCall call) const {
  if (!is_json(call)) return;
  auto silence = parse_silence(call.request.body);
  if (!silence) {
    const bool syntax = silence.error().message.starts_with("parsing");
    return call.respond(syntax ? alertmanager_invalid(400, 400, silence.error().message)
                               : alertmanager_invalid(422, 602, silence.error().message));
  }
  view_.set_silence(std::move(*silence), call.source,
                    [respond = std::move(call.respond)](base::Result<std::string> id) {
                      if (!id) return respond(alertmanager_failure(id.error()));
                      respond(alertmanager_ok("{\"silenceID\":" + net::json_string(*id) + '}'));
                    });
}

void AlertmanagerHandlers::expire_silence(ApiCall call) const {
  view_.expire_silence(call.path.front(), call.source,
                       [respond = std::move(call.respond)](base::Result<void> done) {
                         if (!done) return respond(alertmanager_failure(done.error()));
                         respond(net::ServerResponse{});
                       });
}

}  // namespace tocsin::api
