// What waits to be sent, in the order in which it may go.
//
// Messages of one incident to one channel form a lane; only a lane's first row may go. For each
// channel the heads of its lanes are kept sorted, those that may go now by severity and age, the
// others by the time from which they may. So a storm of 50,000 rows costs a look-up for each row
// that goes, not a walk over all that wait.
//
// Owner: the notifier, on its executor. No IO, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "alertd/incident/state_store.h"
#include "alertd/notify/channel.h"
#include "common/base/executor.h"
#include "common/base/hash_table.h"

namespace tocsin::notify {

struct ChannelState;
class ChannelQueue;

/// Where a row stands in this process.
enum class Phase {
  Waiting,    ///< For its lane, its time, a slot or a token.
  Starting,   ///< The start of an attempt is being recorded.
  Begun,      ///< It is recorded, and waits for a slot of the channel.
  Sending,    ///< Holds a slot.
  Recording,  ///< The outcome is being recorded.
  Settling,   ///< That it ends without an attempt is being recorded.
};

/// One row of the outbox on its way.
struct Delivery : std::enable_shared_from_this<Delivery> {
  /// `channel` outlives it.
  Delivery(incident::WaitingRow row, const std::string& channel);

  std::int64_t row_id;
  incident::NotificationKind kind;
  std::uint64_t sequence;  ///< Of the message.
  /// An attempt may have reached the receiver although nobody heard of its end.
  bool outcome_unknown;
  const std::string& channel_name;  ///< "receiver/channel"
  Phase phase = Phase::Waiting;
  base::MonotonicTime due{};
  base::MonotonicTime seen{};  ///< When this process saw it first.
  base::MonotonicTime sent_at{};
  base::WallTime started_at{};
  std::uint32_t attempt = 0;  ///< Of this row, the current or last one.

  // What it took over from the messages that it supersedes.
  base::WallTime since{};      ///< When the oldest of them was decided.
  std::uint32_t failures = 0;  ///< Attempts that failed.
  /// Nothing the receiver knows of came before: Firing or Reopened, or what did was given up
  /// unsent.
  bool opens = false;

  bool elsewhere = false;  ///< A copy of one of them went to another channel.

  bool failed_over = false;  ///< A copy of this one went to the failover channel.
  bool unrecorded = false;   ///< Sent although its start could not be recorded.
  FailureReason failure = FailureReason::Unknown;  ///< Of the last attempt.
  std::uint32_t store_failures = 0;
  base::TimerId watchdog = 0;
  bool probe = false;                  ///< The attempt finds out whether the channel is back.
  std::shared_ptr<ChannelState> used;  ///< While an attempt runs: survives a reload.

  /// Returns what the message says of its place, from its bytes; valid as long as this.
  incident::NotificationHead head() const;
  /// Returns the message, read from its bytes when it is asked for first; valid until pack().
  const incident::Notification& message() const;
  /// Keeps the bytes only, which take less memory: for what waits.
  void pack() { message_.reset(); }
  model::Severity severity() const { return severity_; }
  bool words_only() const { return incident::words_only(kind); }
  bool critical() const { return severity() == model::Severity::Critical; }
  /// Returns whether the receiver knows nothing of it: neither this one nor what it took over left.
  bool unheard() const {
    return opens && attempt == 0 && failures == 0 && !elsewhere && !failed_over;
  }
  /// Returns whether it is worth a detour: Critical or High.
  bool urgent() const { return severity() >= model::Severity::High; }
  /// Returns whether it is in the queue: not removed yet.
  bool queued() const { return queue_ != nullptr; }
  /// Returns whether it is the only row of its lane.
  bool alone() const { return older_ == nullptr && newer_ == nullptr; }

 private:
  friend class ChannelQueue;
  friend class DeliveryQueue;
  enum class Listed { No, Later, Ready };

  model::Severity severity_;
  base::SharedText bytes_;
  mutable std::unique_ptr<incident::Notification> message_;  // Null: not asked for.

  // Its place, which is the queue's affair.
  ChannelQueue* queue_ = nullptr;
  std::uint64_t lane_hash_ = 0;
  Delivery* older_ = nullptr;  // Its neighbours in the lane.
  Delivery* newer_ = nullptr;
  Listed listed_ = Listed::No;
  base::MonotonicTime listed_due_{};  // Its place among those that wait for their time.
};
using DeliveryPtr = std::shared_ptr<Delivery>;

/// The lanes of one channel.
class ChannelQueue {
 public:
  explicit ChannelQueue(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  /// Counts lanes whose time has come into what may go.
  void advance(base::MonotonicTime now);
  /// Returns the best row that may go: the worst severity, then the oldest; null: none.
  DeliveryPtr front() const { return ready_.empty() ? nullptr : shared(ready_.begin()->second); }
  /// Returns the best row that waits, also one whose time has not come; null: none.
  DeliveryPtr best() const;
  /// Returns every row that may go, the best first.
  std::vector<DeliveryPtr> ready() const;
  /// Returns every Critical or High row that waits, the best first.
  std::vector<DeliveryPtr> urgent() const;
  std::size_t ready_count() const { return ready_.size(); }
  std::size_t waiting_count() const { return ready_.size() + later_.size(); }
  /// Returns when the next lane may go that may not yet.
  std::optional<base::MonotonicTime> next_due() const;
  /// Lets everything that waits for its time go now.
  void release_all(base::MonotonicTime now);

 private:
  friend class DeliveryQueue;
  /// The worst first, then the oldest.
  struct Place {
    explicit Place(const Delivery& of) : severity(of.severity()), row_id(of.row_id) {}
    bool operator<(const Place& other) const {
      return severity != other.severity ? severity > other.severity : row_id < other.row_id;
    }
    model::Severity severity;
    std::int64_t row_id;
  };
  static DeliveryPtr shared(Delivery* delivery) { return delivery->shared_from_this(); }
  void take_in(Delivery& delivery, const incident::NotificationHead& message);
  void take_out(Delivery& delivery);
  void list(Delivery& delivery);
  void unlist(Delivery& delivery);
  void clear();

  std::string name_;
  base::MonotonicTime now_{};          // What was told last.
  base::HashTable<Delivery*> newest_;  // Of each lane the newest row, by the lane's hash.
  std::map<Place, Delivery*> ready_;   // Of each lane the oldest row; so is the next.
  std::map<std::pair<base::MonotonicTime, std::int64_t>, Delivery*> later_;
};

class DeliveryQueue {
 public:
  /// Takes a row; returns null if it is known already.
  DeliveryPtr add(incident::WaitingRow row, base::MonotonicTime now, base::MonotonicTime due);
  /// Call after a change of phase or time of the row.
  void changed(const DeliveryPtr& delivery);
  void remove(const DeliveryPtr& delivery);
  /// Removes every row of which nothing is under way.
  void remove_waiting();
  /// Forgets all rows, also those under way.
  void clear();

  /// Returns the rows of its lane, itself among them, the oldest first; none if it was removed.
  std::vector<DeliveryPtr> lane_of(const Delivery& delivery) const;
  bool knows(std::int64_t row_id) const { return rows_.contains(row_id); }
  std::size_t size() const { return rows_.size(); }
  /// By name; a channel stays once it was seen, because its deliveries know it.
  std::map<std::string, ChannelQueue>& channels() { return channels_; }

 private:
  ChannelQueue& channel_of(const incident::NotificationHead& message);

  std::unordered_map<std::int64_t, DeliveryPtr> rows_;  // All that are in a lane.
  std::map<std::string, ChannelQueue> channels_;
};

/// Returns "receiver/channel" of a message.
std::string channel_key(const incident::Notification& notification);

}  // namespace tocsin::notify
