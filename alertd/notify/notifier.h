// The notifier: takes messages from the outbox to their channels, at least once each.
//
// For every attempt: its start is made durable, then the channel sends, then the outcome is made
// durable. A crash in between leaves a row without outcome, which is sent again with the same key.
// Messages of one incident to one channel form a lane and go in order: a later state never
// overtakes an earlier one. Lanes and channels do not wait for each other: each channel has its own
// slots and its own rate, so that a dead mail server holds up mail only.
//
// Order survives a restart because the notifier reads the *oldest* pending rows, due or not, and
// lets only the first row of a lane go. If most of the rows it sees cannot go, it looks further.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/incident/state_store.h"
#include "alertd/notify/channel.h"
#include "alertd/notify/channels.h"
#include "alertd/notify/pacing.h"
#include "alertd/notify/receivers.h"
#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/base/random.h"

namespace tocsin::notify {

/// What a test message came to.
struct TestResult {
  bool delivered = false;
  std::string detail;
  base::Duration took{0};
};

/// Told of each finished delivery: incident::DeliveryReport's fields are in the row.
/// `state` is Delivered or Dead.
using OutcomeHook = std::function<void(const incident::OutboxRow& row,
                                       incident::DeliveryState state, const std::string& text)>;

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

/// Owner: the notify executor. Thread: start, stop, poke, reload and send_test from any; the
/// destructor after stop(), when the executor runs nothing of it any more.
class Notifier {
 public:
  Notifier(const NotifierWorld& world, NotifySettings settings, OutcomeHook outcome_hook,
           ChannelFactory factory = {});
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Begins with what the outbox holds.
  void start();
  /// Starts nothing any more; attempts under way end in the store or are repeated after the next
  /// start.
  void stop();
  /// The outbox has new rows.
  void poke();
  /// New receivers; messages under way keep their old channel.
  void reload(NotifySettings settings);

  /// Sends a test through the outbox to "receiver" or "receiver/channel". `done` runs on the
  /// executor with the first attempt's outcome, or after a minute with Timeout.
  /// Errors in `done` also: NotFound, those of StateStore::commit.
  void send_test(std::string target, std::string requested_by,
                 std::function<void(base::Result<TestResult>)> done);

 private:
  struct Lane;
  struct Delivery;
  struct ChannelState;
  struct TestWaiter;
  using DeliveryPtr = std::shared_ptr<Delivery>;

  void make_channels();
  void fetch();
  void fetched(base::Result<incident::PendingRows> result);
  void add_row(incident::OutboxRow row);
  void pump();
  void pump_channel(ChannelState& channel, base::MonotonicTime now);
  void schedule(base::MonotonicTime at);

  bool expired(const Delivery& delivery) const;
  void begin_attempt(const DeliveryPtr& delivery);
  void send(const DeliveryPtr& delivery);
  void ended(const DeliveryPtr& delivery, std::uint32_t attempt, Outcome outcome);
  void record(const DeliveryPtr& delivery, incident::AttemptResult result);
  void recorded(const DeliveryPtr& delivery, const incident::AttemptResult& result,
                const base::Result<void>& stored);
  void finish(const DeliveryPtr& delivery, incident::DeliveryState state, const std::string& text);
  void bury(const DeliveryPtr& delivery, const std::string& why);
  void drop(const DeliveryPtr& delivery);
  void count(const Delivery& delivery, const char* outcome);
  void release_slot(Delivery& delivery);

  void commit_test(incident::Notification notification);
  void answer_test(const std::string& key, base::Result<TestResult> result);

  /// Posts `task` to the executor; it does not run once this object is gone.
  void post(base::Task task);

  NotifierWorld world_;
  NotifySettings settings_;
  OutcomeHook outcome_hook_;
  ChannelFactory factory_;
  std::map<std::string, std::shared_ptr<ChannelState>> channels_;  // by "receiver/channel"
  std::unordered_map<std::int64_t, DeliveryPtr> deliveries_;       // by row id
  std::map<std::string, Lane> lanes_;
  std::unordered_map<std::string, TestWaiter> tests_;  // by delivery key
  std::size_t window_;
  bool running_ = false;
  bool fetching_ = false;
  bool fetch_again_ = false;
  std::uint32_t fetch_failures_ = 0;
  base::TimerId fetch_timer_ = 0;
  base::TimerId wake_timer_ = 0;
  base::MonotonicTime wake_at_{};
  base::Gauge pending_;
  std::shared_ptr<bool> alive_;
};

}  // namespace tocsin::notify
