// Test messages: asked for by people, and the daily proof that a quiet channel still works. They
// are ordinary rows of the outbox.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/notifier_state.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::NotificationKind;

/// A channel that delivered something real within this needs no proof.
constexpr base::Duration kProvenFor = std::chrono::hours(24);
/// The wall clock may be set: the time of the proof is looked at again at least so often.
constexpr base::Duration kProofLookMax = std::chrono::minutes(10);

incident::Notification test_message(const ChannelSettings& channel, base::WallTime now,
                                    std::string comment) {
  incident::Notification message;
  message.kind = NotificationKind::Test;
  message.reason = incident::Reason::Requested;
  message.receiver = channel.receiver;
  message.channel = channel.name;
  message.created_at = now;
  message.incident.opened_at = now;
  message.incident.severity = model::Severity::Low;
  message.incident.peak_severity = model::Severity::Low;
  message.incident.title = "Test message";
  message.incident.comment = std::move(comment);
  return message;
}

void give_key(incident::Notification& message) {
  message.key =
      incident::delivery_key("", message.receiver, message.channel, message.kind, message.sequence);
}

}  // namespace

void Notifier::send_test(std::string target, std::string requested_by,
                         std::function<void(base::Result<TestResult>)> done) {
  post([this, target = std::move(target), requested_by = std::move(requested_by),
        done = std::move(done)]() mutable { send_test_now(target, requested_by, done); });
}

void Notifier::send_test_now(const std::string& target, const std::string& requested_by,
                             const std::function<void(base::Result<TestResult>)>& done) {
  const ChannelState* chosen = nullptr;
  for (const auto& [name, channel] : channels_) {
    if (chosen == nullptr && (name == target || channel->settings.receiver == target)) {
      chosen = channel.get();
    }
  }
  if (chosen == nullptr) {
    done(unknown_channel(target));
    return;
  }
  auto message = test_message(chosen->settings, world_.executor.clock().wall(),
                              "requested by " + requested_by);
  message.sequence = world_.random.next() >> 1U;  // the store keeps signed numbers
  give_key(message);
  const std::string key = message.key;
  TestWaiter& waiter = tests_[key];
  waiter.done = done;
  waiter.since = world_.executor.clock().monotonic();
  waiter.timer = world_.executor.post_after(kTestDeadline, [this, alive = alive_, key] {
    if (!*alive) return;
    answer_test(key, base::error(base::ErrorCode::Timeout,
                                 "no outcome within a minute; see the daemon's log"));
  });
  incident::StateChange change;
  change.outbox.push_back(std::move(message));
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

base::Error Notifier::unknown_channel(const std::string& target) const {
  const std::vector<std::string> names = base::keys_of(channels_);
  const auto close = base::closest(target, names);
  return base::error(base::ErrorCode::NotFound,
                     close ? fmt::format("no channel '{}'; did you mean '{}'?", target, *close)
                           : fmt::format("no channel '{}'; there are: {}", target,
                                         names.empty() ? "none" : base::join(names, ", ")));
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

// The next local day's time, or today's if it is still to come.
void Notifier::plan_proof() {
  world_.executor.cancel(proof_timer_);
  if (!settings_.delivery.proof) return;
  const ProofSettings& proof = *settings_.delivery.proof;
  const base::WallTime now = world_.executor.clock().wall();
  const timezone::LocalTime today = timezone::day_of(proof.zone.to_local(now));
  base::WallTime next = proof.zone.to_wall(today + proof.at);
  if (next <= now) {
    next = proof.zone.to_wall(timezone::day_of(today + std::chrono::hours(36)) + proof.at);
  }
  proof_at_ = next;
  look_for_proof();
}

void Notifier::look_for_proof() {
  const base::WallTime now = world_.executor.clock().wall();
  if (now >= proof_at_) {
    prove_channels();
    plan_proof();
    return;
  }
  proof_timer_ =
      world_.executor.post_after(std::min(proof_at_ - now, kProofLookMax), [this, alive = alive_] {
        if (*alive && running_) look_for_proof();
      });
}

void Notifier::prove_channels() {
  const base::WallTime now = world_.executor.clock().wall();
  for (const auto& [name, channel] : channels_) {
    if (channel->last_real && now - *channel->last_real < kProvenFor) continue;
    auto message = test_message(channel->settings, now, std::string(kProofComment));
    message.sequence = static_cast<std::uint64_t>(base::to_ms(proof_at_));
    give_key(message);
    base::log_info(kComponent, "{}: nothing real for a day; proving it", name);
    recording_->outbox.push_back(std::move(message));
  }
  flush();
}

}  // namespace tocsin::notify
