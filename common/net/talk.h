// What clients of chat servers share that keep one connection and one thread: the answer to a
// message, and the queue of messages that wait for the thread.
#pragma once

#include <fmt/core.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/executor.h"
#include "common/base/mutex.h"
#include "common/base/result.h"

namespace tocsin::net {

/// The server took the message, or said no.
struct TalkOutcome {
  bool delivered = false;
  bool permanent = false;  ///< A person has to do something first.
  bool auth = false;       ///< A password or permission is missing.
  std::string reply;       ///< What the server said, for people, control characters escaped.
};

using TalkDone = std::function<void(base::Result<TalkOutcome>)>;

/// One message on its way.
template <class Message>
struct TalkJob {
  Message message;
  base::MonotonicTime deadline;
  base::Executor* reply_on = nullptr;
  TalkDone done;

  void reply(base::Result<TalkOutcome> result) const {
    reply_on->post([done = done, result = std::move(result)] { done(result); });
  }
};

/// Messages that wait; at most kMax, what is more is answered Unavailable. The thread runs while
/// there are any, and as long after as it likes.
/// Thread: push() from any; take() and leave() from the client's own; cancel() when that is over.
template <class Message>
class TalkQueue {
 public:
  using Job = TalkJob<Message>;
  static constexpr std::size_t kMax = 100;

  enum class Pushed {
    Refused,  ///< Full, and answered.
    Begin,    ///< The thread does not run: start it.
    Runs,
  };

  /// `server` names the kind of server in the answer to what is refused: "IRC".
  explicit TalkQueue(std::string_view server) : server_(server) {}

  Pushed push(Job job) EXCLUDES(mutex_) {
    {
      base::MutexLock lock(mutex_);
      if (jobs_.size() < kMax) {
        jobs_.push_back(std::move(job));
        return std::exchange(running_, true) ? Pushed::Runs : Pushed::Begin;
      }
    }
    job.reply(
        base::error(base::ErrorCode::Unavailable,
                    fmt::format("{} messages wait for the {} server already", kMax, server_)));
    return Pushed::Refused;
  }

  std::optional<Job> take() EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    if (jobs_.empty()) return std::nullopt;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

  /// Returns whether the thread ends; not if a message came meanwhile.
  bool leave() EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    running_ = !jobs_.empty();
    return !running_;
  }

  /// Answers what still waits with Cancelled.
  void cancel() EXCLUDES(mutex_) {
    while (const std::optional<Job> job = take()) {
      job->reply(base::error(base::ErrorCode::Cancelled, "stopped"));
    }
  }

 private:
  const std::string_view server_;
  base::Mutex mutex_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::net
