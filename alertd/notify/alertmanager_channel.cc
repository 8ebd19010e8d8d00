// Another Alertmanager: the alerts themselves, to every peer, as Prometheus would send them.
//
// Peers do not tell each other of alerts, so each gets all of them, and one that took them is
// enough for the delivery. They keep alerts in memory only: what fires is sent again every
// `resend`, so that a peer that was down or restarted has it back soon. `keep` says how long an
// alert stays firing there while this daemon is silent: longer than the pause between two
// repetitions of a route, so that a restart of ours resolves nothing. The end of an alert is sent
// as endsAt.
//
// 400 means that some alerts were not taken; the same again would change nothing.

#include <fmt/core.h>

#include <boost/json.hpp>

#include <algorithm>
#include <map>
#include <memory>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "common/base/log.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kAnswerBytesMax = 64 << 10;
constexpr std::size_t kIncidentsMax = 10'000;
constexpr const char* kComponent = "alertd/notify";

json::object labels_object(const model::Labels& labels) {
  json::object object;
  for (const model::LabelView label : labels) object[label.name] = label.value;
  return object;
}

std::string alerts_body(const Notification& notification, base::WallTime now, base::Duration keep) {
  const bool over = notification.kind == NotificationKind::Resolved;
  json::array alerts;
  for (const incident::NotifiedAlert& one : notification.alerts) {
    const model::Alert& alert = one.alert;
    base::WallTime ends_at = now + keep;
    if (!one.firing && alert.ends_at) {
      ends_at = *alert.ends_at;
    } else if (over || !one.firing) {
      ends_at = notification.created_at;
    }
    json::object object;
    object["labels"] = labels_object(alert.labels);
    object["annotations"] = labels_object(alert.annotations);
    object["startsAt"] = base::format_rfc3339(std::min(alert.starts_at, ends_at));
    object["endsAt"] = base::format_rfc3339(ends_at);
    if (const std::string_view url = alert.generator_url; url.starts_with("http")) {
      object["generatorURL"] = url;
    }
    alerts.push_back(std::move(object));
  }
  return json::serialize(alerts);
}

class AlertmanagerChannel final : public Channel {
 public:
  AlertmanagerChannel(const AlertmanagerSettings& kind, const ChannelParts& parts)
      : name_(full_name(parts.settings)),
        upstream_(kind),
        timeout_(parts.settings.timeout),
        executor_(parts.world.executor),
        client_(parts.world.http) {}

  ~AlertmanagerChannel() override {
    executor_.cancel(timer_);
    *alive_ = false;
  }

  void send(const Notification& notification, const DeliveryKey&, SendDone done) override {
    if (notification.alerts.empty()) {
      executor_.post([done = std::move(done), test = notification.kind == NotificationKind::Test] {
        Outcome outcome;
        outcome.verdict = test ? Verdict::Permanent : Verdict::Delivered;
        outcome.text = test ? "an upstream Alertmanager takes alerts only: a test would page "
                              "its people"
                            : "no alert to pass on";
        done(std::move(outcome));
      });
      return;
    }
    // The end counts even if no peer can be reached now: it is the outbox that repeats it.
    firing_.erase(notification.thread_key);
    auto round = std::make_shared<Round>();
    round->waiting = upstream_.urls.size();
    round->done = [this, alive = alive_, notification, done = std::move(done)](Outcome outcome) {
      if (*alive && outcome.verdict == Verdict::Delivered && notification.firing()) {
        remember(notification);
      }
      done(std::move(outcome));
    };
    post_to_all(notification, round);
  }

 private:
  struct Round {
    std::size_t waiting = 0;
    std::size_t taken = 0;
    Outcome worst;
    std::string text;
    SendDone done;
  };

  void post_to_all(const Notification& notification, const std::shared_ptr<Round>& round) {
    const std::string body = alerts_body(notification, executor_.clock().wall(), upstream_.keep);
    for (const std::string& url : upstream_.urls) {
      net::HttpRequest request = json_post(url + "/api/v2/alerts", body, upstream_.access);
      request.timeout = timeout_;
      request.response_bytes_max = kAnswerBytesMax;
      client_.send(
          std::move(request), executor_,
          [this, alive = alive_, round, url](const base::Result<net::HttpResponse>& response) {
            if (!*alive) return;
            answered(*round, url,
                     service_outcome(Service::Alertmanager, response, executor_.clock().wall()));
          });
    }
  }

  void answered(Round& round, const std::string& url, Outcome outcome) const {
    if (outcome.verdict == Verdict::Delivered) {
      ++round.taken;
    } else {
      if (!round.text.empty()) round.text += "; ";
      round.text += fmt::format("{}: {}", net::url_origin(url), outcome.text);
      // Refused as invalid beats unreachable: it will not get better.
      const bool first = round.worst.text.empty();
      if (first || outcome.verdict == Verdict::Permanent) round.worst = std::move(outcome);
    }
    if (--round.waiting > 0) return;
    // One peer says 400 and another 200: the good alerts are in, the bad ones nowhere.
    const bool refused = round.worst.verdict == Verdict::Permanent;
    Outcome whole = round.taken > 0 && !refused ? Outcome{} : std::move(round.worst);
    if (round.taken > 0 && !refused) whole.verdict = Verdict::Delivered;
    whole.text = fmt::format("{} of {} peers took it{}{}", round.taken, upstream_.urls.size(),
                             round.text.empty() ? "" : ": ", round.text);
    if (round.done) round.done(std::move(whole));
  }

  void remember(const Notification& notification) {
    if (firing_.size() >= kIncidentsMax) {
      base::log_warning(kComponent, "{}: more than {} incidents fire; the next are sent once only",
                        name_, kIncidentsMax);
      return;
    }
    firing_[notification.thread_key] = notification;
    arm();
  }

  void arm() {
    if (armed_) return;
    armed_ = true;
    timer_ = executor_.post_after(upstream_.resend, [this, alive = alive_] {
      if (!*alive) return;
      armed_ = false;
      for (const auto& [key, notification] : firing_) {
        auto round = std::make_shared<Round>();
        round->waiting = upstream_.urls.size();
        round->done = [name = name_](const Outcome& outcome) {
          if (outcome.verdict == Verdict::Delivered) return;
          base::log_warning(kComponent, "{}: sending again what fires: {}", name, outcome.text);
        };
        post_to_all(notification, round);
      }
      if (!firing_.empty()) arm();
    });
  }

  std::string name_;
  AlertmanagerSettings upstream_;
  base::Duration timeout_;
  base::Executor& executor_;
  net::HttpClient& client_;
  std::map<std::string, Notification> firing_;  // by thread key: the last message of each incident
  base::TimerId timer_ = 0;
  bool armed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const AlertmanagerSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<AlertmanagerChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify
