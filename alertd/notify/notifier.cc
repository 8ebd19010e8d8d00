#include "alertd/notify/notifier.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "alertd/notify/notifier_state.h"
#include "common/base/check.h"
#include "common/base/log.h"

namespace tocsin::notify {
namespace {

using incident::DeliveryState;
using incident::NotificationKind;
using incident::OutboxRow;

constexpr const char* kComponent = "alertd/notify";
constexpr std::size_t kWindowMin = 1'000;
constexpr std::size_t kWindowMax = 64'000;
constexpr base::Duration kPollInterval{10'000};
// "Due" so far ahead that pending() returns every pending row, the oldest first: 2100-01-01.
constexpr base::WallTime kEver = base::wall_time(4'102'444'800'000);

std::string channel_key(const incident::Notification& notification) {
  return notification.receiver + "/" + notification.channel;
}

std::string lane_key(const incident::Notification& notification) {
  const std::string& incident =
      notification.incident.id.empty() ? notification.key : notification.incident.id;
  return channel_key(notification) + '\n' + incident;
}

}  // namespace

Notifier::Notifier(const NotifierWorld& world, NotifySettings settings, OutcomeHook outcome_hook,
                   ChannelFactory factory)
    : world_(world),
      settings_(std::move(settings)),
      outcome_hook_(std::move(outcome_hook)),
      factory_(std::move(factory)),
      window_(kWindowMin),
      pending_(world.metrics.gauge("tocsin_alertd_notifications_pending",
                                   "Messages that are not delivered yet.")),
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
      TokenBucket bucket(channel.rate, now);
      // A reload must not hand out a fresh burst.
      if (const auto old = channels_.find(name); old != channels_.end()) {
        bucket = old->second->bucket;
        bucket.set_limit(channel.rate);
      }
      channels[name] = std::make_shared<ChannelState>(ChannelState{
          channel, factory_(channel, settings_), bucket, 0,
          world_.metrics.counter("tocsin_alertd_notifications_rate_limited_total",
                                 "Times that messages had to wait for the channel's rate limit.",
                                 {{"channel", name}}),
          world_.metrics.histogram(
              "tocsin_alertd_notifications_latency_seconds", "From the decision to the delivery.",
              {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}, {{"channel", name}}),
          false});
      for (const char* outcome : {"delivered", "retry", "dead"}) {
        world_.metrics.counter("tocsin_alertd_notifications_total",
                               "Attempts to deliver a message, by outcome.",
                               {{"channel", name}, {"outcome", outcome}});
      }
      // Counters exist from the start, so that the first increment is a visible increase.
      for (const FailureReason reason : kFailureReasons) {
        dead_letters(world_.metrics, name, reason);
      }
    }
  }
  channels_ = std::move(channels);
}

void Notifier::start() {
  post([this] {
    running_ = true;
    fetch();
  });
}

void Notifier::stop() {
  post([this] {
    running_ = false;
    world_.executor.cancel(fetch_timer_);
    world_.executor.cancel(wake_timer_);
    wake_at_ = {};
  });
}

void Notifier::poke() {
  post([this] { fetch(); });
}

void Notifier::reload(NotifySettings settings) {
  post([this, settings = std::move(settings)]() mutable {
    settings_ = std::move(settings);
    make_channels();
    pump();
  });
}

void Notifier::fetch() {
  if (!running_) return;
  if (fetching_) {
    fetch_again_ = true;
    return;
  }
  fetching_ = true;
  world_.executor.cancel(fetch_timer_);
  world_.store.pending(kEver, window_, world_.executor,
                       [this, alive = alive_](base::Result<incident::PendingRows> result) {
                         if (*alive) fetched(std::move(result));
                       });
}

void Notifier::fetched(base::Result<incident::PendingRows> result) {
  fetching_ = false;
  if (!running_) return;
  base::Duration next = kPollInterval;
  if (!result) {
    ++fetch_failures_;
    base::log_error(kComponent, "cannot read the outbox: {}", result.error().message);
    next = std::min(kPollInterval, base::Duration{1000} * std::min(fetch_failures_, 10U));
  } else {
    fetch_failures_ = 0;
    const bool full = result->rows.size() >= window_;
    for (OutboxRow& row : result->rows) add_row(std::move(row));
    pending_.set(static_cast<double>(deliveries_.size()));
    pump();
    // What waits now cannot go now. A full window of it hides the rows behind.
    const auto waiting = static_cast<std::size_t>(
        std::count_if(deliveries_.begin(), deliveries_.end(),
                      [](const auto& one) { return one.second->phase == Phase::Waiting; }));
    if (full && waiting > window_ / 2 && window_ < kWindowMax) {
      window_ = std::min(window_ * 2, kWindowMax);
      fetch_again_ = true;
      base::log_warning(kComponent, "{} messages wait for their channels; looking further",
                        waiting);
    } else if (!full && window_ > kWindowMin && deliveries_.size() < kWindowMin / 2) {
      window_ = kWindowMin;
    }
  }
  if (std::exchange(fetch_again_, false)) {
    // A large window costs time to read: not again at once.
    next = base::Duration{static_cast<std::int64_t>(window_ / kWindowMin - 1) * 500};
  }
  fetch_timer_ = world_.executor.post_after(next, [this, alive = alive_] {
    if (*alive) fetch();
  });
}

void Notifier::add_row(OutboxRow row) {
  if (deliveries_.count(row.id) > 0) return;
  auto delivery = std::make_shared<Delivery>();
  const base::Clock& clock = world_.executor.clock();
  delivery->channel_name = channel_key(row.notification);
  delivery->lane = lane_key(row.notification);
  delivery->due = clock.monotonic();
  // A wait that a former process began. The wall clock may have been set since: never wait longer
  // than the longest back-off, and a row that was never tried waits for nothing.
  if (row.attempts > 0 && !row.outcome_unknown && row.due > clock.wall()) {
    delivery->due += std::min(row.due - clock.wall(), kBackoffMax);
  }
  delivery->attempt = row.attempts;
  delivery->row = std::move(row);
  lanes_[delivery->lane].rows[delivery->row.id] = delivery;
  deliveries_[delivery->row.id] = delivery;
}

void Notifier::pump() {
  if (!running_) return;
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  std::vector<DeliveryPtr> hopeless;
  for (const auto& [key, lane] : lanes_) {
    const DeliveryPtr& head = lane.rows.begin()->second;
    if (head->phase != Phase::Waiting) continue;
    if (channels_.count(head->channel_name) == 0) {
      if (head->due <= now) hopeless.push_back(head);
    } else if (head->due > now) {
      schedule(head->due);
    }
  }
  for (const DeliveryPtr& delivery : hopeless) {
    bury(delivery, "the channel is not configured (any more)");
  }
  for (auto& [name, channel] : channels_) pump_channel(*channel, now);
}

void Notifier::pump_channel(ChannelState& channel, base::MonotonicTime now) {
  const std::string name = full_name(channel.settings);
  std::vector<DeliveryPtr> ready;
  for (auto lane = lanes_.lower_bound(name + '\n');
       lane != lanes_.end() && lane->first.starts_with(name + '\n'); ++lane) {
    const DeliveryPtr& head = lane->second.rows.begin()->second;
    if (head->phase == Phase::Waiting && head->due <= now) ready.push_back(head);
  }
  // The worst first, then the oldest.
  std::sort(ready.begin(), ready.end(), [](const DeliveryPtr& a, const DeliveryPtr& b) {
    const auto severity = [](const DeliveryPtr& one) {
      return one->row.notification.incident.severity;
    };
    if (severity(a) != severity(b)) return severity(a) > severity(b);
    return a->row.id < b->row.id;
  });
  for (const DeliveryPtr& delivery : ready) {
    if (expired(*delivery)) {
      bury(delivery, "not delivered within the deadline");
      continue;
    }
    if (channel.in_flight >= channel.settings.in_flight_max) return;
    const bool critical = delivery->row.notification.incident.severity == model::Severity::Critical;
    if (!channel.bucket.take(now, critical)) {
      if (!channel.limited) {
        channel.rate_limited.increment();
        base::log_warning(kComponent, "{}: rate limit reached, {} messages wait", name,
                          ready.size());
      }
      channel.limited = true;
      schedule(now + channel.bucket.wait(now, critical));
      return;
    }
    channel.limited = false;
    delivery->used = channels_[name];
    begin_attempt(delivery);
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

}  // namespace tocsin::notify
