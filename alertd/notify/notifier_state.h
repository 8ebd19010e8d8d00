// The notifier's own records; only notifier*.cc include this.
#pragma once

#include <deque>

#include "alertd/notify/notifier.h"

namespace tocsin::notify {

/// Messages are begun ahead of the channel's slots, so that a slot that becomes free is used at
/// once and one commit of the store records many starts: at most this many times the slots.
inline constexpr std::size_t kBegunAhead = 8;

/// One configured channel and how it is doing.
struct ChannelState {
  ChannelSettings settings;
  std::shared_ptr<Channel> channel;
  TokenBucket bucket;
  CircuitBreaker breaker;
  base::Counter rate_limited;
  base::Histogram latency;
  base::Gauge breaker_open;
  std::size_t starting = 0;            ///< Their starts are being recorded.
  std::deque<DeliveryPtr> begun = {};  ///< Recorded, waiting for a slot: the next to go first.
  std::size_t in_flight = 0;           ///< Being sent, each in a slot.
  bool replaced = false;               ///< By a reload.
  bool limited = false;                ///< Said already that messages wait for the rate.
  bool urgent_looked_at = false;       ///< What waits behind the open breaker went to the failover.
  base::MonotonicTime paused_until{};  ///< The other side asked for a pause (429).

  // For people.
  std::optional<base::WallTime> last_delivered{};
  std::optional<base::WallTime> last_real{};  ///< Of a message that was no test.
  std::optional<base::WallTime> last_failed{};
  std::string last_error{};
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;

  /// By outcome; to find one in the registry costs more than an attempt should.
  std::map<std::string, base::Counter, std::less<>> attempts{};

  /// Returns how many messages may be sent at a time. One more for Critical: it does not wait until
  /// the others' time-outs are over.
  std::size_t slots(bool critical) const { return settings.in_flight_max + (critical ? 1 : 0); }
  /// Returns how many messages may be begun ahead of the slots: none unless all goes well, because
  /// what was begun and must not go any more is to be called back.
  std::size_t ahead_max() const {
    const bool well = breaker.closed() && breaker.failures() == 0 && bucket.unlimited();
    return well ? kBegunAhead * settings.in_flight_max : 0;
  }
  /// Returns whether so much has begun that the channel goes on while the next starts gather.
  bool well_ahead() const { return begun.size() * 2 > ahead_max(); }
};

struct Notifier::TestWaiter {
  std::function<void(base::Result<TestResult>)> done;
  base::MonotonicTime since{};
  base::TimerId timer = 0;
};

/// A row that ends without an attempt.
struct Notifier::Settled {
  DeliveryPtr delivery;
  incident::DeliveryState state = incident::DeliveryState::Superseded;
  std::string why;
};

/// What goes into the store with one call, and whom each part belongs to.
struct Notifier::Recording {
  struct Finished {
    DeliveryPtr delivery;
    incident::AttemptResult result;
  };
  std::vector<DeliveryPtr> started;
  std::vector<Finished> finished;
  std::vector<Settled> settled;
  std::vector<incident::Notification> outbox;  ///< New messages, made by the notifier itself.
  std::size_t extra_starts = 0;  ///< Starts written first, of attempts that ended meanwhile.
  bool pressing = false;         ///< A channel would stand still, or somebody waits for it.
  std::optional<base::MonotonicTime> due{};  ///< When it goes at the latest.

  bool empty() const {
    return started.empty() && finished.empty() && settled.empty() && outbox.empty();
  }
};

/// Counts messages given up.
base::Counter dead_letters(base::Metrics& metrics, const std::string& channel,
                           FailureReason reason);

/// Names what one incident says to one channel.
inline std::string incident_in(const std::string& channel_name, std::string_view incident_id) {
  return (channel_name + '\n').append(incident_id);
}

/// Why a message is not sent that waited for the store.
inline constexpr std::string_view kOvertaken = "a newer one was sent before either could be stored";

/// Comment of a test message that nobody asked for.
inline constexpr std::string_view kProofComment = "daily proof that this channel works";

/// Returns whether it is one; it is tried several times, and its failure is told.
inline bool is_proof(const Delivery& delivery) {
  return delivery.kind == incident::NotificationKind::Test &&
         delivery.message().incident.comment == kProofComment;
}

/// Messages sent before they were stored, remembered until they are.
inline constexpr std::size_t kAheadMax = 1'000;
inline constexpr base::Duration kTestDeadline{60'000};
inline constexpr const char* kComponent = "alertd/notify";

}  // namespace tocsin::notify
