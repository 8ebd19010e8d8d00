// Webhooks: Alertmanager's version 4 payload, so that its receivers take ours.
//
// Beyond it: an "incident" object, Idempotency-Key (the same on every attempt), X-Tocsin-Timestamp
// and, if a secret is set, X-Tocsin-Signature over "timestamp.body": a receiver that checks both
// refuses forged and old messages.

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/channels.h"
#include "alertd/notify/http_outcome.h"
#include "alertd/notify/message.h"
#include "common/base/hash.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::Notification;

constexpr std::string_view kGoZeroTime = "0001-01-01T00:00:00Z";
constexpr std::size_t kAnswerBytesMax = 64 << 10;

json::object labels_object(const model::Labels& labels) {
  json::object object;
  for (const model::LabelView label : labels) object[label.name] = label.value;
  return object;
}

json::object alert_object(const incident::NotifiedAlert& one) {
  const model::Alert& alert = one.alert;
  json::object object;
  object["status"] = one.firing ? "firing" : "resolved";
  object["labels"] = labels_object(alert.labels);
  object["annotations"] = labels_object(alert.annotations);
  object["startsAt"] = base::format_rfc3339(alert.starts_at);
  object["endsAt"] = one.firing || !alert.ends_at ? std::string(kGoZeroTime)
                                                  : base::format_rfc3339(*alert.ends_at);
  object["generatorURL"] = alert.generator_url;
  object["fingerprint"] = fmt::format("{:016x}", alert.fingerprint());
  return object;
}

json::object incident_object(const Notification& notification, const std::string& external_url) {
  const incident::IncidentSummary& incident = notification.incident;
  json::object object;
  object["id"] = incident.id;
  object["title"] = incident.title;
  object["severity"] = model::to_string(incident.severity);
  object["peakSeverity"] = model::to_string(incident.peak_severity);
  object["state"] = to_string(incident.state);
  object["openedAt"] = base::format_rfc3339(incident.opened_at);
  object["url"] = incident_url(notification, external_url);
  object["acknowledgedBy"] = incident.acknowledged_by;
  object["resolvedBy"] = incident.resolved_by;
  object["comment"] = incident.comment;
  object["kind"] = to_string(notification.kind);
  object["sequence"] = notification.sequence;
  object["key"] = notification.key;
  return object;
}

class WebhookChannel final : public Channel {
 public:
  WebhookChannel(const ChannelSettings& settings, const NotifySettings& notify,
                 const ChannelWorld& world)
      : webhook_(std::get<WebhookSettings>(settings.kind)),
        timeout_(settings.timeout),
        external_url_(notify.external_url),
        executor_(world.executor),
        client_(world.http) {}

  void send(const Notification& notification, const DeliveryKey& key, SendDone done) override {
    const std::string timestamp = std::to_string(base::to_ms(executor_.clock().wall()) / 1000);
    net::HttpRequest request;
    request.method = "POST";
    request.url = webhook_.url;
    request.body = webhook_body(notification, external_url_, webhook_.alerts_max);
    request.headers = webhook_.headers;
    request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("Idempotency-Key", key.value);
    request.headers.emplace_back("X-Tocsin-Timestamp", timestamp);
    if (key.maybe_repeated) request.headers.emplace_back("X-Tocsin-Repeated", "maybe");
    if (!webhook_.secret.empty()) {
      request.headers.emplace_back("X-Tocsin-Signature",
                                   webhook_signature(webhook_.secret, timestamp, request.body));
    }
    request.bearer_token = webhook_.bearer_token;
    request.tls = webhook_.tls;
    request.timeout = timeout_;
    request.response_bytes_max = kAnswerBytesMax;
    client_.send(std::move(request), executor_,
                 [this, done = std::move(done)](const base::Result<net::HttpResponse>& response) {
                   done(http_outcome(response, executor_.clock().wall()));
                 });
  }

 private:
  WebhookSettings webhook_;
  base::Duration timeout_;
  std::string external_url_;
  base::Executor& executor_;
  net::HttpClient& client_;
};

}  // namespace

std::string webhook_body(const Notification& notification, const std::string& external_url,
                         std::size_t alerts_max) {
  const std::size_t count = alerts_max == 0 ? notification.alerts.size()
                                            : std::min(alerts_max, notification.alerts.size());
  json::array alerts;
  for (std::size_t i = 0; i < count; ++i) alerts.push_back(alert_object(notification.alerts[i]));
  json::object annotations;
  for (const auto& [name, value] : notification.common_annotations) annotations[name] = value;
  json::object body;
  body["version"] = "4";
  body["groupKey"] = notification.group_key;
  body["truncatedAlerts"] = notification.truncated_alerts + (notification.alerts.size() - count);
  body["status"] = notification.firing() ? "firing" : "resolved";
  body["receiver"] = notification.receiver;
  body["groupLabels"] = labels_object(notification.group_labels);
  body["commonLabels"] = labels_object(notification.common_labels);
  body["commonAnnotations"] = std::move(annotations);
  body["externalURL"] = external_url;
  body["notification_reason"] = describe(notification.reason);
  body["alerts"] = std::move(alerts);
  body["incident"] = incident_object(notification, external_url);
  return json::serialize(body);
}

std::string webhook_signature(const base::Secret& secret, std::string_view timestamp,
                              std::string_view body) {
  return "sha256=" + base::hmac_sha256_hex(secret.reveal(), fmt::format("{}.{}", timestamp, body));
}

std::unique_ptr<Channel> make_channel_of(const WebhookSettings&, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<WebhookChannel>(settings, notify, world);
}

}  // namespace tocsin::notify
