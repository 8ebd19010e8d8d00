#include "alertd/notify/alertmanager_receivers.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/channels.h"
#include "alertd/notify/message.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/yaml.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

struct Read {
  NotifySettings settings;
  std::string errors;

  const ChannelSettings& channel(std::size_t i) const {
    return settings.receivers.at(0).channels.at(i);
  }
};

Read read(const std::string& text, const base::FileSystem& files) {
  const config::Source source{"/etc/am/alertmanager.yml", text};
  base::Diagnostics diagnostics;
  config::Context context{source, diagnostics, files};
  const config::Node document = config::parse_yaml(source, diagnostics);
  config::Table root(context, &document);
  Read result{read_alertmanager_receivers(root), ""};
  result.settings.external_url = "https://tocsin.example.org";
  root.node("route");
  root.finish();
  for (const base::Diagnostic& one : diagnostics) {
    const bool error = one.severity == base::DiagnosticSeverity::Error;
    result.errors +=
        fmt::format("{}:{}: {}{}\n", one.line, one.column, error ? "" : "warning: ", one.message);
  }
  return result;
}

Read read(const std::string& text) {
  return read(text, *base::make_real_file_system());
}

TEST_CASE("receivers with Alertmanager's defaults and what they inherit") {
  const Read result = read(R"(
global:
  resolve_timeout: 5m
  smtp_smarthost: 'mail.example.org:587'
  smtp_from: 'Alerts <am@example.org>'
  smtp_auth_username: am
  smtp_auth_password: s3cret
  slack_api_url: https://hooks.slack.example/T0
  opsgenie_api_key: geniekey
route: {receiver: all}
receivers:
- name: all
  email_configs:
  - to: 'a@example.org, Bob <b@example.org>'
    headers: {Subject: 'S {{ .Status }}', X-Team: dba}
  - to: c@example.org
    smarthost: other.example.org:465
  webhook_configs:
  - url: https://hooks.example.org/x
    max_alerts: 3
    timeout: 2s
    http_config: {authorization: {credentials: tok}}
  - url: http://127.0.0.1/
    send_resolved: false
  slack_configs:
  - channel: '#ops'
  pagerduty_configs:
  - routing_key: R1
    severity: '{{ .CommonLabels.severity }}'
    details: {extra: x}
  opsgenie_configs:
  - responders: [{name: dba, type: team}]
  pushover_configs:
  - {user_key: u, token: t}
  incidentio_configs:
  - {url: 'https://api.incident.io/x', alert_source_token: tok}
)");
  CHECK(result.errors.empty());
  REQUIRE(result.settings.receivers.size() == 1);
  const auto names = channels_by_receiver(result.settings).at("all");
  CHECK(names == std::vector<std::string>{"email", "email-2", "webhook", "webhook-2", "incidentio",
                                          "pagerduty", "opsgenie", "pushover", "slack"});
  const auto& mail = std::get<EmailSettings>(result.channel(0).kind);
  CHECK(mail.to == std::vector<std::string>{"a@example.org", "b@example.org"});
  CHECK(mail.from == "am@example.org");
  CHECK(mail.server.host == "mail.example.org");
  CHECK(mail.server.tls_mode == net::SmtpTls::StartTls);
  CHECK(mail.server.hello == "localhost");
  CHECK(mail.server.password.reveal() == "s3cret");
  CHECK_FALSE(result.channel(0).send_resolved);
  CHECK(result.channel(0).templates.title == "S {{ .Status }}");
  CHECK(result.channel(0).templates.fields.at("header.X-Team") == "dba");
  CHECK(std::get<EmailSettings>(result.channel(1).kind).server.tls_mode == net::SmtpTls::Implicit);
  const auto& hook = std::get<WebhookSettings>(result.channel(2).kind);
  CHECK(result.channel(2).send_resolved);
  CHECK(hook.alerts_max == 3);
  CHECK(hook.bearer_token.reveal() == "tok");
  CHECK(hook.as_alertmanager);
  CHECK(result.channel(2).timeout == base::Duration{2000});
  CHECK_FALSE(result.channel(3).send_resolved);
  CHECK(std::get<WebhookSettings>(result.channel(4).kind).bearer_token.reveal() == "tok");
  CHECK(std::get<PagerDutySettings>(result.channel(5).kind).key_by_group);
  CHECK(result.channel(5).templates.fields.at("details.extra") == "x");
  CHECK(std::get<OpsgenieSettings>(result.channel(6).kind).responders ==
        std::vector<std::string>{"team:dba"});
  CHECK(result.channel(7).send_resolved);
  CHECK_FALSE(result.channel(8).send_resolved);
  CHECK(std::get<SlackSettings>(result.channel(8).kind).url.reveal() ==
        "https://hooks.slack.example/T0");
}

TEST_CASE("what cannot be sent, and what would go elsewhere, is an error with its place") {
  const Read result = read(R"(
receivers:
- name: a
  sns_configs:
  - topic_arn: x
  webhook_configs:
  - url: https://h.example.org/
    http_config:
      proxy_url: http://p/
      oauth2: {client_id: x}
  - url: https://{{ .CommonLabels.host }}/x
  email_configs:
  - to: '{{ .CommonLabels.owner }}'
    smarthost: x
  pagerduty_configs:
  - service_key: old
  slack_configs:
  - api_url: https://x/
    colour: red
)");
  CHECK(result.errors.find("5:5: Amazon SNS is not supported") != std::string::npos);
  CHECK(result.errors.find("9:18: 'proxy_url' is not supported") != std::string::npos);
  CHECK(result.errors.find("'oauth2' is not supported") != std::string::npos);
  CHECK(result.errors.find("url must not take its host from a template") != std::string::npos);
  CHECK(result.errors.find("13:9: recipients must be written out") != std::string::npos);
  CHECK(result.errors.find("smarthost \"x\" is not HOST:PORT") != std::string::npos);
  CHECK(result.errors.find("'service_key' is of the Events API v1") != std::string::npos);
  CHECK(result.errors.find("19:5: unknown key 'colour'") != std::string::npos);
}

TEST_CASE("template files by pattern: a later definition wins, ours are last") {
  sim::SimFileSystem files(1);
  REQUIRE(files.create_folders("/etc/am/t"));
  REQUIRE(files.write_atomic("/etc/am/t/a.tmpl", "{{ define \"who\" }}a{{ end }}", 0644));
  REQUIRE(files.write_atomic("/etc/am/t/b.tmpl",
                             "{{ define \"who\" }}b{{ end }}{{ define \"slack.default.footer\" }}"
                             "own{{ end }}",
                             0644));
  REQUIRE(files.write_atomic("/etc/am/t/c.txt", "{{ broken", 0644));
  REQUIRE(files.write_atomic("/etc/am/key", "file-key\n", 0600));
  const Read result = read(R"(
templates: ['t/*.tmpl']
receivers:
- name: a
  opsgenie_configs:
  - api_key_file: key
    message: '{{ template "who" . }} {{ template "slack.default.footer" . }} {{ template
      "slack.default.title" . }}'
)",
                           files);
  CHECK(result.errors.empty());
  CHECK(std::get<OpsgenieSettings>(result.channel(0).kind).api_key.reveal() == "file-key");
  base::SimClock clock{kNow};
  const MessageWriter writer(result.channel(0), result.settings, clock);
  const Message message = writer.write(sample_notification(), Escaping::None, false);
  CHECK(message.template_failure.empty());
  CHECK(message.title == "b own [FIRING:1] DiskFull (db1 critical)");
}

// Every kind, with no template given: each default must run.
TEST_CASE("the default templates of every kind run") {
  const Read result = read(R"(
global: {smtp_smarthost: 'm:25', smtp_from: a@b, slack_api_url: 'https://h/x', opsgenie_api_key: k, victorops_api_key: v}
receivers:
- name: a
  email_configs: [{to: x@y}]
  slack_configs: [{}]
  pagerduty_configs: [{routing_key: r}]
  opsgenie_configs: [{}]
  pushover_configs: [{user_key: u, token: t}]
  victorops_configs: [{routing_key: team}]
  webex_configs: [{room_id: r, http_config: {authorization: {credentials: c}}}]
  discord_configs: [{webhook_url: 'https://h/x'}]
  telegram_configs: [{bot_token: b, chat_id: -100123}]
  msteamsv2_configs: [{webhook_url: 'https://h/x'}]
  rocketchat_configs: [{token: t, token_id: i, channel: '#ops'}]
  mattermost_configs: [{webhook_url: 'https://h/x'}]
)");
  CHECK(result.errors.empty());
  base::SimClock clock{kNow};
  incident::Notification notification = sample_notification();
  notification.alerts.push_back({sample_alert("db\"2\"", 1), false});
  notification.alerts[1].alert.ends_at = kNow;
  for (const ChannelSettings& channel : result.settings.receivers.at(0).channels) {
    CAPTURE(channel.name);
    const MessageWriter writer(channel, result.settings, clock);
    const Message message = writer.write(notification, Escaping::None, true);
    CHECK(message.template_failure.empty());
    if (channel.templates.fields.count("payload") > 0) {
      const json::object payload = json::parse(message.field("payload", "")).as_object();
      CHECK(payload.size() >= 2);
    }
    if (channel.name == "pagerduty") {
      CHECK(message.field("details.num_firing", "") == "1");
      CHECK(message.field("details.resolved", "").find(" - host = db\"2\"\n") != std::string::npos);
    }
  }
}

TEST_CASE("the webhook's payload is Alertmanager's, in its order, with its fingerprints") {
  incident::Notification notification = sample_notification();
  notification.alerts.clear();
  for (const char* host : {"db3", "db1", "db2"}) {
    notification.alerts.push_back({sample_alert(host, 1), true});
  }
  notification.alerts.push_back({sample_alert("db0", 1), false});
  notification.alerts[3].alert.ends_at = kNow;
  notification.alerts[0].alert.labels = with(notification.alerts[0].alert.labels, "job", "z");
  const json::object body =
      json::parse(webhook_body(notification, "https://t.example.org", 3, true)).as_object();
  CHECK_FALSE(body.contains("incident"));
  CHECK(body.at("truncatedAlerts") == 1);
  const json::array& alerts = body.at("alerts").as_array();
  REQUIRE(alerts.size() == 3);
  CHECK(alerts[0].at("labels").at("host") == "db3");  // job comes first
  CHECK(alerts[1].at("labels").at("host") == "db0");
  CHECK(alerts[2].at("labels").at("host") == "db1");
  CHECK(alerts[1].at("status") == "resolved");
  CHECK(alerts[2].at("endsAt") == "0001-01-01T00:00:00Z");
}

TEST_CASE("slack's places are filled by their templates") {
  const Read result = read(R"(
global: {slack_api_url: 'https://hooks.slack.example/x'}
receivers:
- name: a
  slack_configs:
  - channel: '#ops'
    text: '{{ .CommonLabels.host }} <https://x|link>'
    pretext: p
    fields: [{title: Host, value: '{{ .CommonLabels.host }}', short: true}, {title: B, value: b}]
)");
  CHECK(result.errors.empty());
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  FakeHttp http;
  FakeMail mail;
  base::Metrics metrics;
  const auto channel = make_channel(result.channel(0), result.settings,
                                    {executor, http, mail, metrics, "alerts.example.org"});
  channel->send(sample_notification(), {}, [](const Outcome&) {});
  const json::object body = json::parse(http.requests.at(0).body).as_object();
  CHECK(body.at("channel") == "#ops");
  CHECK(body.at("username") == "Tocsin");
  const json::object attachment = body.at("attachments").at(0).as_object();
  CHECK(attachment.at("color") == "danger");
  CHECK(attachment.at("title") == "[FIRING:1] DiskFull (db1 critical)");
  CHECK(attachment.at("title_link") == "https://tocsin.example.org/incidents/T-1042");
  CHECK(attachment.at("text") == "db1 <https://x|link>");
  CHECK(attachment.at("pretext") == "p");
  CHECK(attachment.at("fields").at(0) ==
        json::object{{"short", true}, {"title", "Host"}, {"value", "db1"}});
  CHECK(attachment.at("fields").at(1).at("title") == "B");
}

TEST_CASE("times of a place, and a zone that does not exist") {
  const auto with_message = [](const std::string& text) {
    return read(
        "receivers:\n- name: a\n  opsgenie_configs:\n  - api_key: k\n    message: >-\n      " +
        text + "\n");
  };
  const auto title = [&](const std::string& text) {
    const Read result = with_message(text);
    CHECK(result.errors == "");
    base::SimClock clock{kNow};
    return MessageWriter(result.channel(0), result.settings, clock)
        .write(sample_notification(), Escaping::None, false)
        .title;
  };
  CHECK(title("{{ range .Alerts }}{{ (tz \"Europe/Berlin\" .StartsAt).Format \"15:04 MST -0700\" }}"
              "{{ .StartsAt | tz \"America/New_York\" | date \" 15:04\" }}{{ end }}") ==
        "15:03 CET +0100 09:03");
  CHECK(with_message("{{ tz \"Nowhere/Else\" now }}").errors.find("'Nowhere/Else' is not known") !=
        std::string::npos);
}

TEST_CASE("fingerprints are those that Alertmanager 0.25 gave for the same labels") {
  const auto hex = [](const model::Labels& labels) {
    return fmt::format("{:016x}", labels.fingerprint());
  };
  CHECK(hex({{"alertname", "a"}}) == "d258efc389808447");
  CHECK(hex({{"alertname", "DiskFull"}, {"host", "db1"}, {"severity", "critical"}}) ==
        "037c3ba0a542b4a3");
}

}  // namespace
}  // namespace tocsin::notify
