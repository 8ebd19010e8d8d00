// What the notifier writes into the store: many attempts, outcomes and settled rows with one call.
//
// While one call is under way the next one gathers, and while the channels have enough begun to go
// on with it gathers for a moment more: a quiet daemon records at once, and a storm in few, large
// transactions.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "alertd/notify/superseding.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::DeliveryState;

constexpr base::Duration kStoreRetryMax{5'000};
constexpr base::Duration kGatherMax{10};

base::Result<void> of(const std::vector<base::Result<void>>& results, std::size_t i) {
  return i < results.size() ? results[i] : base::ok();
}

}  // namespace

base::Duration Notifier::store_retry_delay() const {
  return std::min(base::Duration{500} * std::max(store_failures_, 1U), kStoreRetryMax);
}

void Notifier::flush() {
  if (flushing_ || recording_->empty()) return;
  if (may_gather()) return schedule(*recording_->due);
  flushing_ = true;
  auto recording = std::make_shared<Recording>(std::move(*recording_));
  *recording_ = {};
  incident::DeliveryBatch batch;
  for (const Recording::Finished& one : recording->finished) {
    // Its start could not be recorded then.
    if (one.delivery->unrecorded) {
      batch.started.push_back({one.result.row_id, one.result.attempt, one.delivery->started_at});
    }
  }
  recording->extra_starts = batch.started.size();
  for (const DeliveryPtr& delivery : recording->started) {
    batch.started.push_back({delivery->row_id, delivery->attempt + 1, delivery->started_at});
  }
  for (const Recording::Finished& one : recording->finished) batch.finished.push_back(one.result);
  for (const Settled& one : recording->settled) {
    batch.settled.push_back({one.delivery->row_id, one.state, one.why});
  }
  batch.outbox = recording->outbox;
  world_.store.record(
      std::move(batch), world_.executor,
      [this, alive = alive_, recording](const base::Result<incident::DeliveryBatchOutcome>& got) {
        if (*alive) flushed(std::move(*recording), got);
      });
}

// Nobody waits for what is to be recorded: neither a channel for the next start, nor what is not
// about an attempt.
bool Notifier::may_gather() {
  if (!running_ || recording_->pressing) return false;
  if (!recording_->settled.empty() || !recording_->outbox.empty()) return false;
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (!recording_->due) recording_->due = now + kGatherMax;
  return now < *recording_->due;
}

void Notifier::flushed(Recording recording,
                       const base::Result<incident::DeliveryBatchOutcome>& outcome) {
  flushing_ = false;
  const base::MonotonicTime now = world_.executor.clock().monotonic();
  if (outcome) {
    store_failures_ = 0;
    store_down_since_.reset();
    store_retry_at_ = {};
  } else {
    ++store_failures_;
    if (!store_down_since_) store_down_since_ = now;
    store_retry_at_ = now + store_retry_delay();
    if (outcome.error().code == base::ErrorCode::Cancelled) {
      base::log_warning(kComponent, "{}", outcome.error().message);
      for (const DeliveryPtr& delivery : recording.started) give_back(*delivery);
      forget_everything();
      return;
    }
  }
  const auto result = [&](const std::vector<base::Result<void>>* results,
                          std::size_t i) -> base::Result<void> {
    return results == nullptr ? base::Result<void>(outcome.error()) : of(*results, i);
  };
  const incident::DeliveryBatchOutcome* done = outcome ? &*outcome : nullptr;
  for (std::size_t i = 0; i < recording.settled.size(); ++i) {
    const Settled& one = recording.settled[i];
    settled(one, result(done ? &done->settled : nullptr, i));
  }
  for (std::size_t i = 0; i < recording.finished.size(); ++i) {
    recorded(recording.finished[i].delivery, recording.finished[i].result,
             result(done ? &done->finished : nullptr, i));
  }
  for (std::size_t i = 0; i < recording.started.size(); ++i) {
    const auto stored = result(done ? &done->started : nullptr, i + recording.extra_starts);
    if (stored) {
      started(recording.started[i]);
    } else {
      not_started(recording.started[i], stored.error());
    }
  }
  if (!recording.outbox.empty()) {
    if (outcome) {
      fetch();
    } else {
      // The keys are the same: written twice equals once. A summary belongs to rows that wait
      // again.
      std::erase_if(recording.outbox, [](const incident::Notification& message) {
        return message.kind == incident::NotificationKind::Summary;
      });
      std::move(recording.outbox.begin(), recording.outbox.end(),
                std::back_inserter(recording_->outbox));
      schedule(store_retry_at_);
    }
  }
  pump();
}

void Notifier::settle(const DeliveryPtr& delivery, DeliveryState state, std::string why) {
  delivery->phase = Phase::Settling;
  queue_.changed(delivery);
  recording_->settled.push_back({delivery, state, std::move(why)});
}

void Notifier::settled(const Settled& one, const base::Result<void>& stored) {
  if (stored) {
    finish(one.delivery, one.state, one.why);
    return;
  }
  if (stored.error().code == base::ErrorCode::NotFound ||
      stored.error().code == base::ErrorCode::InvalidArgument) {
    drop(one.delivery);
    return;
  }
  // Not settled, so it waits as before and is looked at again.
  base::log_error(kComponent, "{}: cannot record what became of a message: {}",
                  one.delivery->channel_name, stored.error().message);
  one.delivery->phase = Phase::Waiting;
  one.delivery->due = store_retry_at_;
  queue_.changed(one.delivery);
  world_.executor.post_at(store_retry_at_, [this, alive = alive_, delivery = one.delivery] {
    if (!*alive) return;
    supersede_in(delivery);
    pump();
  });
}

// Gives a row up without sending.
void Notifier::bury(const DeliveryPtr& delivery, const std::string& why) {
  count(*delivery, "dead");
  if (!tests_.empty()) answer_test(std::string(delivery->head().key), TestResult{false, why, {}});
  settle(delivery, DeliveryState::Dead, why);
}

void Notifier::supersede_in(const DeliveryPtr& delivery) {
  // Alone it can only be the end of what nobody heard of.
  if (delivery->alone() && delivery->kind != incident::NotificationKind::Resolved) return;
  for (Superseded& one : supersede(queue_.lane_of(*delivery), settings_.delivery.unsent_resolved)) {
    settle(one.delivery, DeliveryState::Superseded, std::move(one.why));
  }
}

}  // namespace tocsin::notify
