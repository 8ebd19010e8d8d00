// Calls that may hang in the kernel or in another daemon, made where they can hang without harm.
//
// statfs(2) on a dead NFS server, or a message to a bus that does not answer, cannot be
// interrupted. Such a call runs on a thread of its own; the collector waits for it up to a deadline
// and goes on without it. The thread is never abandoned for another one with the same call: its
// owner sees busy() and asks no more.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/time.h"

namespace tocsin::base {
class AsioExecutor;
}

namespace tocsin::agent {

/// Told each time a call of one of several workers returns.
struct CallSignal {
  base::Mutex mutex;
  base::Condition returned;
};

/// One thread, created with the object, that makes one call at a time. Owner: one collector.
///
/// If the call has not returned when the object is destroyed, the thread is left behind with what
/// it holds, because joining it would hang the caller; it ends when the call returns. A call
/// that has not begun is not made then.
class HangingCallWorker {
 public:
  /// `signal` may be shared by several workers, so that their owner can wait for any of them.
  HangingCallWorker(const base::Clock& clock, std::string thread_name,
                    std::shared_ptr<CallSignal> signal);
  ~HangingCallWorker();
  HangingCallWorker(const HangingCallWorker&) = delete;
  HangingCallWorker& operator=(const HangingCallWorker&) = delete;

  /// Begins `call`, which must own everything it touches (it may outlive this object). Not while
  /// busy().
  void start(std::function<void()> call);

  /// Returns whether a call has not returned. What a finished call wrote may be read after this
  /// says false.
  bool busy() const;

  /// Waits until the call returns, at most `duration`; returns whether it did.
  bool wait(base::Duration duration);

 private:
  struct State {
    bool busy = false;  // guarded by the signal's mutex
  };
  std::shared_ptr<CallSignal> signal_;
  std::shared_ptr<State> state_;
  std::unique_ptr<base::AsioExecutor> executor_;
};

}  // namespace tocsin::agent
