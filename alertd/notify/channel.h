// A way out: one integration of one receiver.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/incident/notification.h"
#include "common/base/time.h"

namespace tocsin::notify {

/// What came of an attempt; who acts: nobody, time, a person.
enum class Verdict {
  Delivered,  ///< The other side took it.
  Retry,      ///< It may work later, or the outcome is unknown.
  Permanent,  ///< It will never work as it is.
};

/// What stood in the way; who has to act. Label `reason` of the failure metrics.
enum class FailureReason {
  Unknown,      ///< None of the others.
  Auth,         ///< A credential is wrong, expired or not allowed to do this.
  RateLimited,  ///< Too many messages for the other side.
  Refused,      ///< It answered and does not want the message as it is.
  Unreachable,  ///< No connection, no answer, or it is broken (5xx).
};

inline constexpr std::array kFailureReasons{FailureReason::Unknown, FailureReason::Auth,
                                            FailureReason::RateLimited, FailureReason::Refused,
                                            FailureReason::Unreachable};

/// Returns "unknown", "auth", "rate_limited", "refused" or "unreachable".
std::string_view to_string(FailureReason reason);

struct Outcome {
  Verdict verdict = Verdict::Retry;
  std::string text;               ///< For people: "HTTP 503"; no secrets, no control characters.
  base::Duration retry_after{0};  ///< What the other side asked for; 0: nothing.
  bool unknown = false;           ///< It may have been taken: the answer was lost.
  FailureReason reason = FailureReason::Unknown;  ///< Unless delivered.
  /// What the channel wants back with the incident's later messages, if delivered: an id of the
  /// message, as text only the channel reads; at most incident::kReceiptBytesMax. Stored in clear,
  /// so no secrets.
  std::string receipt{};
};

/// What this channel returned for an earlier message of the same incident.
struct Receipt {
  std::uint64_t sequence = 0;  ///< Of that message.
  std::string text;            ///< Outcome::receipt.
};

/// Identifies a delivery to the other side; the same on every attempt.
struct DeliveryKey {
  std::string value;
  /// An earlier attempt ended without a known outcome: the other side may have it already.
  bool maybe_repeated = false;
  /// Of the incident's earlier messages through this channel, oldest first; empty unless
  /// wants_receipts().
  std::vector<Receipt> earlier{};
};

using SendDone = std::function<void(Outcome)>;

/// Sends messages. Owner: the notify executor; send() returns at once and keeps no reference to its
/// arguments. `done` is called exactly once, on that executor, never inside send().
class Channel {
 public:
  virtual ~Channel() = default;
  virtual void send(const incident::Notification& notification, const DeliveryKey& key,
                    SendDone done) = 0;

  /// Returns whether DeliveryKey::earlier is to be filled: it may cost a read of the store.
  virtual bool wants_receipts() const { return false; }

  /// Returns whether one message of the kind Summary may stand for many incidents when there are
  /// more than the channel's rate lets through. No for machines, which need each one.
  virtual bool takes_summary() const { return true; }
};

}  // namespace tocsin::notify
