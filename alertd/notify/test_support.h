// Fake clients and sample messages for the tests of this folder.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "alertd/incident/notification.h"
#include "alertd/notify/receivers.h"
#include "common/net/http_client.h"
#include "common/net/mail_client.h"

namespace tocsin::notify {

/// Keeps requests; answers when the test says so, or at once with `status`.
class FakeHttp final : public net::HttpClient {
 public:
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    requests.push_back(std::move(request));
    base::Result<net::HttpResponse> answer = net::HttpResponse{status, headers, body};
    if (failure) answer = *failure;
    if (hold) {
      held.push_back(
          [&reply_on, done, answer] { reply_on.post([done, answer] { done(answer); }); });
    } else {
      reply_on.post([done = std::move(done), answer] { done(answer); });
    }
  }

  std::vector<net::HttpRequest> requests;
  int status = 200;
  net::Headers headers;
  std::string body;
  std::optional<base::Error> failure;
  bool hold = false;
  std::deque<std::function<void()>> held;
};

inline net::MailOutcome mail_answer(int code, bool permanent, std::string reply) {
  net::MailOutcome outcome;
  outcome.smtp_code = code;
  outcome.permanent = permanent;
  outcome.reply = std::move(reply);
  return outcome;
}

class FakeMail final : public net::MailClient {
 public:
  void send(const net::SmtpServer&, net::Mail mail, base::Duration, base::Executor& reply_on,
            net::MailDone done) override {
    mails.push_back(std::move(mail));
    base::Result<net::MailOutcome> answer = outcome;
    if (failure) answer = *failure;
    reply_on.post([done = std::move(done), answer] { done(answer); });
  }

  std::vector<net::Mail> mails;
  net::MailOutcome outcome = mail_answer(250, false, "2.0.0 Ok: queued as 4X1");
  std::optional<base::Error> failure;
};

/// The labels with one set.
inline model::Labels with(const model::Labels& labels, std::string_view name,
                          std::string_view value) {
  model::LabelsBuilder builder(labels);
  builder.set(name, value);
  return builder.build();
}

// 2026-11-23T14:48:35Z
inline constexpr base::WallTime kNow = base::wall_time(1'795'445'315'000);

inline model::Alert sample_alert(const std::string& host, double value) {
  model::Alert alert;
  alert.labels = model::Labels{{"alertname", "DiskFull"}, {"host", host}, {"severity", "critical"}};
  alert.annotations = model::Labels{{"runbook_url", "https://run.example.org/disk?a=1&b=2"},
                                    {"summary", "/ on " + host + " is full"}};
  alert.severity = model::Severity::Critical;
  alert.starts_at = kNow - std::chrono::minutes(45);
  alert.valid_until = kNow + std::chrono::minutes(5);
  alert.updated_at = kNow;
  alert.value = value;
  alert.generator_url = "https://tocsin.example.org/graph?q=x";
  alert.rule_source = "disk.toml:12";
  return alert;
}

inline incident::Notification sample_notification(std::uint64_t sequence = 1) {
  incident::Notification notification;
  notification.incident.id = "T-1042";
  notification.incident.title = "DiskFull db1";
  notification.incident.severity = model::Severity::Critical;
  notification.incident.peak_severity = model::Severity::Critical;
  notification.incident.opened_at = kNow - std::chrono::minutes(45);
  notification.incident.url_path = "/incidents/T-1042";
  notification.sequence = sequence;
  notification.created_at = kNow;
  notification.receiver = "ops";
  notification.channel = "webhook";
  notification.route = "root";
  notification.group_key = "{}:{alertname=\"DiskFull\"}";
  notification.thread_key = "T-1042";
  notification.group_labels = model::Labels{{"alertname", "DiskFull"}};
  notification.common_labels =
      model::Labels{{"alertname", "DiskFull"}, {"host", "db1"}, {"severity", "critical"}};
  notification.common_annotations = {{"runbook_url", "https://run.example.org/disk?a=1&b=2"},
                                     {"summary", "/ on db1 is full"}};
  notification.alerts.push_back({sample_alert("db1", 97.25), true});
  notification.key =
      incident::delivery_key("T-1042", "ops", "webhook", notification.kind, sequence);
  return notification;
}

inline ChannelSettings webhook_settings(std::string name = "webhook") {
  ChannelSettings settings;
  settings.receiver = "ops";
  settings.name = std::move(name);
  WebhookSettings webhook;
  webhook.url = "https://hooks.example.org/tocsin";
  settings.kind = std::move(webhook);
  return settings;
}

inline NotifySettings notify_settings(std::vector<ChannelSettings> channels) {
  NotifySettings settings;
  settings.external_url = "https://tocsin.example.org";
  settings.receivers.push_back({"ops", std::move(channels)});
  return settings;
}

}  // namespace tocsin::notify
