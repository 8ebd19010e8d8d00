// A source that is read by blocking calls (a database, a broker), as the sampler sees it.
//
// The reading runs on a thread of its own. A round whose answer does not come within the timeout is
// told as down; while that call is still out, so are the rounds after it, at once. A late answer is
// dropped.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/collectors/blocking/hanging_call.h"
#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// Adds tocsin_agent_check_failed: which part of a server was not read, and the class of the
/// reason; the log has the reason itself.
void add_check_failed(MetricSink& sink, std::string_view server, std::string_view check,
                      const base::Error& error);

/// Owner: the sampler's executor.
class BlockingSource final : public AsyncSource {
 public:
  struct World {
    base::Executor& executor;  ///< The sampler's.
    const base::Clock& clock;
  };
  struct Reading {
    /// Reads once and returns what writes the samples. Called on the thread; it must own what it
    /// touches, because a call that hangs outlives this object.
    std::function<Fill()> read;
    /// Returns what writes that there was no answer, and tells the log.
    std::function<Fill(const base::Error&)> down;
    base::Duration timeout{5'000};
  };

  /// `thread` is the thread's name, at most 15 characters.
  BlockingSource(std::string key, std::string thread, Reading reading, World world);

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  void answered(std::uint64_t number, const Fill& fill);
  void give_up(std::uint64_t number, const char* why);

  std::string key_;
  Reading reading_;
  World world_;
  HangingCallWorker worker_;
  std::uint64_t number_ = 0;  ///< Of the round that waits; answers to others are late.
  std::function<void(const Fill&)> done_;
  base::TimerId timer_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
