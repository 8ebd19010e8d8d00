#include "alertd/notify/channels.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "alertd/notify/http_outcome.h"
#include "alertd/notify/message.h"
#include "alertd/notify/test_support.h"
#include "common/base/hash.h"
#include "common/base/sim_executor.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

struct World {
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  FakeHttp http;
  FakeMail mail;
  base::Metrics metrics;

  ChannelWorld channel_world() { return {executor, http, mail, metrics, "alerts.example.org"}; }

  Outcome send(ChannelSettings settings, const incident::Notification& notification,
               bool repeated = false) {
    const NotifySettings notify = notify_settings({settings});
    const auto channel = make_channel(settings, notify, channel_world());
    std::optional<Outcome> outcome;
    channel->send(notification, {notification.key, repeated},
                  [&](Outcome result) { outcome = std::move(result); });
    executor.run_ready();
    REQUIRE(outcome);
    return *outcome;
  }
};

std::string header(const net::Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "(none)";
}

ChannelSettings email_settings() {
  ChannelSettings settings;
  settings.receiver = "ops";
  settings.name = "email";
  EmailSettings email;
  email.from = "tocsin@example.org";
  email.to = {"a@example.org", "b@example.org"};
  settings.kind = std::move(email);
  return settings;
}

ChannelSettings slack_settings() {
  ChannelSettings settings;
  settings.receiver = "ops";
  settings.name = "slack";
  SlackSettings slack;
  slack.url = base::Secret("https://hooks.example.org/T0/B0/secret");
  slack.channel = "#ops";
  settings.kind = std::move(slack);
  return settings;
}

TEST_CASE("webhook signature is the HMAC of timestamp, dot, body") {
  // RFC 4231, test case 7: a key of 131 bytes 0xaa and a text that happens to hold one dot.
  const base::Secret key(std::string(131, '\xaa'));
  CHECK(webhook_signature(key,
                          "This is a test using a larger than block-size key and a larger than "
                          "block-size data",
                          " The key needs to be hashed before being used by the HMAC algorithm.") ==
        "sha256=9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_CASE("webhook request: headers, key, signature") {
  World world;
  ChannelSettings settings = webhook_settings();
  auto& webhook = std::get<WebhookSettings>(settings.kind);
  webhook.secret = base::Secret("s3cret");
  webhook.headers = {{"X-Team", "dba"}};
  const incident::Notification notification = sample_notification();
  const Outcome outcome = world.send(settings, notification);
  CHECK(outcome.verdict == Verdict::Delivered);
  CHECK(outcome.text == "HTTP 200");
  REQUIRE(world.http.requests.size() == 1);
  const net::HttpRequest& request = world.http.requests[0];
  CHECK(request.method == "POST");
  CHECK(header(request.headers, "Idempotency-Key") == notification.key);
  CHECK(header(request.headers, "Content-Type") == "application/json");
  CHECK(header(request.headers, "X-Team") == "dba");
  CHECK(header(request.headers, "X-Tocsin-Timestamp") == "1795445315");
  CHECK(header(request.headers, "X-Tocsin-Repeated") == "(none)");
  CHECK(header(request.headers, "X-Tocsin-Signature") ==
        "sha256=" + base::hmac_sha256_hex("s3cret", "1795445315." + request.body));
  world.send(webhook_settings(), notification, true);
  CHECK(header(world.http.requests[1].headers, "X-Tocsin-Repeated") == "maybe");
  CHECK(header(world.http.requests[1].headers, "X-Tocsin-Signature") == "(none)");
}

TEST_CASE("webhook body is Alertmanager's version 4") {
  incident::Notification notification = sample_notification();
  notification.alerts.push_back({sample_alert("db1", 1), false});
  notification.alerts[1].alert.ends_at = kNow;
  notification.truncated_alerts = 3;
  const json::object body =
      json::parse(webhook_body(notification, "https://t.example.org", 0)).as_object();
  CHECK(body.at("version") == "4");
  CHECK(body.at("groupKey") == "{}:{alertname=\"DiskFull\"}");
  CHECK(body.at("truncatedAlerts") == 3);
  CHECK(body.at("status") == "firing");
  CHECK(body.at("receiver") == "ops");
  CHECK(body.at("groupLabels").at("alertname") == "DiskFull");
  CHECK(body.at("commonLabels").at("host") == "db1");
  CHECK(body.at("commonAnnotations").at("summary") == "/ on db1 is full");
  CHECK(body.at("externalURL") == "https://t.example.org");
  CHECK(body.at("notification_reason") == "first notification");
  const json::array& alerts = body.at("alerts").as_array();
  REQUIRE(alerts.size() == 2);
  CHECK(alerts[0].at("status") == "firing");
  CHECK(alerts[0].at("startsAt") == "2026-11-23T14:03:35Z");
  CHECK(alerts[0].at("endsAt") == "0001-01-01T00:00:00Z");
  CHECK(alerts[0].at("fingerprint").as_string().size() == 16);
  CHECK(alerts[1].at("status") == "resolved");
  CHECK(alerts[1].at("endsAt") == "2026-11-23T14:48:35Z");
  CHECK(body.at("incident").at("id") == "T-1042");
  CHECK(body.at("incident").at("url") == "https://t.example.org/incidents/T-1042");
  CHECK(body.at("incident").at("severity") == "critical");
  const json::object cut = json::parse(webhook_body(notification, "", 1)).as_object();
  CHECK(cut.at("alerts").as_array().size() == 1);
  CHECK(cut.at("truncatedAlerts") == 4);
}

TEST_CASE("an incident that a person resolved is over for the receiver, whatever still fires") {
  incident::Notification notification = sample_notification();
  notification.kind = incident::NotificationKind::Resolved;
  notification.incident.resolved_by = "eva";
  REQUIRE(notification.alerts[0].firing);
  const json::object body = json::parse(webhook_body(notification, "", 0)).as_object();
  CHECK(body.at("status") == "resolved");
  CHECK(body.at("alerts").as_array()[0].at("status") == "firing");  // the truth about the alert
}

TEST_CASE("answers: what is tried again and what is not") {
  const auto verdict = [](int status) {
    return http_outcome(net::HttpResponse{status, {}, ""}, kNow).verdict;
  };
  for (const int status : {200, 202, 204}) CHECK(verdict(status) == Verdict::Delivered);
  for (const int status : {408, 425, 429, 500, 502, 503}) CHECK(verdict(status) == Verdict::Retry);
  for (const int status : {301, 400, 401, 403, 404, 410, 422}) {
    CHECK(verdict(status) == Verdict::Permanent);
  }
  const auto reason = [](int status) {
    return to_string(http_outcome(net::HttpResponse{status, {}, ""}, kNow).reason);
  };
  CHECK(reason(401) == "auth");
  CHECK(reason(429) == "rate_limited");
  CHECK(reason(404) == "refused");
  CHECK(reason(301) == "refused");
  CHECK(reason(503) == "unreachable");
  const auto error = [](base::ErrorCode code) {
    return http_outcome(base::error(code, "x\x1b[31m"), kNow);
  };
  CHECK(error(base::ErrorCode::Unavailable).verdict == Verdict::Retry);
  CHECK(error(base::ErrorCode::Timeout).unknown);
  CHECK(error(base::ErrorCode::Unavailable).reason == FailureReason::Unreachable);
  CHECK(error(base::ErrorCode::PermissionDenied).reason == FailureReason::Auth);
  CHECK(error(base::ErrorCode::Io).reason == FailureReason::Unknown);
  CHECK(error(base::ErrorCode::InvalidArgument).verdict == Verdict::Permanent);
  CHECK(error(base::ErrorCode::Timeout).text == "x\\x1b[31m");
  CHECK(http_outcome(net::HttpResponse{429, {{"retry-after", "7"}}, ""}, kNow).retry_after ==
        base::Duration{7000});
  CHECK(http_outcome(net::HttpResponse{400, {}, "invalid_payload\n"}, kNow).text ==
        "HTTP 400: invalid_payload");
  CHECK(http_outcome(net::HttpResponse{400, {}, "<html>secret</html>"}, kNow).text == "HTTP 400");
}

TEST_CASE("mail: subject, parts, thread, headers") {
  World world;
  const incident::Notification notification = sample_notification();
  CHECK(world.send(email_settings(), notification).text == "SMTP 250 2.0.0 Ok: queued as 4X1");
  REQUIRE(world.mail.mails.size() == 1);
  const net::Mail mail = world.mail.mails[0];
  CHECK(mail.subject == "[CRITICAL] DiskFull db1 (firing)");
  CHECK(mail.to == std::vector<std::string>{"a@example.org", "b@example.org"});
  CHECK(mail.message_id == "<" + notification.key + "@example.org>");
  CHECK(mail.date == kNow);
  CHECK(header(mail.extra_headers, "References") == mail_thread_id("T-1042", "example.org"));
  CHECK(header(mail.extra_headers, "In-Reply-To") == header(mail.extra_headers, "References"));
  CHECK(header(mail.extra_headers, "X-Tocsin-Incident") == "T-1042");
  CHECK(header(mail.extra_headers, "X-Tocsin-Severity") == "critical");
  CHECK(header(mail.extra_headers, "Auto-Submitted") == "auto-generated");
  CHECK(header(mail.extra_headers, "Importance") == "high");
  CHECK(mail.text.starts_with(
      "DiskFull on db1: CRITICAL since 14:03 UTC, value 97.25\n/ on db1 is full\n"));
  CHECK(mail.html.find("href=\"https://run.example.org/disk?a=1&amp;b=2\"") != std::string::npos);
  // The same delivery again has the same id; another one of the incident only the thread.
  world.send(email_settings(), notification);
  world.send(email_settings(), sample_notification(2));
  CHECK(world.mail.mails[1].message_id == mail.message_id);
  CHECK(world.mail.mails[2].message_id != mail.message_id);
  CHECK(header(world.mail.mails[2].extra_headers, "References") ==
        header(mail.extra_headers, "References"));
}

TEST_CASE("mail: what the server says") {
  World world;
  world.mail.outcome = mail_answer(451, false, "4.3.0 try later");
  CHECK(world.send(email_settings(), sample_notification()).verdict == Verdict::Retry);
  world.mail.outcome = mail_answer(550, true, "5.1.1 no such user\r\nX");
  const Outcome refused = world.send(email_settings(), sample_notification());
  CHECK(refused.verdict == Verdict::Permanent);
  CHECK(refused.text == "SMTP 550 5.1.1 no such user\\r\\nX");
  CHECK(refused.reason == FailureReason::Refused);
  world.mail.outcome = mail_answer(535, true, "5.7.8 no");
  CHECK(world.send(email_settings(), sample_notification()).reason == FailureReason::Auth);
  world.mail.outcome = mail_answer(250, false, "ok");
  world.mail.outcome.refused = {"b@example.org: 550 no such user"};
  const Outcome partly = world.send(email_settings(), sample_notification());
  CHECK(partly.verdict == Verdict::Delivered);
  CHECK(partly.text == "SMTP 250 ok; not to b@example.org: 550 no such user");
  world.mail.failure = base::error(base::ErrorCode::Timeout, "no answer");
  const Outcome lost = world.send(email_settings(), sample_notification());
  CHECK(lost.verdict == Verdict::Retry);
  CHECK(lost.unknown);
  CHECK(lost.reason == FailureReason::Unreachable);
}

TEST_CASE("a label cannot add a header or a line to the subject") {
  World world;
  incident::Notification notification = sample_notification();
  notification.incident.title = "x\r\nBcc: thief@example.net\r\n\r\nbody";
  notification.incident.id = "T-1\r\nX-Evil: 1";
  world.send(email_settings(), notification);
  const net::Mail& mail = world.mail.mails.at(0);
  CHECK(mail.subject.find_first_of("\r\n") == std::string::npos);
  CHECK(mail.to.size() == 2);
  for (const auto& [name, value] : mail.extra_headers) {
    CAPTURE(name);
    CHECK(value.find_first_of("\r\n") == std::string::npos);
  }
  ChannelSettings settings = email_settings();
  settings.templates.title = "{{ .Incident.Title }}";
  world.send(settings, notification);
  CHECK(world.mail.mails.at(1).subject.find_first_of("\r\n") == std::string::npos);
}

TEST_CASE("slack: payload, escaping, refusals") {
  World world;
  incident::Notification notification = sample_notification();
  notification.common_annotations["summary"] = "<!channel> & <b>";
  world.http.body = "ok";
  CHECK(world.send(slack_settings(), notification).verdict == Verdict::Delivered);
  const net::HttpRequest& request = world.http.requests.at(0);
  CHECK(header(request.headers, "Idempotency-Key") == notification.key);
  const std::string sent = request.body;
  const json::object body = json::parse(sent).as_object();
  CHECK(body.at("text") == "[CRITICAL] DiskFull db1 (firing)");
  CHECK(body.at("channel") == "#ops");
  const json::value& attachment = body.at("attachments").at(0);
  CHECK(attachment.at("color") == "#c62828");
  CHECK(attachment.at("title_link") == "https://tocsin.example.org/incidents/T-1042");
  const std::string text(attachment.at("text").as_string());
  CHECK(text.find("&lt;!channel&gt; &amp; &lt;b&gt;") != std::string::npos);
  CHECK(text.find("<!channel>") == std::string::npos);

  world.http.body = "{\"ok\":false,\"error\":\"invalid_auth\"}";
  const Outcome refused = world.send(slack_settings(), notification);
  CHECK(refused.verdict == Verdict::Permanent);
  CHECK(refused.text == "refused: invalid_auth");
  CHECK(refused.reason == FailureReason::Auth);
  world.http.body = "{\"ok\":false,\"error\":\"ratelimited\"}";
  CHECK(world.send(slack_settings(), notification).verdict == Verdict::Retry);
  world.send(slack_settings(), notification, true);
  CHECK(world.http.requests.back().body.find("(may be a repeat)") != std::string::npos);

  const std::string long_text(10'000, '<');
  const json::object cut =
      json::parse(slack_body(notification, std::get<SlackSettings>(slack_settings().kind), "t",
                             escape(long_text, Escaping::Slack), ""))
          .as_object();
  const std::string shown(cut.at("attachments").at(0).at("text").as_string());
  CHECK(shown.size() <= 3000);
  CHECK(shown.ends_with("&lt;..."));
}

TEST_CASE("a failing template is replaced, counted and noted; the page goes out") {
  World world;
  ChannelSettings settings = email_settings();
  settings.templates.title = "{{ .Incident.Title }} {{ template \"gone\" }}";
  settings.templates.text = "{{ range .Alerts.Firing }}{{ .Labels.host }}{{ end }}";
  const Outcome outcome = world.send(settings, sample_notification());
  CHECK(outcome.verdict == Verdict::Delivered);
  CHECK(outcome.text.find("template 'title' failed at 1:") != std::string::npos);
  const net::Mail& mail = world.mail.mails.at(0);
  CHECK(mail.subject == "[CRITICAL] DiskFull db1 (firing)");
  CHECK(mail.text == "db1");
  CHECK(template_failures(world.metrics, settings).value() == 1);
}

}  // namespace
}  // namespace tocsin::notify
