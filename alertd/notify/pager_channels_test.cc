// Bodies and outcomes of the pager, SMS and upstream channels.

#include "alertd/notify/pager_channels.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::NotificationKind;

struct World {
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  FakeHttp http;
  FakeMail mail;
  base::Metrics metrics;
  std::unique_ptr<Channel> channel;

  void make(ChannelKind kind, TemplateTexts templates = {}) {
    ChannelSettings settings;
    settings.receiver = "ops";
    settings.name = "pager";
    settings.templates = std::move(templates);
    settings.kind = std::move(kind);
    channel = make_channel(settings, notify_settings({settings}),
                           {executor, http, mail, metrics, "alerts.example.org"});
  }

  Outcome send(const incident::Notification& notification, bool repeated = false) {
    std::optional<Outcome> outcome;
    DeliveryKey key;
    key.value = notification.key;
    key.maybe_repeated = repeated;
    channel->send(notification, key, [&](Outcome result) { outcome = std::move(result); });
    executor.run_ready();
    REQUIRE(outcome);
    return *outcome;
  }

  const net::HttpRequest& last() const { return http.requests.back(); }
  json::object body() const { return json::parse(last().body).as_object(); }
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : last().headers) {
      if (key == name) return value;
    }
    return "(none)";
  }
  std::string field(const std::string& name) const {
    net::Query query;
    REQUIRE(net::parse_form(last().body, query));
    const auto found = query.find(name);
    return found == query.end() ? "(none)" : found->second;
  }
};

incident::Notification notification_of(NotificationKind kind,
                                       model::Severity severity = model::Severity::Critical) {
  incident::Notification notification = sample_notification();
  notification.kind = kind;
  notification.incident.severity = severity;
  notification.incident.peak_severity = severity;
  if (kind == NotificationKind::Resolved) {
    notification.incident.state = incident::IncidentState::Resolved;
    notification.alerts[0].firing = false;
    notification.alerts[0].alert.ends_at = kNow;
  }
  if (kind == NotificationKind::Acknowledged) {
    notification.incident.state = incident::IncidentState::Acknowledged;
    notification.incident.acknowledged_by = "ada";
  }
  return notification;
}

std::string ends_at(const json::array& alerts) {
  return std::string(std::string_view(alerts.at(0).at("endsAt").as_string()));
}

PagerDutySettings pagerduty() {
  PagerDutySettings settings;
  settings.routing_key = base::Secret("R0123456789012345678901234567890");
  return settings;
}

TEST_CASE("pagerduty: one key from trigger over acknowledge to resolve") {
  World world;
  world.http.status = 202;
  world.make(pagerduty());
  CHECK(world.send(notification_of(NotificationKind::Firing)).verdict == Verdict::Delivered);
  CHECK(world.last().url == "https://events.pagerduty.com/v2/enqueue");
  const json::object trigger = world.body();
  CHECK(trigger.at("event_action") == "trigger");
  CHECK(trigger.at("dedup_key") == "T-1042");
  CHECK(trigger.at("routing_key") == "R0123456789012345678901234567890");
  CHECK(trigger.at("client_url") == "https://tocsin.example.org/incidents/T-1042");
  const json::object payload = trigger.at("payload").as_object();
  CHECK(payload.at("severity") == "critical");
  CHECK(payload.at("source") == "db1");
  CHECK(payload.at("summary") == "[CRITICAL] DiskFull db1 (firing)");
  CHECK(payload.at("custom_details").at("labels").at("host") == "db1");
  CHECK(trigger.at("links").at(1).at("href") == "https://run.example.org/disk?a=1&b=2");

  world.send(notification_of(NotificationKind::Acknowledged));
  CHECK(world.body().at("event_action") == "acknowledge");
  CHECK_FALSE(world.body().contains("payload"));
  world.send(notification_of(NotificationKind::Resolved));
  CHECK(world.body().at("event_action") == "resolve");
  CHECK(world.body().at("dedup_key") == "T-1042");
  world.send(notification_of(NotificationKind::Reopened));
  CHECK(world.body().at("event_action") == "trigger");
}

TEST_CASE("pagerduty: severities, limits, details that are too long") {
  World world;
  world.make(pagerduty());
  const char* names[] = {"info", "warning", "error", "critical"};
  for (const model::Severity severity : model::kSeverities) {
    world.send(notification_of(NotificationKind::Update, severity));
    CHECK(world.body().at("payload").at("severity") == names[static_cast<int>(severity)]);
  }
  incident::Notification huge = notification_of(NotificationKind::Firing);
  huge.incident.title = std::string(3000, 'x');
  huge.common_labels = with(huge.common_labels, "big", std::string(600'000, 'y'));
  world.send(huge);
  CHECK(world.last().body.size() < 512'000);
  CHECK(world.body().at("payload").at("summary").as_string().size() <= 1024);
}

TEST_CASE("pagerduty: templates fill severity and details; a broken one leaves the built-in") {
  World world;
  TemplateTexts texts;
  texts.fields = {{"severity", "{{ .CommonLabels.severity }}"},
                  {"component", "{{ .Nope.nope.nope | toUpper }}"},
                  {"details.firing", "{{ len .Alerts.Firing }}"}};
  world.make(pagerduty(), texts);
  world.send(notification_of(NotificationKind::Firing));
  const json::object payload = world.body().at("payload").as_object();
  CHECK(payload.at("severity") == "critical");
  CHECK(payload.at("custom_details") == json::object{{"firing", "1"}});
}

TEST_CASE("opsgenie: create, raise, acknowledge and close by alias") {
  World world;
  world.http.status = 202;
  OpsgenieSettings settings;
  settings.api_key = base::Secret("k");
  settings.responders = {"team:dba", "user:ada@example.org"};
  world.make(settings);
  world.send(notification_of(NotificationKind::Firing, model::Severity::Medium));
  REQUIRE(world.http.requests.size() == 1);
  CHECK(world.last().url == "https://api.opsgenie.com/v2/alerts");
  CHECK(world.header("Authorization") == "GenieKey k");
  CHECK(world.body().at("priority") == "P3");
  CHECK(world.body().at("alias") == "T-1042");
  CHECK(world.body().at("responders").at(0) == json::object{{"type", "team"}, {"name", "dba"}});
  CHECK(world.body().at("responders").at(1).at("username") == "ada@example.org");

  world.send(notification_of(NotificationKind::Update, model::Severity::Critical));
  REQUIRE(world.http.requests.size() == 3);
  CHECK(world.last().method == "PUT");
  CHECK(world.last().url ==
        "https://api.opsgenie.com/v2/alerts/T-1042/priority?identifierType=alias");
  CHECK(world.body().at("priority") == "P1");

  world.send(notification_of(NotificationKind::Acknowledged));
  CHECK(world.last().url ==
        "https://api.opsgenie.com/v2/alerts/T-1042/acknowledge?identifierType=alias");
  CHECK(world.body().at("user") == "ada");
  world.send(notification_of(NotificationKind::Resolved));
  CHECK(world.last().url == "https://api.opsgenie.com/v2/alerts/T-1042/close?identifierType=alias");
}

TEST_CASE("opsgenie: what fails first ends the chain; messages are cut in characters") {
  World world;
  OpsgenieSettings settings;
  settings.api_key = base::Secret("k");
  world.make(settings);
  world.http.status = 422;
  world.http.body =
      R"({"message":"Request body is not processable","errors":{"alias":"too long"}})";
  const Outcome outcome = world.send(notification_of(NotificationKind::Update));
  CHECK(outcome.verdict == Verdict::Permanent);
  CHECK(outcome.text == "HTTP 422: Request body is not processable: alias: too long");
  CHECK(world.http.requests.size() == 1);
  CHECK(cut_characters("äöüäöü", 6) == "äöüäöü");
  CHECK(cut_characters("äöüäöüä", 6) == "äöü...");
  CHECK(cut_characters("", 6) == "");
}

TEST_CASE("ntfy: words in headers, one notification an incident") {
  World world;
  NtfySettings settings;
  settings.topic = "ops";
  settings.tags = {"db"};
  settings.access.bearer_token = base::Secret("tk_1");
  world.make(settings);
  world.send(notification_of(NotificationKind::Firing));
  CHECK(world.last().url == "https://ntfy.sh/ops");
  CHECK(world.last().bearer_token.reveal() == "tk_1");
  CHECK(world.header("Title") == "[CRITICAL] DiskFull db1 (firing)");
  CHECK(world.header("Priority") == "5");
  CHECK(world.header("Tags") == "rotating_light,db");
  CHECK(world.header("Click") == "https://tocsin.example.org/incidents/T-1042");
  CHECK(
      world.header("Actions") ==
      "view, Acknowledge, \"https://tocsin.example.org/incidents/T-1042#acknowledge\"; view, Open "
      "incident, \"https://tocsin.example.org/incidents/T-1042\"");
  CHECK(world.header("X-Sequence-ID") == "T-1042");
  incident::Notification umlaut = notification_of(NotificationKind::Resolved);
  umlaut.incident.title = "Plattenspeicher\r\nX-Evil: für db1";
  world.send(umlaut, true);
  const std::string title = world.header("Title");
  CHECK(title.starts_with("=?UTF-8?B?"));
  CHECK(title.find('\n') == std::string::npos);
  CHECK(world.header("Priority") == "3");
}

TEST_CASE("pushover: Critical rings until it is acknowledged or over") {
  World world;
  world.http.body = R"({"status":1,"request":"r"})";
  PushoverSettings settings;
  settings.token = base::Secret("t");
  settings.user = base::Secret("u");
  world.make(settings);
  world.send(notification_of(NotificationKind::Firing));
  CHECK(world.last().url == "https://api.pushover.net/1/messages.json");
  CHECK(world.field("priority") == "2");
  CHECK(world.field("retry") == "60");
  CHECK(world.field("expire") == "3600");
  CHECK(world.field("tags") == "tocsin_T-1042");
  CHECK(world.field("url") == "https://tocsin.example.org/incidents/T-1042");

  world.send(notification_of(NotificationKind::Firing, model::Severity::High));
  CHECK(world.field("priority") == "1");
  CHECK(world.field("retry") == "(none)");
  world.send(notification_of(NotificationKind::Firing, model::Severity::Low));
  CHECK(world.field("priority") == "-1");

  const std::size_t before = world.http.requests.size();
  world.send(notification_of(NotificationKind::Acknowledged));
  REQUIRE(world.http.requests.size() == before + 2);
  CHECK(world.http.requests[before].url ==
        "https://api.pushover.net/1/receipts/cancel_by_tag/tocsin_T-1042.json");
  CHECK(world.field("priority") == "0");
}

TEST_CASE("twilio: basic auth, form, and a word about repeats") {
  World world;
  world.http.status = 201;
  TwilioSettings settings;
  settings.account_sid = "AC1";
  settings.auth_token = base::Secret("tok");
  settings.from = "+4915100000000";
  settings.to = "+4917000000000";
  world.make(settings);
  CHECK(world.send(notification_of(NotificationKind::Firing)).verdict == Verdict::Delivered);
  CHECK(world.last().url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
  CHECK(world.header("Authorization") == "Basic QUMxOnRvaw==");
  CHECK(world.field("To") == "+4917000000000");
  CHECK(world.field("Body") ==
        "DiskFull on db1: CRITICAL since 14:03 UTC, value 97.25\n"
        "https://tocsin.example.org/incidents/T-1042");
  world.send(notification_of(NotificationKind::Firing), true);
  CHECK(world.field("Body").starts_with("(possibly duplicate) DiskFull"));
}

TEST_CASE("kannel: parameters, coding by what the text needs") {
  World world;
  world.http.status = 202;
  KannelSettings settings;
  settings.url = "http://127.0.0.1:13013/cgi-bin/sendsms";
  settings.user = "u";
  settings.password = base::Secret("p&p");
  settings.to = {"+491", "+492"};
  TemplateTexts texts;
  texts.text = "{{ .CommonLabels.host }} läuft voll";
  world.make(settings, texts);
  world.send(notification_of(NotificationKind::Firing));
  CHECK(world.last().method == "GET");
  CHECK(world.last().url ==
        "http://127.0.0.1:13013/cgi-bin/sendsms?username=u&password=p%26p&to=%2B491%20%2B492&text="
        "db1%20l%C3%A4uft%20voll&charset=UTF-8&coding=0");
  texts.text = "диск";
  world.make(settings, texts);
  world.send(notification_of(NotificationKind::Firing));
  CHECK(world.last().url.ends_with("&charset=UTF-8&coding=2"));
}

AlertmanagerSettings upstream() {
  AlertmanagerSettings settings;
  settings.urls = {"http://am1:9093", "http://am2:9093/prefix"};
  return settings;
}

TEST_CASE("alertmanager: to all peers, again while it fires, ended when it is over") {
  World world;
  world.make(upstream());
  const Outcome sent = world.send(notification_of(NotificationKind::Firing));
  CHECK(sent.verdict == Verdict::Delivered);
  CHECK(sent.text == "2 of 2 peers took it");
  REQUIRE(world.http.requests.size() == 2);
  CHECK(world.http.requests[0].url == "http://am1:9093/api/v2/alerts");
  CHECK(world.last().url == "http://am2:9093/prefix/api/v2/alerts");
  const json::array alerts = json::parse(world.last().body).as_array();
  CHECK(alerts.at(0).at("labels").at("host") == "db1");
  CHECK(ends_at(alerts) == base::format_rfc3339(kNow + std::chrono::hours(26)));

  world.executor.run_for(base::Duration{125'000});
  REQUIRE(world.http.requests.size() == 6);
  const json::array again = json::parse(world.last().body).as_array();
  CHECK(ends_at(again) ==
        base::format_rfc3339(kNow + std::chrono::hours(26) + std::chrono::minutes(2)));

  world.send(notification_of(NotificationKind::Resolved));
  const json::array over = json::parse(world.last().body).as_array();
  CHECK(ends_at(over) == base::format_rfc3339(kNow));
  const std::size_t count = world.http.requests.size();
  world.executor.run_for(std::chrono::hours(1));
  CHECK(world.http.requests.size() == count);
}

TEST_CASE("alertmanager: 400 is not sent again, a dead peer does not hold up the other") {
  World world;
  world.make(upstream());
  world.http.status = 400;
  CHECK(world.send(notification_of(NotificationKind::Firing)).verdict == Verdict::Permanent);
  world.http.status = 503;
  CHECK(world.send(notification_of(NotificationKind::Firing)).verdict == Verdict::Retry);
  world.http.status = 200;
  world.http.hold = true;
  std::optional<Outcome> outcome;
  world.channel->send(notification_of(NotificationKind::Firing), {},
                      [&](Outcome result) { outcome = std::move(result); });
  REQUIRE(world.http.held.size() == 2);
  world.http.held[0]();
  world.executor.run_ready();
  CHECK_FALSE(outcome);
  world.http.held[1]();
  world.executor.run_ready();
  REQUIRE(outcome);
  CHECK(outcome->verdict == Verdict::Delivered);
}

TEST_CASE("retry classes of each service") {
  struct Row {
    Service service;
    int status;
    Verdict verdict;
  };
  const Row rows[] = {
      {Service::PagerDuty, 202, Verdict::Delivered},
      {Service::PagerDuty, 400, Verdict::Permanent},
      {Service::PagerDuty, 408, Verdict::Permanent},
      {Service::PagerDuty, 429, Verdict::Retry},
      {Service::PagerDuty, 500, Verdict::Retry},
      {Service::Opsgenie, 202, Verdict::Delivered},
      {Service::Opsgenie, 422, Verdict::Permanent},
      {Service::Opsgenie, 429, Verdict::Retry},
      {Service::Opsgenie, 503, Verdict::Retry},
      {Service::Opsgenie, 401, Verdict::Permanent},
      {Service::Ntfy, 429, Verdict::Retry},
      {Service::Ntfy, 403, Verdict::Permanent},
      {Service::Pushover, 429, Verdict::Permanent},
      {Service::Pushover, 400, Verdict::Permanent},
      {Service::Pushover, 500, Verdict::Retry},
      {Service::Twilio, 201, Verdict::Delivered},
      {Service::Twilio, 429, Verdict::Retry},
      {Service::Twilio, 400, Verdict::Permanent},
      {Service::Kannel, 202, Verdict::Delivered},
      {Service::Kannel, 403, Verdict::Permanent},
      {Service::Kannel, 503, Verdict::Retry},
      {Service::Alertmanager, 400, Verdict::Permanent},
      {Service::Alertmanager, 429, Verdict::Retry},
      {Service::Webhook, 408, Verdict::Retry},
      {Service::Webhook, 425, Verdict::Retry},
      {Service::Webhook, 429, Verdict::Retry},
      {Service::Webhook, 302, Verdict::Permanent},
  };
  for (const Row& row : rows) {
    CAPTURE(row.status);
    CAPTURE(static_cast<int>(row.service));
    const Outcome outcome = service_outcome(
        row.service, net::HttpResponse{row.status, {{"retry-after", "3"}}, ""}, kNow);
    CHECK(outcome.verdict == row.verdict);
    const bool waits = row.verdict == Verdict::Retry;
    const base::Duration least{row.service == Service::Pushover ? 5'000 : 3'000};
    if (waits && row.status != 408 && row.status != 425) CHECK(outcome.retry_after == least);
    if (!waits) CHECK(outcome.retry_after == base::Duration{0});
  }
}

TEST_CASE("commands do not run unless the configuration allows it") {
  World world;
  world.make(CommandSettings{{"/bin/true"}});
  const Outcome outcome = world.send(notification_of(NotificationKind::Firing));
  CHECK(outcome.verdict == Verdict::Permanent);
  CHECK(outcome.text == "commands are not allowed: [notify] allow_commands");
}

}  // namespace
}  // namespace tocsin::notify
