// A way out: one integration of one receiver.
#pragma once

#include <functional>
#include <string>

#include "alertd/incident/notification.h"
#include "common/base/time.h"

namespace tocsin::notify {

/// What came of an attempt; who acts: nobody, time, a person.
enum class Verdict {
  Delivered,  ///< The other side took it.
  Retry,      ///< It may work later, or the outcome is unknown.
  Permanent,  ///< It will never work as it is.
};

struct Outcome {
  Verdict verdict = Verdict::Retry;
  std::string text;               ///< For people: "HTTP 503"; no secrets, no control characters.
  base::Duration retry_after{0};  ///< What the other side asked for; 0: nothing.
  bool unknown = false;           ///< It may have been taken: the answer was lost.
};

/// Identifies a delivery to the other side; the same on every attempt.
struct DeliveryKey {
  std::string value;
  /// An earlier attempt ended without a known outcome: the other side may have it already.
  bool maybe_repeated = false;
};

using SendDone = std::function<void(Outcome)>;

/// Sends messages. Owner: the notify executor; send() returns at once and keeps no reference to its
/// arguments. `done` is called exactly once, on that executor, never inside send().
class Channel {
 public:
  virtual ~Channel() = default;
  virtual void send(const incident::Notification& notification, const DeliveryKey& key,
                    SendDone done) = 0;
};

}  // namespace tocsin::notify
