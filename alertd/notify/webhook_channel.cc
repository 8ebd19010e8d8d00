// Webhooks: Alertmanager's version 4 payload, so that its receivers take ours.
//
// Beyond it: an "incident" object, Idempotency-Key (the same on every attempt), X-Tocsin-Timestamp
// and, if a secret is set, X-Tocsin-Signature over "timestamp.body": a receiver that checks both
// refuses forged and old messages.
//
// A receiver may have a payload of its own: a template whose output must be JSON, else the built-in
// payload goes out. Templates in the URL fill its path and query; scheme and host are fixed.

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/notify/channel_reader.h"
#include "alertd/notify/channels.h"
#include "alertd/notify/http_channel.h"
#include "alertd/notify/http_outcome.h"
#include "alertd/notify/message.h"
#include "common/base/hash.h"
#include "common/base/json_text.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using base::JsonText;
using incident::Notification;

constexpr std::string_view kGoZeroTime = "0001-01-01T00:00:00Z";
constexpr std::size_t kAnswerBytesMax = 64 << 10;

void write_labels(JsonText& out, std::string_view name, const model::Labels& labels) {
  out.key(name).begin_object();
  for (const model::LabelView label : labels) out.field(label.name, label.value);
  out.end_object();
}

void write_alert(JsonText& out, const incident::NotifiedAlert& one) {
  const model::Alert& alert = one.alert;
  out.begin_object().field("status", one.firing ? "firing" : "resolved");
  write_labels(out, "labels", alert.labels);
  write_labels(out, "annotations", alert.annotations);
  out.field("startsAt", base::format_rfc3339(alert.starts_at));
  out.field("endsAt", one.firing || !alert.ends_at ? std::string(kGoZeroTime)
                                                   : base::format_rfc3339(*alert.ends_at));
  out.field("generatorURL", alert.generator_url);
  out.field("fingerprint", fmt::format("{:016x}", alert.fingerprint())).end_object();
}

void write_incident(JsonText& out, const Notification& notification,
                    const std::string& external_url) {
  const incident::IncidentSummary& incident = notification.incident;
  out.key("incident").begin_object();
  out.field("id", incident.id).field("title", incident.title);
  out.field("severity", model::to_string(incident.severity));
  out.field("peakSeverity", model::to_string(incident.peak_severity));
  out.field("state", to_string(incident.state));
  out.field("openedAt", base::format_rfc3339(incident.opened_at));
  out.field("url", incident_url(notification, external_url));
  out.field("ack_url", ack_url(notification, external_url));
  out.field("acknowledgedBy", incident.acknowledged_by);
  out.field("resolvedBy", incident.resolved_by).field("comment", incident.comment);
  out.field("kind", to_string(notification.kind)).field("sequence", notification.sequence);
  out.field("key", notification.key).text_field("text", notification.words);
  out.text_field("note", notification.note);
  out.text_field("failoverFor", notification.failover_for);
  if (notification.drill()) out.field("drill", true);
  out.end_object();
}

// Alertmanager's order: by job, by instance, then by the whole label sets.
bool label_sets_before(const model::Labels& a, const model::Labels& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  auto one = a.begin();
  auto two = b.begin();
  for (; one != a.end() && two != b.end(); ++one, ++two) {
    const model::LabelView left = *one;
    const model::LabelView right = *two;
    // The set that lacks the smaller name comes first.
    if (left.name != right.name) return right.name < left.name;
    if (left.value != right.value) return left.value < right.value;
  }
  return false;
}

bool alert_before(const incident::NotifiedAlert& a, const incident::NotifiedAlert& b) {
  for (const char* name : {"job", "instance"}) {
    const bool left = a.alert.labels.has(name);
    const bool right = b.alert.labels.has(name);
    if (left != right) return left;
    const std::string_view one = a.alert.labels.get(name);
    const std::string_view two = b.alert.labels.get(name);
    if (one != two) return one < two;
  }
  return label_sets_before(a.alert.labels, b.alert.labels);
}

bool is_json(const std::string& text) {
  boost::system::error_code bad;
  json::parse(text, bad);
  return !bad;
}

class WebhookChannel final : public Channel {
 public:
  WebhookChannel(const ChannelSettings& settings, const NotifySettings& notify,
                 const ChannelWorld& world)
      : webhook_(std::get<WebhookSettings>(settings.kind)),
        timeout_(settings.timeout),
        external_url_(notify.external_url),
        executor_(world.executor),
        client_(world.http),
        failures_(world.metrics, settings) {
    if (!settings.templates.fields.empty()) {
      writer_.emplace(settings, notify, world.executor.clock());
    }
  }

  void send(const Notification& notification, const DeliveryKey& key, SendDone done) override {
    const std::string timestamp = std::to_string(base::to_ms(executor_.clock().wall()) / 1000);
    net::HttpRequest request;
    request.method = "POST";
    request.url = webhook_.url;
    request.body =
        webhook_body(notification, external_url_, webhook_.alerts_max, webhook_.as_alertmanager);
    std::string note;
    if (writer_) {
      if (const auto filled = fill(notification, request, note); !filled) {
        Outcome outcome;
        outcome.verdict = Verdict::Permanent;
        outcome.reason = FailureReason::Refused;
        outcome.text = filled.error().message;
        executor_.post([outcome, done = std::move(done)] { done(outcome); });
        return;
      }
    }
    request.headers = webhook_.headers;
    if (!webhook_.user.empty()) {
      request.headers.emplace_back("Authorization",
                                   basic_auth(webhook_.user, webhook_.password.reveal()));
    }
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
                 [this, done = std::move(done),
                  note = std::move(note)](const base::Result<net::HttpResponse>& response) {
                   Outcome outcome = http_outcome(response, executor_.clock().wall());
                   if (!note.empty()) outcome.text += "; " + note;
                   done(std::move(outcome));
                 });
  }

  bool takes_summary() const override { return false; }

 private:
  // Puts in what templates give. A payload that fails leaves the built-in one; without its URL a
  // message cannot go.
  base::Result<void> fill(const Notification& notification, net::HttpRequest& request,
                          std::string& note) {
    Message message = writer_->write(notification, Escaping::None, false);
    note = std::move(message.template_failure);
    if (webhook_.url_template) {
      const std::string url = message.field("url", "");
      const std::string mistake = url_mistake(url);
      if (!mistake.empty() || fixed_part(url) != fixed_part(webhook_.url)) {
        return base::error(base::ErrorCode::InvalidArgument,
                           fmt::format("the URL's template failed: it {}",
                                       mistake.empty() ? "names another host" : mistake));
      }
      request.url = url;
    }
    if (message.fields.count("payload") > 0) {
      if (std::string payload = message.field("payload", ""); is_json(payload)) {
        request.body = std::move(payload);
      } else {
        note += note.empty() ? "" : "; ";
        note += "the payload's template did not give JSON: the built-in payload was sent";
      }
    }
    failures_.note(note);
    return base::ok();
  }

  // "https://host:port"
  static std::string_view fixed_part(std::string_view url) {
    const std::size_t host = url.find("://");
    return host == std::string_view::npos ? url : url.substr(0, url.find_first_of("/?#", host + 3));
  }

  WebhookSettings webhook_;
  base::Duration timeout_;
  std::string external_url_;
  base::Executor& executor_;
  net::HttpClient& client_;
  TemplateFailures failures_;
  std::optional<MessageWriter> writer_;  // if the receiver has templates
};

}  // namespace

std::string webhook_body(const Notification& notification, const std::string& external_url,
                         std::size_t alerts_max, bool as_alertmanager) {
  std::vector<incident::NotifiedAlert> sorted;
  if (as_alertmanager) {
    sorted = notification.alerts;
    std::stable_sort(sorted.begin(), sorted.end(), alert_before);
  }
  const std::vector<incident::NotifiedAlert>& list = as_alertmanager ? sorted : notification.alerts;
  const std::size_t count = alerts_max == 0 ? notification.alerts.size()
                                            : std::min(alerts_max, notification.alerts.size());
  std::string text;
  text.reserve(1024 + 512 * count);
  JsonText out(text);
  out.begin_object().field("version", "4").field("groupKey", notification.group_key);
  out.field("truncatedAlerts",
            notification.truncated_alerts + (notification.alerts.size() - count));
  out.field("status", notification.firing() ? "firing" : "resolved");
  out.field("receiver", notification.receiver);
  write_labels(out, "groupLabels", notification.group_labels);
  write_labels(out, "commonLabels", notification.common_labels);
  out.key("commonAnnotations").begin_object();
  for (const auto& [name, value] : notification.common_annotations) out.field(name, value);
  out.end_object().field("externalURL", external_url);
  out.field("notification_reason", describe(notification.reason)).key("alerts").begin_array();
  for (std::size_t i = 0; i < count; ++i) write_alert(out, list[i]);
  out.end_array();
  if (!as_alertmanager) write_incident(out, notification, external_url);
  out.end_object();
  return text;
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
