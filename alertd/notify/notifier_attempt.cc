// One attempt: start recorded, sent, outcome recorded. And test messages, which are ordinary rows.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::AttemptResult;
using incident::DeliveryState;
using incident::NotificationKind;

constexpr const char* kComponent = "alertd/notify";
// Whatever the clock says, a message is tried this often before it is given up.
constexpr std::uint32_t kAttemptsMin = 3;
// Beyond the channel's own time-out: it must have called back by then.
constexpr base::Duration kWatchdogSlack{30'000};

base::Duration store_retry_delay(std::uint32_t failures) {
  return base::Duration{1000} * std::min(failures, 30U);
}

}  // namespace

base::Counter dead_letters(base::Metrics& metrics, const std::string& channel,
                           FailureReason reason) {
  return metrics.counter("tocsin_alertd_notifications_failed_total",
                         "Messages given up: dead letters.",
                         {{"channel", channel}, {"reason", std::string(to_string(reason))}});
}

bool Notifier::expired(const Delivery& delivery) const {
  const incident::Notification& notification = delivery.row.notification;
  if (notification.kind == NotificationKind::Test) return delivery.attempt > 0;
  const auto severity = static_cast<std::size_t>(notification.incident.severity);
  const base::WallTime deadline = notification.created_at + settings_.deadlines[severity];
  return delivery.attempt >= kAttemptsMin && world_.executor.clock().wall() >= deadline;
}

void Notifier::begin_attempt(const DeliveryPtr& delivery) {
  delivery->phase = Phase::Starting;
  delivery->holds_slot = true;
  ++delivery->used->in_flight;
  delivery->started_at = world_.executor.clock().wall();
  world_.store.attempt_started(
      delivery->row.id, delivery->attempt + 1, delivery->started_at, world_.executor,
      [this, alive = alive_, delivery](const base::Result<void>& stored) {
        if (!*alive) return;
        if (stored) {
          delivery->store_failures = 0;
          ++delivery->attempt;
          send(delivery);
          return;
        }
        release_slot(*delivery);
        delivery->phase = Phase::Waiting;
        if (stored.error().code == base::ErrorCode::NotFound ||
            stored.error().code == base::ErrorCode::InvalidArgument) {
          // Pruned, or finished by another process.
          base::log_info(kComponent, "{}: {}", delivery->channel_name, stored.error().message);
          drop(delivery);
        } else {
          ++delivery->store_failures;
          base::log_error(kComponent, "{}: cannot record an attempt: {}", delivery->channel_name,
                          stored.error().message);
          delivery->due =
              world_.executor.clock().monotonic() + store_retry_delay(delivery->store_failures);
        }
        pump();
      });
}

void Notifier::send(const DeliveryPtr& delivery) {
  const std::shared_ptr<ChannelState> used = delivery->used;
  const std::uint32_t attempt = delivery->attempt;
  delivery->phase = Phase::Sending;
  delivery->sent_at = world_.executor.clock().monotonic();
  if (!used->settings.send_resolved &&
      delivery->row.notification.kind == NotificationKind::Resolved) {
    ended(delivery, attempt,
          {Verdict::Delivered, "not sent: send_resolved is false for this channel"});
    return;
  }
  if (!used->settings.send_resolved) {
    std::erase_if(delivery->row.notification.alerts,
                  [](const incident::NotifiedAlert& one) { return !one.firing; });
  }
  delivery->watchdog = world_.executor.post_after(
      used->settings.timeout + kWatchdogSlack, [this, alive = alive_, delivery, attempt] {
        if (*alive)
          ended(
              delivery, attempt,
              {Verdict::Retry, "the channel did not answer", {}, true, FailureReason::Unreachable});
      });
  const DeliveryKey key{delivery->row.notification.key, delivery->row.outcome_unknown};
  // `used` is held until the answer: the channel may be replaced by a reload meanwhile.
  used->channel->send(delivery->row.notification, key,
                      [this, alive = alive_, delivery, attempt, used](Outcome outcome) {
                        if (*alive) ended(delivery, attempt, std::move(outcome));
                      });
}

void Notifier::ended(const DeliveryPtr& delivery, std::uint32_t attempt, Outcome outcome) {
  // A late answer after the watchdog, or one from an attempt long past.
  if (delivery->phase != Phase::Sending || delivery->attempt != attempt) return;
  world_.executor.cancel(delivery->watchdog);
  const base::Clock& clock = world_.executor.clock();
  AttemptResult result;
  result.row_id = delivery->row.id;
  result.attempt = attempt;
  result.finished_at = clock.wall();
  result.latency =
      std::chrono::duration_cast<base::Duration>(clock.monotonic() - delivery->sent_at);
  result.text = outcome.text.substr(0, incident::kAttemptTextMax);
  delivery->phase = Phase::Recording;
  delivery->failure = outcome.reason;
  release_slot(*delivery);
  if (outcome.verdict == Verdict::Delivered) {
    result.state = DeliveryState::Delivered;
  } else if (outcome.verdict == Verdict::Permanent || expired(*delivery)) {
    result.state = DeliveryState::Dead;
  } else {
    const base::Duration delay = retry_delay(attempt, outcome.retry_after, world_.random);
    result.state = DeliveryState::Pending;
    result.next_due = clock.wall() + delay;
    delivery->due = clock.monotonic() + delay;
    delivery->row.outcome_unknown = outcome.unknown;
    base::log_warning(kComponent, "{} {}: attempt {}: {}; next in {}", delivery->channel_name,
                      delivery->row.notification.incident.id, attempt,
                      base::escape_control(outcome.text), base::format_duration(delay));
  }
  count(*delivery, attempt_outcome(result.state).data());
  const std::string key = delivery->row.notification.key;
  if (tests_.count(key) > 0) {
    answer_test(key, TestResult{result.state == DeliveryState::Delivered, result.text, {}});
  }
  record(delivery, std::move(result));
  pump();
}

void Notifier::record(const DeliveryPtr& delivery, AttemptResult result) {
  world_.store.attempt_finished(
      result, world_.executor,
      [this, alive = alive_, delivery, result](const base::Result<void>& stored) {
        if (*alive) recorded(delivery, result, stored);
      });
}

void Notifier::recorded(const DeliveryPtr& delivery, const AttemptResult& result,
                        const base::Result<void>& stored) {
  if (!stored && stored.error().code != base::ErrorCode::NotFound) {
    // Until it is recorded the lane waits: sending the next message now and this one again after a
    // crash would turn their order around.
    ++delivery->store_failures;
    base::log_error(kComponent, "{}: cannot record an outcome: {}", delivery->channel_name,
                    stored.error().message);
    world_.executor.post_after(store_retry_delay(delivery->store_failures),
                               [this, alive = alive_, delivery, result] {
                                 if (*alive) record(delivery, result);
                               });
    return;
  }
  delivery->store_failures = 0;
  if (!stored) {
    drop(delivery);
  } else if (result.state == DeliveryState::Pending) {
    delivery->phase = Phase::Waiting;
  } else {
    finish(delivery, result.state, result.text);
  }
  pump();
}

void Notifier::finish(const DeliveryPtr& delivery, DeliveryState state, const std::string& text) {
  const incident::Notification& notification = delivery->row.notification;
  if (state == DeliveryState::Delivered) {
    const auto age = world_.executor.clock().wall() - notification.created_at;
    if (delivery->used) {
      delivery->used->latency.observe(std::max(0.0, static_cast<double>(age.count()) / 1000.0));
    }
    base::log_info(kComponent, "{} {}: {} delivered: {}", delivery->channel_name,
                   notification.incident.id, to_string(notification.kind),
                   base::escape_control(text));
  } else {
    dead_letters(world_.metrics, delivery->channel_name, delivery->failure).increment();
    base::log_error(kComponent, "{} {}: {} GIVEN UP after {} attempts: {}", delivery->channel_name,
                    notification.incident.id, to_string(notification.kind), delivery->attempt,
                    base::escape_control(text));
  }
  delivery->row.attempts = delivery->attempt;
  delivery->row.state = state;
  if (outcome_hook_) outcome_hook_(delivery->row, state, text);
  drop(delivery);
}

// Gives a row up without sending. The store wants an attempt to hang the outcome on.
void Notifier::bury(const DeliveryPtr& delivery, const std::string& why) {
  delivery->phase = Phase::Starting;
  const base::WallTime now = world_.executor.clock().wall();
  world_.store.attempt_started(
      delivery->row.id, delivery->attempt + 1, now, world_.executor,
      [this, alive = alive_, delivery, why, now](const base::Result<void>& stored) {
        if (!*alive) return;
        if (!stored && base::is_retryable(stored.error().code)) {
          ++delivery->store_failures;
          delivery->phase = Phase::Waiting;
          delivery->due =
              world_.executor.clock().monotonic() + store_retry_delay(delivery->store_failures);
          pump();
          return;
        }
        if (!stored) {
          drop(delivery);
          return;
        }
        delivery->phase = Phase::Recording;
        ++delivery->attempt;
        count(*delivery, "dead");
        AttemptResult result;
        result.row_id = delivery->row.id;
        result.attempt = delivery->attempt;
        result.state = DeliveryState::Dead;
        result.finished_at = now;
        result.text = why;
        answer_test(delivery->row.notification.key, TestResult{false, why, {}});
        record(delivery, std::move(result));
      });
}

void Notifier::drop(const DeliveryPtr& delivery) {
  delivery->used.reset();
  if (const auto lane = lanes_.find(delivery->lane); lane != lanes_.end()) {
    lane->second.rows.erase(delivery->row.id);
    if (lane->second.rows.empty()) lanes_.erase(lane);
  }
  deliveries_.erase(delivery->row.id);
  pending_.set(static_cast<double>(deliveries_.size()));
}

void Notifier::release_slot(Delivery& delivery) {
  if (!delivery.holds_slot) return;
  delivery.holds_slot = false;
  --delivery.used->in_flight;
}

void Notifier::count(const Delivery& delivery, const char* outcome) {
  world_.metrics
      .counter("tocsin_alertd_notifications_total", "Attempts to deliver a message, by outcome.",
               {{"channel", delivery.channel_name}, {"outcome", outcome}})
      .increment();
}

void Notifier::send_test(std::string target, std::string requested_by,
                         std::function<void(base::Result<TestResult>)> done) {
  post([this, target = std::move(target), requested_by = std::move(requested_by),
        done = std::move(done)]() mutable {
    const ChannelState* chosen = nullptr;
    for (const auto& [name, channel] : channels_) {
      if (chosen == nullptr && (name == target || channel->settings.receiver == target)) {
        chosen = channel.get();
      }
    }
    if (chosen == nullptr) {
      std::vector<std::string> names;
      for (const auto& [name, channel] : channels_) names.push_back(name);
      const auto close = base::closest(target, names);
      done(base::error(base::ErrorCode::NotFound,
                       close ? fmt::format("no channel '{}'; did you mean '{}'?", target, *close)
                             : fmt::format("no channel '{}'; there are: {}", target,
                                           names.empty() ? "none" : base::join(names, ", "))));
      return;
    }
    const base::WallTime now = world_.executor.clock().wall();
    incident::Notification notification;
    notification.kind = NotificationKind::Test;
    notification.reason = incident::Reason::Requested;
    notification.receiver = chosen->settings.receiver;
    notification.channel = chosen->settings.name;
    notification.created_at = now;
    notification.incident.opened_at = now;
    notification.incident.severity = model::Severity::Low;
    notification.incident.peak_severity = model::Severity::Low;
    notification.incident.title = "Test message";
    notification.incident.comment = "requested by " + requested_by;
    notification.sequence = world_.random.next() >> 1U;  // the store keeps signed numbers
    notification.key = incident::delivery_key("", notification.receiver, notification.channel,
                                              notification.kind, notification.sequence);
    const std::string key = notification.key;
    TestWaiter& waiter = tests_[key];
    waiter.done = std::move(done);
    waiter.since = world_.executor.clock().monotonic();
    waiter.timer = world_.executor.post_after(kTestDeadline, [this, alive = alive_, key] {
      if (*alive) {
        answer_test(key, base::error(base::ErrorCode::Timeout,
                                     "no outcome within a minute; see the daemon's log"));
      }
    });
    commit_test(std::move(notification));
  });
}

void Notifier::commit_test(incident::Notification notification) {
  const std::string key = notification.key;
  incident::StateChange change;
  change.outbox.push_back(std::move(notification));
  world_.store.commit(std::move(change), world_.executor,
                      [this, alive = alive_, key](const base::Result<void>& stored) {
                        if (!*alive) return;
                        if (!stored) {
                          answer_test(key, stored.error());
                        } else {
                          fetch();
                        }
                      });
}

void Notifier::answer_test(const std::string& key, base::Result<TestResult> result) {
  const auto found = tests_.find(key);
  if (found == tests_.end()) return;
  TestWaiter waiter = std::move(found->second);
  tests_.erase(found);
  world_.executor.cancel(waiter.timer);
  if (result) {
    result->took = std::chrono::duration_cast<base::Duration>(world_.executor.clock().monotonic() -
                                                              waiter.since);
  }
  waiter.done(std::move(result));
}

}  // namespace tocsin::notify
