#include "alertd/notify/notifier.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "common/base/log.h"

namespace tocsin::notify {
namespace {

using incident::WaitingRow;

constexpr std::size_t kReadAtOnce = 2'000;
/// More rows are not held in memory; the rest waits in the store.
constexpr std::size_t kHeldMax = 64'000;
constexpr base::Duration kPollInterval{10'000};
/// What an attempt that never began waits for at most before its deadline counts.
constexpr base::Duration kWaitedMin{600'000};
/// Whatever the clock says, a message is tried this often before it is given up.
constexpr std::uint32_t kAttemptsMin = 3;

}  // namespace

Notifier::Notifier(const NotifierWorld& world, NotifySettings settings, OutcomeHook outcome_hook,
                   ChannelFactory factory)
    : world_(world),
      settings_(std::move(settings)),
      outcome_hook_(std::move(outcome_hook)),
      factory_(std::move(factory)),
      recording_(std::make_unique<Recording>()),
      pending_(world.metrics.gauge("tocsin_alertd_notifications_pending",
                                   "Messages that are not delivered yet.")),
      superseded_(world.metrics.counter("tocsin_alertd_notifications_superseded_total",
                                        "Messages never sent because a newer one, a summary or the "
                                        "end of their incident took their place.")),
      failed_over_(world.metrics.counter("tocsin_alertd_notifications_failed_over_total",
                                         "Copies sent to a failover or fallback channel.")),
      summarized_(world.metrics.counter("tocsin_alertd_notifications_summarized_total",
                                        "Messages told of by a summary.")),
      unrecorded_(world.metrics.counter("tocsin_alertd_notifications_unrecorded_total",
                                        "Messages sent although the store could not record it.")),
      alive_(std::make_shared<bool>(true)) {
  if (!factory_) {
    factory_ = [this](const ChannelSettings& channel, const NotifySettings& notify) {
      return std::shared_ptr<Channel>(
          make_channel(channel, notify,
                       {world_.executor, world_.http, world_.mail, world_.metrics, world_.host_name,
                        world_.commands}));
    };
  }
  make_channels();
}

Notifier::~Notifier() {
  *alive_ = false;
  for (auto& [name, channel] : channels_) channel->begun.clear();  // each holds its channel
}

void Notifier::post(base::Task task) {
  world_.executor.post([alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

void Notifier::make_channels() {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  std::map<std::string, std::shared_ptr<ChannelState>> channels;
  for (const ReceiverSettings& receiver : settings_.receivers) {
    for (const ChannelSettings& channel : receiver.channels) {
      const std::string name = full_name(channel);
      auto state = std::make_shared<ChannelState>(ChannelState{
          channel, factory_(channel, settings_), TokenBucket(channel.rate, now),
          CircuitBreaker(channel.delivery.breaker_failures),
          world_.metrics.counter("tocsin_alertd_notifications_rate_limited_total",
                                 "Times that messages had to wait for the channel's rate limit.",
                                 {{"channel", name}}),
          world_.metrics.histogram(
              "tocsin_alertd_notifications_latency_seconds", "From the decision to the delivery.",
              {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}, {{"channel", name}}),
          world_.metrics.gauge("tocsin_alertd_channel_breaker_open",
                               "1 while a channel fails and is only probed, else 0.",
                               {{"channel", name}})});
      // A reload must not hand out a fresh burst, nor forget what is known of the channel.
      if (const auto old = channels_.find(name); old != channels_.end()) {
        ChannelState kept = *old->second;
        kept.settings = channel;
        kept.channel = state->channel;
        kept.bucket.set_limit(channel.rate);
        kept.breaker.set_threshold(channel.delivery.breaker_failures);
        kept.breaker.abandoned();
        kept.starting = 0;
        kept.begun.clear();
        kept.in_flight = 0;
        *state = std::move(kept);
      }
      channels[name] = std::move(state);
      // Counters exist from the start, so that the first increment is a visible increase.
      for (const char* outcome : {"delivered", "retry", "dead"}) {
        channels[name]->attempts.insert_or_assign(
            outcome, world_.metrics.counter("tocsin_alertd_notifications_total",
                                            "Attempts to deliver a message, by outcome.",
                                            {{"channel", name}, {"outcome", outcome}}));
      }
      for (const FailureReason reason : kFailureReasons) {
        dead_letters(world_.metrics, name, reason);
      }
    }
  }
  channels_ = std::move(channels);
}

void Notifier::start() {
  post([this] {
    if (running_) return;
    running_ = true;
    // What waited when it was stopped may have been sent by another process meanwhile.
    queue_.remove_waiting();
    last_row_ = 0;
    started_at_ = world_.executor.clock().wall();
    fetch();
    plan_proof();
  });
}

void Notifier::stop() {
  post([this] {
    running_ = false;
    world_.executor.cancel(fetch_timer_);
    world_.executor.cancel(wake_timer_);
    world_.executor.cancel(proof_timer_);
    wake_at_ = {};
    for (auto& [name, channel] : channels_) send_begun(channel);
    flush();
  });
}

void Notifier::poke() {
  post([this] { fetch(); });
}

void Notifier::reload(NotifySettings settings) {
  post([this, settings = std::move(settings)]() mutable {
    settings_ = std::move(settings);
    const auto old = channels_;
    make_channels();
    for (const auto& [name, channel] : old) {
      channel->replaced = true;
      send_begun(channel);
    }
    if (running_) plan_proof();
    pump();
  });
}

void Notifier::fetch() {
  if (!running_) return;
  if (queue_.size() >= kHeldMax) {
    held_back_ = true;
    return;
  }
  if (fetching_) {
    fetch_again_ = true;
    return;
  }
  fetching_ = true;
  world_.executor.cancel(fetch_timer_);
  // With nothing in memory everything is looked at again: what was left out for any reason comes
  // back that way.
  if (queue_.size() == 0) last_row_ = 0;
  world_.store.pending_after(last_row_, kReadAtOnce, world_.executor,
                             [this, alive = alive_](base::Result<std::vector<WaitingRow>> result) {
                               if (*alive) fetched(std::move(result));
                             });
}

void Notifier::fetched(base::Result<std::vector<WaitingRow>> result) {
  fetching_ = false;
  if (!running_) return;
  base::Duration next = kPollInterval;
  if (!result) {
    ++fetch_failures_;
    base::log_error(kComponent, "cannot read the outbox: {}", result.error().message);
    next = std::min(kPollInterval, base::Duration{1000} * std::min(fetch_failures_, 10U));
    if (result.error().code == base::ErrorCode::Cancelled) forget_everything();
  } else {
    fetch_failures_ = 0;
    if (result->size() >= kReadAtOnce) fetch_again_ = true;
    for (WaitingRow& row : *result) add_row(std::move(row));
    pump();
  }
  if (std::exchange(fetch_again_, false)) next = base::Duration{0};
  fetch_timer_ = world_.executor.post_after(next, [this, alive = alive_] {
    if (*alive) fetch();
  });
}

void Notifier::drop(const DeliveryPtr& delivery) {
  delivery->used.reset();
  queue_.remove(delivery);
  pending_.set(static_cast<double>(queue_.size()));
  if (held_back_ && queue_.size() < kHeldMax / 2) {
    held_back_ = false;
    fetch();
  }
}

// Another daemon holds the lease and sends now; what is under way here ends nowhere.
void Notifier::forget_everything() {
  for (const DeliveryPtr& delivery : recording_->started) give_back(*delivery);
  for (auto& [name, channel] : channels_) channel->begun.clear();
  queue_.clear();
  *recording_ = {};
  last_row_ = 0;
  pending_.set(0);
}

void Notifier::add_row(WaitingRow row) {
  last_row_ = std::max(last_row_, row.id);
  const base::Clock& clock = world_.executor.clock();
  const base::MonotonicTime now = clock.monotonic();
  base::MonotonicTime due = now;
  // A wait that a former process began. The wall clock may have been set since: never wait longer
  // than the longest back-off, and a row that was never tried waits for nothing.
  if (row.attempts > 0 && !row.outcome_unknown && row.due > clock.wall()) {
    due += std::min(row.due - clock.wall(), kBackoffMax);
  }
  const DeliveryPtr delivery = queue_.add(std::move(row), now, due);
  if (!delivery) return;
  pending_.set(static_cast<double>(queue_.size()));
  if (sent_a_newer_one(*delivery)) {
    settle(delivery, incident::DeliveryState::Superseded, std::string(kOvertaken));
    return;
  }
  drop_overtaken(*delivery);
  if (was_sent_ahead(delivery)) return;
  if (!unheard_.empty() && !delivery->words_only() &&
      unheard_.erase(incident_in(delivery->channel_name, delivery->head().incident_id)) > 0) {
    delivery->opens = true;
  }
  if (const auto channel = channels_.find(delivery->channel_name); channel != channels_.end()) {
    channel->second->urgent_looked_at = false;
  }
  follow_failover(delivery);
  call_back_replaced(*delivery);
  supersede_in(delivery);
  delivery->pack();
}

bool Notifier::expired(const Delivery& delivery) const {
  if (is_proof(delivery)) return delivery.failures >= kAttemptsMin;
  if (delivery.kind == incident::NotificationKind::Test) return delivery.attempt > 0;
  const base::Clock& clock = world_.executor.clock();
  const auto severity = static_cast<std::size_t>(delivery.severity());
  if (clock.wall() < delivery.since + settings_.deadlines[severity]) return false;
  // The wall clock alone may be wrong.
  return delivery.failures >= kAttemptsMin || clock.monotonic() - delivery.seen >= kWaitedMin;
}

void Notifier::pump() {
  if (!running_) return flush();
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (store_retry_at_ > now) {  // nothing can begin before its start can be recorded
    schedule(store_retry_at_);
    flush();
    return;
  }
  for (auto& [name, queue] : queue_.channels()) {
    queue.advance(now);
    if (const auto channel = channels_.find(name); channel != channels_.end()) {
      pump_channel(channel->second, queue, now);
    } else {
      for (const DeliveryPtr& delivery : queue.ready()) {
        bury(delivery, "the channel is not configured (any more)");
      }
    }
    if (const auto due = queue.next_due()) schedule(*due);
  }
  flush();
}

// Once for all that ends at one moment, so that the store records it with one call.
void Notifier::pump_soon() {
  if (std::exchange(pump_posted_, true)) return;
  post([this] {
    pump_posted_ = false;
    pump();
  });
}

// Whether the channel itself lets an attempt begin, and what to do if it does not.
bool Notifier::may_begin(ChannelState& channel, ChannelQueue& queue, base::MonotonicTime now) {
  if (!channel.breaker.closed() && !std::exchange(channel.urgent_looked_at, true)) {
    fail_over_waiting(channel, queue);
  }
  // What the channel asked for holds for probes, too.
  if (channel.paused_until > now) {
    if (queue.waiting_count() > 0) schedule(channel.paused_until);
    return false;
  }
  if (channel.breaker.closed() || channel.breaker.allows(now)) return true;
  if (channel.breaker.state() == CircuitBreaker::State::Open && queue.waiting_count() > 0) {
    schedule(channel.breaker.probe_at());
  }
  return false;
}

void Notifier::pump_channel(const std::shared_ptr<ChannelState>& shared, ChannelQueue& queue,
                            base::MonotonicTime now) {
  ChannelState& channel = *shared;
  while (true) {
    if (!may_begin(channel, queue, now)) {
      // What waits behind a breaker for too long is given up all the same.
      for (DeliveryPtr head = queue.front(); head && expired(*head); head = queue.front()) {
        bury(head, "not delivered within the deadline");
      }
      return;
    }
    // The probe is the most urgent message, whatever its own time.
    const DeliveryPtr head = channel.breaker.closed() ? queue.front() : queue.best();
    if (!head) return;
    if (expired(*head)) {
      bury(head, "not delivered within the deadline");
      continue;
    }
    if (sent_a_newer_one(*head)) {
      settle(head, incident::DeliveryState::Superseded, std::string(kOvertaken));
      continue;
    }
    if (!may_begin_another(channel, head->critical())) return;
    if (!channel.bucket.take(now, head->critical())) {
      if (!channel.limited) {
        channel.rate_limited.increment();
        base::log_warning(kComponent, "{}: rate limit reached, {} messages wait", queue.name(),
                          queue.ready_count());
      }
      channel.limited = true;
      if (!head->critical() && summarize(channel, queue)) continue;
      schedule(now + channel.bucket.wait(now, head->critical()));
      return;
    }
    channel.limited = false;
    begin_attempt(head, shared);
  }
}

// One timer for the earliest thing to come.
void Notifier::schedule(base::MonotonicTime at) {
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (wake_at_ > now && wake_at_ <= at) return;
  world_.executor.cancel(wake_timer_);
  wake_at_ = at;
  wake_timer_ = world_.executor.post_at(at, [this, alive = alive_] {
    if (!*alive) return;
    wake_at_ = {};
    pump();
  });
}

void Notifier::channels(std::function<void(std::vector<ChannelInfo>)> done) {
  post([this, done = std::move(done)] {
    const base::MonotonicTime now = world_.executor.clock().monotonic();
    std::vector<ChannelInfo> all;
    for (const auto& [name, channel] : channels_) {
      ChannelInfo info;
      info.name = name;
      const CircuitBreaker& breaker = channel->breaker;
      info.state = !breaker.closed()             ? std::string(to_string(breaker.state()))
                   : channel->paused_until > now ? "paused"
                   : breaker.failures() > 0      ? "failing"
                                                 : "ok";
      const auto queue = queue_.channels().find(name);
      info.waiting = channel->starting + channel->begun.size();
      if (queue != queue_.channels().end()) info.waiting += queue->second.waiting_count();
      info.in_flight = channel->in_flight;
      info.failover = channel->settings.delivery.failover;
      info.last_delivered = channel->last_delivered;
      info.last_failed = channel->last_failed;
      info.last_error = channel->last_error;
      info.delivered = channel->delivered;
      info.failed = channel->failed;
      all.push_back(std::move(info));
    }
    done(std::move(all));
  });
}

}  // namespace tocsin::notify
