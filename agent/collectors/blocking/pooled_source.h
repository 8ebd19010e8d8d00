// A source that asks on the threads of a CallPool, at an interval of its own, and tells what it
// knows in every round between.
//
// Series that are told less often than every five minutes end; so a probe that runs once an hour
// repeats its answer. After a bad answer it asks again soon: a lost packet must not count for an
// hour.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/collectors/blocking/call_pool.h"
#include "agent/sampler/round_sink.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// Owner: the sampler's executor.
class PooledSource final : public AsyncSource {
 public:
  struct Answer {
    Fill fill;
    bool good = true;
  };
  struct Reading {
    /// Asks once. Called on a thread, one call at a time; it must own what it touches.
    std::function<Answer()> read;
    /// Returns what writes that there was no answer. Called on the executor.
    std::function<Answer(const base::Error&)> down;
    base::Duration interval{15'000};  ///< Between two questions; at most one each round.
    base::Duration timeout{5'000};    ///< Of one question, the wait for a thread included.
  };

  PooledSource(std::string key, Reading reading, std::shared_ptr<CallPool> pool,
               base::Executor& executor);
  ~PooledSource() override;

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  void answered(std::uint64_t number, const Answer& answer);
  void give_up(std::uint64_t number, const char* why);
  void tell(const Answer& answer);

  std::string key_;
  Reading reading_;
  std::shared_ptr<CallPool> pool_;
  base::Executor& executor_;
  std::uint64_t number_ = 0;  ///< Of the question that waits; answers to others are late.
  bool out_ = false;          ///< A call has not returned, given up or not.
  std::function<void(const Fill&)> done_;
  base::TimerId timer_ = 0;
  base::MonotonicTime began_;
  base::MonotonicTime due_;
  Fill known_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
