// One attempt: start recorded, sent, outcome recorded.

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

// Beyond the channel's own time-out: it must have called back by then.
constexpr base::Duration kWatchdogSlack{30'000};
// How long a Critical or High message waits for a store that cannot record its start.
constexpr base::Duration kUnrecordedGrace{10'000};
constexpr std::size_t kUnheardMax = 20'000;

incident::Notification without_resolved(incident::Notification message) {
  std::erase_if(message.alerts, [](const incident::NotifiedAlert& one) { return !one.firing; });
  return message;
}

}  // namespace

base::Counter dead_letters(base::Metrics& metrics, const std::string& channel,
                           FailureReason reason) {
  return metrics.counter("tocsin_alertd_notifications_failed_total",
                         "Messages given up: dead letters.",
                         {{"channel", channel}, {"reason", std::string(to_string(reason))}});
}

void Notifier::begin_attempt(const DeliveryPtr& delivery,
                             const std::shared_ptr<ChannelState>& channel) {
  const base::Clock& clock = world_.executor.clock();
  delivery->phase = Phase::Starting;
  delivery->used = channel;
  ++channel->starting;
  delivery->probe = !channel->breaker.closed();
  channel->breaker.began(clock.monotonic());
  delivery->started_at = clock.wall();
  queue_.changed(delivery);
  recording_->started.push_back(delivery);
  // It would go before all that has begun.
  if (channel->begun.empty() || channel->begun.front()->severity() < delivery->severity()) {
    recording_->pressing = true;
  }
}

void Notifier::started(const DeliveryPtr& delivery) {
  if (delivery->phase != Phase::Starting) return;
  delivery->store_failures = 0;
  has_begun(delivery);
}

void Notifier::not_started(const DeliveryPtr& delivery, const base::Error& error) {
  if (delivery->phase != Phase::Starting) return;
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (error.code == base::ErrorCode::NotFound || error.code == base::ErrorCode::InvalidArgument ||
      error.code == base::ErrorCode::Cancelled) {
    // Pruned, called off, or finished by another process.
    base::log_info(kComponent, "{}: {}", delivery->channel_name, error.message);
    give_back(*delivery);
    drop(delivery);
    return;
  }
  if (delivery->urgent() && store_down_since_ && now - *store_down_since_ >= kUnrecordedGrace) {
    // Better paged twice than not at all: the key is the same.
    base::log_error(kComponent, "{} {}: sent although its start cannot be recorded: {}",
                    delivery->channel_name, delivery->message().incident.id, error.message);
    unrecorded_.increment();
    delivery->unrecorded = true;
    has_begun(delivery);
    return;
  }
  base::log_error(kComponent, "{}: cannot record an attempt: {}", delivery->channel_name,
                  error.message);
  give_back(*delivery);
  delivery->phase = Phase::Waiting;
  delivery->due = now + store_retry_delay();
  queue_.changed(delivery);
}

// What the channel returned for the incident's earlier messages. Without them it still can send.
void Notifier::read_receipts(const DeliveryPtr& delivery,
                             std::function<void(std::vector<Receipt>)> done) {
  const incident::Notification& message = delivery->message();
  if (!delivery->used->channel->wants_receipts() || message.incident.id.empty() ||
      message.sequence <= 1 || delivery->unrecorded) {
    done({});
    return;
  }
  world_.store.receipts(
      {message.incident.id, message.receiver, message.channel}, world_.executor,
      [this, alive = alive_, delivery,
       done = std::move(done)](const base::Result<std::vector<incident::Receipt>>& stored) {
        if (!*alive) return;
        std::vector<Receipt> receipts;
        if (!stored) {
          base::log_warning(kComponent, "{}: cannot read the receipts of {}: {}",
                            delivery->channel_name, delivery->message().incident.id,
                            stored.error().message);
        } else {
          for (const incident::Receipt& one : *stored) {
            receipts.push_back({one.sequence, one.receipt});
          }
        }
        done(std::move(receipts));
      });
}

void Notifier::send(const DeliveryPtr& delivery, std::vector<Receipt> receipts) {
  const std::shared_ptr<ChannelState> used = delivery->used;
  const std::uint32_t attempt = delivery->attempt;
  delivery->sent_at = world_.executor.clock().monotonic();
  const incident::Notification& message = delivery->message();
  if (!used->settings.send_resolved && message.kind == NotificationKind::Resolved) {
    post([this, delivery, attempt] {
      ended(delivery, attempt,
            {Verdict::Delivered, "not sent: send_resolved is false for this channel"});
    });
    return;
  }
  delivery->watchdog = world_.executor.post_after(
      used->settings.timeout + kWatchdogSlack, [this, alive = alive_, delivery, attempt] {
        if (!*alive) return;
        ended(delivery, attempt,
              {Verdict::Retry, "the channel did not answer", {}, true, FailureReason::Unreachable});
      });
  const DeliveryKey key{message.key, delivery->outcome_unknown, std::move(receipts)};
  // `used` is held until the answer: the channel may be replaced by a reload meanwhile.
  auto done = [this, alive = alive_, delivery, attempt, used](Outcome outcome) {
    if (*alive) ended(delivery, attempt, std::move(outcome));
  };
  if (used->settings.send_resolved) {
    used->channel->send(message, key, std::move(done));
  } else {
    used->channel->send(without_resolved(message), key, std::move(done));
  }
}

void Notifier::ended(const DeliveryPtr& delivery, std::uint32_t attempt, Outcome outcome) {
  // A late answer after the watchdog, or one from an attempt long past.
  if (delivery->phase != Phase::Sending || delivery->attempt != attempt) return;
  world_.executor.cancel(delivery->watchdog);
  const base::Clock& clock = world_.executor.clock();
  AttemptResult result;
  result.row_id = delivery->row_id;
  result.attempt = attempt;
  result.finished_at = clock.wall();
  result.latency =
      std::chrono::duration_cast<base::Duration>(clock.monotonic() - delivery->sent_at);
  result.text = outcome.text.substr(0, incident::kAttemptTextMax);
  result.receipt = std::move(outcome.receipt);
  delivery->phase = Phase::Recording;
  delivery->probe = false;
  delivery->failure = outcome.reason;
  // After a reload what is learnt belongs to the channel's new record.
  const auto current = channels_.find(delivery->channel_name);
  note_outcome(current == channels_.end() ? *delivery->used : *current->second, *delivery, outcome);
  --delivery->used->in_flight;
  if (outcome.verdict == Verdict::Retry) ++delivery->failures;
  if (outcome.verdict == Verdict::Delivered) {
    result.state = DeliveryState::Delivered;
  } else if (outcome.verdict == Verdict::Permanent || expired(*delivery)) {
    result.state = DeliveryState::Dead;
  } else {
    retry_later(delivery, outcome, result);
  }
  count(*delivery, attempt_outcome(result.state).data());
  if (!tests_.empty()) {
    answer_test(delivery->message().key,
                TestResult{result.state == DeliveryState::Delivered, result.text, {}});
  }
  const bool delivered = result.state == DeliveryState::Delivered;
  recording_->finished.push_back({delivery, std::move(result)});
  send_begun(delivery->used);
  if (!delivered || !delivery->used->well_ahead()) recording_->pressing = true;
  pump_soon();
}

void Notifier::retry_later(const DeliveryPtr& delivery, const Outcome& outcome,
                           AttemptResult& result) {
  const base::Clock& clock = world_.executor.clock();
  // The count goes over to the messages that supersede this one, so that their incident does not
  // begin again with short waits.
  const base::Duration delay = retry_delay(delivery->failures, outcome.retry_after, world_.random);
  result.state = DeliveryState::Pending;
  result.next_due = clock.wall() + delay;
  delivery->due = clock.monotonic() + delay;
  // An earlier attempt may have reached the receiver, whatever became of this one.
  delivery->outcome_unknown = delivery->outcome_unknown || outcome.unknown;
  base::log_warning(kComponent, "{} {}: attempt {}: {}; next in {}", delivery->channel_name,
                    delivery->message().incident.id, result.attempt,
                    base::escape_control(outcome.text), base::format_duration(delay));
  if (delivery->failures >= delivery->used->settings.delivery.failover_after) {
    fail_over(delivery, fmt::format("{} failed attempts, the last: {}", delivery->failures,
                                    base::escape_control(outcome.text)));
  }
}

// What the answer says about the channel, beyond this one message.
void Notifier::note_outcome(ChannelState& channel, const Delivery& delivery,
                            const Outcome& outcome) {
  const base::Clock& clock = world_.executor.clock();
  const base::MonotonicTime now = clock.monotonic();
  if (outcome.verdict == Verdict::Delivered) {
    ++channel.delivered;
    channel.last_delivered = clock.wall();
    if (delivery.kind != NotificationKind::Test) channel.last_real = clock.wall();
  } else {
    ++channel.failed;
    channel.last_failed = clock.wall();
    channel.last_error = base::escape_control(outcome.text);
  }
  if (outcome.verdict != Verdict::Retry) {
    const bool was_open = !channel.breaker.closed();
    channel.breaker.answered();
    channel.breaker_open.set(0);
    if (!was_open) return;
    base::log_info(kComponent, "{}: answers again", delivery.channel_name);
    // They waited because of the channel; that is over.
    const auto queue = queue_.channels().find(delivery.channel_name);
    if (queue != queue_.channels().end()) queue->second.release_all(now);
    return;
  }
  if (outcome.reason == FailureReason::RateLimited) {
    // The others would only be refused too. It is alive, so the breaker has no part in this.
    channel.breaker.abandoned();
    channel.paused_until = std::max(
        channel.paused_until, now + std::clamp(outcome.retry_after, kBackoffMin, kRetryAfterMax));
    return;
  }
  if (!channel.breaker.failed(now, world_.random)) return;
  channel.breaker_open.set(1);
  channel.urgent_looked_at = false;
  base::log_error(kComponent, "{}: {} failures in a row, only probed from now on; the last: {}",
                  delivery.channel_name, channel.breaker.failures(), channel.last_error);
}

void Notifier::recorded(const DeliveryPtr& delivery, const AttemptResult& result,
                        const base::Result<void>& stored) {
  if (!stored && (stored.error().code == base::ErrorCode::NotFound ||
                  stored.error().code == base::ErrorCode::Cancelled)) {
    drop(delivery);
    return;
  }
  if (!stored) {
    // Until it is recorded the lane waits: sending the next message now and this one again after a
    // crash would turn their order around.
    base::log_error(kComponent, "{}: cannot record an outcome: {}", delivery->channel_name,
                    stored.error().message);
    world_.executor.post_after(store_retry_delay(), [this, alive = alive_, delivery, result] {
      if (!*alive) return;
      recording_->finished.push_back({delivery, result});
      recording_->pressing = true;
      flush();
    });
    return;
  }
  delivery->unrecorded = false;
  if (result.state == DeliveryState::Pending) {
    delivery->phase = Phase::Waiting;
    queue_.changed(delivery);
    supersede_in(delivery);
    delivery->pack();
  } else {
    finish(delivery, result.state, result.text);
  }
}

void Notifier::finish(const DeliveryPtr& delivery, DeliveryState state, const std::string& text) {
  const incident::Notification& message = delivery->message();
  if (state == DeliveryState::Delivered) {
    const auto age = world_.executor.clock().wall() - message.created_at;
    if (delivery->used) {
      delivery->used->latency.observe(std::max(0.0, static_cast<double>(age.count()) / 1000.0));
    }
    base::log_info(kComponent, "{} {}: {} delivered: {}", delivery->channel_name,
                   message.incident.id, to_string(message.kind), base::escape_control(text));
  } else if (state == DeliveryState::Superseded) {
    superseded_.increment();
    base::log_info(kComponent, "{} {}: {} not sent: {}", delivery->channel_name,
                   message.incident.id, to_string(message.kind), text);
  } else {
    dead_letters(world_.metrics, delivery->channel_name, delivery->failure).increment();
    base::log_error(kComponent, "{} {}: {} GIVEN UP after {} attempts: {}", delivery->channel_name,
                    message.incident.id, to_string(message.kind), delivery->attempt,
                    base::escape_control(text));
    if (!delivery->failed_over) fail_over(delivery, "given up: " + base::escape_control(text));
    dead_letter(*delivery, base::escape_control(text));
  }
  if (outcome_hook_) outcome_hook_(message, delivery->attempt, state, text);
  const DeliveryPtr next = state == DeliveryState::Dead ? pass_on_unheard(*delivery) : nullptr;
  drop(delivery);
  if (next) supersede_in(next);
}

// Given up before any attempt: the next message of the incident is the first that its receiver can
// hear of. Returns it if it waits already.
DeliveryPtr Notifier::pass_on_unheard(const Delivery& delivery) {
  if (!delivery.unheard() || !delivery.queued()) return nullptr;
  for (const DeliveryPtr& each : queue_.lane_of(delivery)) {
    if (each->row_id <= delivery.row_id || each->words_only()) continue;
    each->opens = true;
    return each;
  }
  if (unheard_.size() >= kUnheardMax) unheard_.erase(unheard_.begin());
  unheard_.insert(incident_in(delivery.channel_name, delivery.head().incident_id));
  return nullptr;
}

void Notifier::count(const Delivery& delivery, const char* outcome) {
  if (const auto channel = channels_.find(delivery.channel_name); channel != channels_.end()) {
    const auto known = channel->second->attempts.find(std::string_view(outcome));
    if (known != channel->second->attempts.end()) return known->second.increment();
  }
  world_.metrics
      .counter("tocsin_alertd_notifications_total", "Attempts to deliver a message, by outcome.",
               {{"channel", delivery.channel_name}, {"outcome", outcome}})
      .increment();
}

}  // namespace tocsin::notify
