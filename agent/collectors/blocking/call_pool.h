// A few threads for many calls that may hang, each for as long as its timeout: probes of other
// machines.
//
// Usually two threads are enough. When calls hang, others wait behind them: whoever has waited for
// a tenth of a second gets a thread of its own, up to a bound; so an outage of some targets does
// not delay the news of the others, and costs memory only while it lasts.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/blocking/hanging_call.h"
#include "common/base/executor.h"

namespace tocsin::agent {

/// How many threads, and for how long.
struct CallPoolLimits {
  std::size_t usual = 2;                ///< Kept once they were needed.
  std::size_t most = 16;                ///< While calls hang; further ones wait.
  base::Duration patience{100};         ///< Without a return, before calls get new threads.
  base::Duration wait_max{1'000};       ///< Of a call, before it gets one in any case.
  base::Duration idle_for_max{60'000};  ///< Then threads beyond the usual end.
};

/// Owner: the sampler's executor; everything on it. A call that hangs when the pool is destroyed is
/// left behind with its thread (see HangingCallWorker).
class CallPool {
 public:
  /// `thread` is the threads' name, at most 15 characters. No thread before the first call.
  CallPool(std::string thread, base::Executor& executor, CallPoolLimits limits = {});
  ~CallPool();
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;

  /// What a thread does; what it returns runs on the executor, unless the pool is gone by then.
  using Call = std::function<base::Task()>;

  /// Runs `call`, which must own everything it touches, soon on one of the threads.
  void run(Call call);

  std::size_t threads() const { return workers_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    Call call;
    base::MonotonicTime since;
  };
  struct Worker {
    std::unique_ptr<HangingCallWorker> thread;
    std::uint64_t id = 0;
    bool out = false;
    base::MonotonicTime idle_since;
  };

  /// The way from the threads to the executor; shut when the pool goes, because the executor may go
  /// soon after, and calls that hang do not.
  struct Door;

  void start_waiting();
  void start(Worker& worker);
  void look_again();
  void grow();
  void returned(std::uint64_t id);
  void end_idle();
  Worker* idle_worker();
  Worker& add_worker();

  std::string thread_;
  base::Executor& executor_;
  CallPoolLimits limits_;
  std::deque<Waiting> waiting_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint64_t last_id_ = 0;
  base::TimerId growing_ = 0;
  std::uint64_t returned_ = 0;         ///< Calls, so far.
  std::uint64_t returned_before_ = 0;  ///< When the timer was set.
  std::shared_ptr<Door> door_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
