// The notifier: takes messages from the outbox to their channels, at least once each.
//
// For every attempt: its start is made durable, then the channel sends, then the outcome is made
// durable. A crash in between leaves a row without outcome, which is sent again with the same key.
// Messages of one incident to one channel form a lane and go in order (delivery_queue.h); a newer
// one takes the place of an older one that was not sent (superseding.h). Lanes and channels do not
// wait for each other: each channel has its own slots, rate and circuit breaker (pacing.h), so that
// a dead mail server holds up mail only. Messages for a channel that fails also go to its failover
// channel, as copies with keys of their own; what waits beyond a channel's rate is told by one
// summary. What many attempts have to record at one moment goes into the store with one call, and
// while a channel works its next attempts are begun before their slots are free.
//
// Every pending row is held here, read in order of commit, so order survives a restart.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "alertd/incident/state_store.h"
#include "alertd/notify/channel.h"
#include "alertd/notify/channels.h"
#include "alertd/notify/delivery_queue.h"
#include "alertd/notify/message.h"
#include "alertd/notify/notifier_info.h"
#include "alertd/notify/pacing.h"
#include "alertd/notify/receivers.h"
#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/base/random.h"

namespace tocsin::notify {

/// Told of each delivery that ended: Delivered, Dead or Superseded.
using OutcomeHook = std::function<void(const incident::Notification&, std::uint32_t attempts,
                                       incident::DeliveryState, const std::string& text)>;

/// Name of the alert that the notifier raises when it gives a message up.
inline constexpr std::string_view kSelfAlertName = "TocsinNotificationsFailing";

struct NotifierWorld {
  base::Executor& executor;  ///< One task at a time; everything below runs on it.
  incident::StateStore& store;
  net::HttpClient& http;
  net::MailClient& mail;
  base::Random& random;
  base::Metrics& metrics;
  std::string host_name;
  base::CommandRunner* commands = nullptr;  ///< For channels of the kind "command"; may be none.
};

/// Makes a channel from its settings; tests pass their own.
using ChannelFactory =
    std::function<std::shared_ptr<Channel>(const ChannelSettings&, const NotifySettings&)>;

/// Owner: the notify executor. Thread: every public function from any; the destructor after
/// stop(), when the executor runs nothing of it any more.
class Notifier {
 public:
  Notifier(const NotifierWorld& world, NotifySettings settings, OutcomeHook outcome_hook,
           ChannelFactory factory = {});
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Begins with what the outbox holds; also again after stop().
  void start();
  /// Starts nothing any more; attempts under way end in the store or are repeated after the next
  /// start.
  void stop();
  /// The outbox has new rows.
  void poke();
  /// New receivers; messages under way keep their old channel.
  void reload(NotifySettings settings);

  /// Where alerts about the notifier itself go; before start(), outlives this.
  void set_self_alerts(model::AlertSink& sink) { self_alerts_ = &sink; }
  /// How all channels are doing, by name; `done` runs on the executor.
  void channels(std::function<void(std::vector<ChannelInfo>)> done);

  /// What a channel would say; nothing is sent. `done` runs on the executor.
  /// Errors in `done`: NotFound (channel, incident), InvalidArgument (the template).
  void preview(PreviewQuery query, std::function<void(base::Result<Preview>)> done);

  /// The commit that holds these messages fails: Critical and High ones are sent all the same.
  void send_uncommitted(std::vector<incident::Notification> messages);

  /// Sends a test through the outbox to "receiver" or "receiver/channel". `done` runs on the
  /// executor with the first attempt's outcome, or after a minute with Timeout.
  /// Errors in `done` also: NotFound, those of StateStore::commit.
  void send_test(std::string target, std::string requested_by,
                 std::function<void(base::Result<TestResult>)> done);

 private:
  struct TestWaiter;
  struct Settled;
  struct Recording;

  // notifier.cc: channels, reading the outbox, who goes next.
  void make_channels();
  void fetch();
  void fetched(base::Result<std::vector<incident::WaitingRow>> result);
  void add_row(incident::WaitingRow row);
  void pump();
  void pump_soon();
  void pump_channel(const std::shared_ptr<ChannelState>& channel, ChannelQueue& queue,
                    base::MonotonicTime now);
  bool may_begin(ChannelState& channel, ChannelQueue& queue, base::MonotonicTime now);
  void schedule(base::MonotonicTime at);
  bool expired(const Delivery& delivery) const;
  bool was_sent_ahead(const DeliveryPtr& delivery);
  bool sent_a_newer_one(const Delivery& delivery) const;
  void drop_overtaken(const Delivery& newer);
  void drop(const DeliveryPtr& delivery);
  void forget_everything();

  // notifier_attempt.cc: one attempt.
  void begin_attempt(const DeliveryPtr& delivery, const std::shared_ptr<ChannelState>& channel);
  void started(const DeliveryPtr& delivery);
  void not_started(const DeliveryPtr& delivery, const base::Error& error);
  void read_receipts(const DeliveryPtr& delivery, std::function<void(std::vector<Receipt>)> done);
  void send(const DeliveryPtr& delivery, std::vector<Receipt> receipts);
  void ended(const DeliveryPtr& delivery, std::uint32_t attempt, Outcome outcome);
  void retry_later(const DeliveryPtr& delivery, const Outcome& outcome,
                   incident::AttemptResult& result);
  void note_outcome(ChannelState& channel, const Delivery& delivery, const Outcome& outcome);
  void recorded(const DeliveryPtr& delivery, const incident::AttemptResult& result,
                const base::Result<void>& stored);
  void finish(const DeliveryPtr& delivery, incident::DeliveryState state, const std::string& text);
  DeliveryPtr pass_on_unheard(const Delivery& delivery);
  void count(const Delivery& delivery, const char* outcome);

  // notifier_begun.cc: from the recorded start to the slot.
  bool may_begin_another(const ChannelState& channel, bool critical) const;
  void has_begun(const DeliveryPtr& delivery);
  void send_begun(const std::shared_ptr<ChannelState>& channel);
  std::string why_not(const Delivery& delivery) const;
  void call_back(const DeliveryPtr& delivery, const std::string& why);
  void call_back_replaced(const Delivery& newer);
  void give_back(Delivery& delivery);

  // notifier_recording.cc: what goes into the store.
  void flush();
  bool may_gather();
  void flushed(Recording recording, const base::Result<incident::DeliveryBatchOutcome>& outcome);
  void settle(const DeliveryPtr& delivery, incident::DeliveryState state, std::string why);
  void settled(const Settled& one, const base::Result<void>& stored);
  void bury(const DeliveryPtr& delivery, const std::string& why);
  void supersede_in(const DeliveryPtr& delivery);
  base::Duration store_retry_delay() const;

  // notifier_detour.cc: failover, dead letters, storms.
  void fail_over_waiting(ChannelState& channel, const ChannelQueue& queue);
  void fail_over(const DeliveryPtr& delivery, const std::string& why);
  void follow_failover(const DeliveryPtr& delivery);
  void copy_to(const incident::Notification& message, const std::string& channel_name,
               std::string note);
  void dead_letter(const Delivery& delivery, const std::string& why);
  void raise_self_alert(const Delivery& delivery, const std::string& why);
  void to_fallback(const incident::Notification& message, const std::string& why);
  bool summarize(ChannelState& channel, const ChannelQueue& queue);

  // notifier_proof.cc: test messages and proofs.
  void send_test_now(const std::string& target, const std::string& requested_by,
                     const std::function<void(base::Result<TestResult>)>& done);
  base::Error unknown_channel(const std::string& target) const;
  void answer_test(const std::string& key, base::Result<TestResult> result);
  void plan_proof();
  void look_for_proof();
  void prove_channels();

  // notifier_preview.cc
  void preview_incident(const ChannelSettings& settings, const std::string& id,
                        const std::function<void(base::Result<Preview>)>& done);

  /// Posts `task` to the executor; it does not run once this object is gone.
  void post(base::Task task);

  NotifierWorld world_;
  NotifySettings settings_;
  OutcomeHook outcome_hook_;
  ChannelFactory factory_;
  model::AlertSink* self_alerts_ = nullptr;
  std::map<std::string, std::shared_ptr<ChannelState>> channels_;  // by "receiver/channel"
  DeliveryQueue queue_;
  std::unordered_map<std::string, TestWaiter> tests_;  // by delivery key
  std::unique_ptr<Recording> recording_;               // What the next flush takes.
  bool flushing_ = false;
  bool pump_posted_ = false;
  std::optional<base::MonotonicTime> store_down_since_;
  base::MonotonicTime store_retry_at_{};
  std::uint32_t store_failures_ = 0;  // In a row.
  /// Sent without a row, because the commit failed: key -> what it came to.
  std::unordered_map<std::string, std::optional<incident::DeliveryState>> ahead_;
  /// The newest message of a lane (channel, incident) that was sent without a row.
  std::unordered_map<std::string, std::uint64_t> told_ahead_;
  /// Lanes (channel, incident) whose messages went to a failover channel: how often the incident
  /// had come back when the last one went that did not end it.
  std::unordered_map<std::string, std::uint32_t> detoured_;
  /// Lanes (channel, incident) of which all was given up before an attempt.
  std::unordered_set<std::string> unheard_;
  std::int64_t last_row_ = 0;  // Rows up to here were read.
  base::WallTime started_at_{};
  base::WallTime proof_at_{};
  bool running_ = false;
  bool fetching_ = false;
  bool fetch_again_ = false;
  bool held_back_ = false;  // Rows are left in the store until there is room here.
  std::uint32_t fetch_failures_ = 0;
  base::TimerId fetch_timer_ = 0;
  base::TimerId wake_timer_ = 0;
  base::TimerId proof_timer_ = 0;
  base::MonotonicTime wake_at_{};
  base::Gauge pending_;
  base::Counter superseded_;
  base::Counter failed_over_;
  base::Counter summarized_;
  base::Counter unrecorded_;
  std::shared_ptr<bool> alive_;
};

}  // namespace tocsin::notify
