// A notifier over fake channels, the fake store and simulated time, for the tests of this folder.
#pragma once

#include <fmt/core.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/incident/fake_state_store.h"
#include "alertd/notify/notifier.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"

namespace tocsin::notify {

using incident::DeliveryState;
using incident::FakeStateStore;
using incident::Notification;
using incident::NotificationKind;
using std::chrono::minutes;
using std::chrono::seconds;

/// What reached the channels, as "channel key-or-incident sequence".
struct Wire {
  struct Sent {
    std::string channel;
    Notification notification;
    DeliveryKey key;
    base::MonotonicTime at;
  };
  std::vector<Sent> sent;
  std::map<std::string, Outcome> answers;  // by channel; default delivered
  std::map<std::string, bool> silent;
  std::set<std::string> wants_receipts;  // channels
  std::set<std::string> machines;        // take no summary
  std::size_t in_flight = 0;
  std::size_t in_flight_peak = 0;
  base::Duration takes{0};

  std::string log() const {
    std::vector<std::string> lines;
    for (const Sent& one : sent) {
      lines.push_back(fmt::format("{} {}#{}", one.channel, one.notification.incident.id,
                                  one.notification.sequence));
    }
    return base::join(lines, ", ");
  }
};

class FakeChannel final : public Channel {
 public:
  FakeChannel(std::string name, Wire& wire, base::Executor& executor)
      : name_(std::move(name)), wire_(wire), executor_(executor) {}
  bool wants_receipts() const override { return wire_.wants_receipts.contains(name_); }
  bool takes_summary() const override { return !wire_.machines.contains(name_); }
  void send(const Notification& notification, const DeliveryKey& key, SendDone done) override {
    wire_.sent.push_back({name_, notification, key, executor_.clock().monotonic()});
    wire_.in_flight_peak = std::max(wire_.in_flight_peak, ++wire_.in_flight);
    if (wire_.silent[name_]) return;
    const auto answer = wire_.answers.find(name_);
    const Outcome outcome = answer == wire_.answers.end()
                                ? Outcome{Verdict::Delivered, "taken", {}, false}
                                : answer->second;
    executor_.post_after(wire_.takes, [this, done = std::move(done), outcome] {
      --wire_.in_flight;
      done(outcome);
    });
  }

 private:
  std::string name_;
  Wire& wire_;
  base::Executor& executor_;
};

/// What the notifier raised about itself.
struct SelfAlerts final : model::AlertSink {
  void post(std::vector<model::Alert> alerts) override {
    for (model::Alert& alert : alerts) all.push_back(std::move(alert));
  }
  std::vector<model::Alert> all;
};

/// One process over a disk that survives it.
struct World {
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  std::unique_ptr<FakeStateStore> store = std::make_unique<FakeStateStore>(disk);
  FakeHttp http;
  FakeMail mail;
  base::Metrics metrics;
  std::unique_ptr<base::Random> random = base::make_seeded_random(1);
  Wire wire;
  std::vector<std::string> outcomes;
  SelfAlerts self_alerts;
  std::unique_ptr<Notifier> notifier;

  void start(NotifySettings settings = notify_settings({webhook_settings(),
                                                        webhook_settings("b")})) {
    notifier = std::make_unique<Notifier>(
        NotifierWorld{executor, *store, http, mail, *random, metrics, "h"}, std::move(settings),
        [this](const Notification& sent, std::uint32_t attempts, DeliveryState state,
               const std::string& text) {
          outcomes.push_back(fmt::format("{}#{} {} after {}: {}", sent.channel, sent.sequence,
                                         to_string(state), attempts, text));
        },
        [this](const ChannelSettings& channel, const NotifySettings&) {
          return std::make_shared<FakeChannel>(channel.name, wire, executor);
        });
    notifier->set_self_alerts(self_alerts);
    notifier->start();
    run(base::Duration{0});
  }

  void run(base::Duration by) { executor.run_for(by); }

  void add(Notification notification) {
    incident::StateChange change;
    change.outbox.push_back(std::move(notification));
    store->commit(std::move(change), executor, [](const base::Result<void>&) {});
    if (notifier) notifier->poke();
    run(base::Duration{0});
  }

  /// `detail` is the value of the second label, if there is one.
  double counter(const char* name, const char* channel, const char* detail = nullptr) {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name != name || point.labels.at("channel") != channel) continue;
      if (detail == nullptr) return point.value;
      for (const char* label : {"outcome", "reason"}) {
        if (point.labels.contains(label) && point.labels.at(label) == detail) return point.value;
      }
    }
    return -1;
  }

  /// The process dies and a new one starts over the same disk.
  void restart(NotifySettings settings) {
    notifier.reset();
    store = std::make_unique<FakeStateStore>(disk);
    start(std::move(settings));
  }

  std::vector<ChannelInfo> channels() {
    std::vector<ChannelInfo> found;
    notifier->channels([&](std::vector<ChannelInfo> all) { found = std::move(all); });
    run(base::Duration{0});
    return found;
  }

  const incident::OutboxRow& row(std::int64_t id) const { return disk->rows.at(id); }
};

inline Notification message(std::uint64_t sequence, const std::string& incident = "T-1",
                            const std::string& channel = "webhook",
                            model::Severity severity = model::Severity::Critical) {
  Notification notification = sample_notification(sequence);
  notification.incident.id = incident;
  notification.incident.severity = severity;
  notification.channel = channel;
  notification.key = incident::delivery_key(incident, "ops", channel, notification.kind, sequence);
  return notification;
}

inline Notification message(std::uint64_t sequence, NotificationKind kind,
                            model::Severity severity = model::Severity::Critical) {
  Notification notification = message(sequence, "T-1", "webhook", severity);
  notification.kind = kind;
  notification.key = incident::delivery_key("T-1", "ops", "webhook", kind, sequence);
  return notification;
}

/// Fails in a way that may pass.
inline Outcome failing(const char* text = "HTTP 503") {
  return {Verdict::Retry, text, {}, false, FailureReason::Unreachable};
}

}  // namespace tocsin::notify
