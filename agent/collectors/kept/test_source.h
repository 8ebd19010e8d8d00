// What tests of slow sources need: a clock that can be set, and one round after the other.
#pragma once

#include <atomic>
#include <future>
#include <memory>

#include "agent/collectors/blocking/recording_round.h"
#include "agent/collectors/kept/slow_source.h"
#include "common/base/asio_executor.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// Wall time as set; monotonic time as it is.
class SettableClock final : public base::Clock {
 public:
  base::WallTime wall() const override { return base::wall_time(wall_ms.load()); }
  base::MonotonicTime monotonic() const override { return real_.monotonic(); }

  std::atomic<std::int64_t> wall_ms = 1'782'864'000'000;  ///< 2026-07-01T00:00Z

 private:
  base::RealClock real_;
};

/// A source with a sampler's executor of its own.
class TestSource {
 public:
  TestSource() { base::set_log_level(base::LogLevel::Error); }
  ~TestSource() {
    restart(nullptr);
    thread_.stop();
    base::set_log_level(base::LogLevel::Info);
  }
  TestSource(const TestSource&) = delete;
  TestSource& operator=(const TestSource&) = delete;

  /// For the source that is given to restart().
  SlowWorld world() { return {thread_, make_slow_pool(thread_), *files, failures}; }

  /// Replaces the source, as a restart of the agent does.
  void restart(std::unique_ptr<AsyncSource> source) {
    std::promise<void> done;
    thread_.post([&] {
      source_ = std::move(source);
      done.set_value();
    });
    done.get_future().wait();
  }

  /// Runs one round and returns what it told.
  RecordingRound round() {
    std::promise<RecordingRound> told;
    thread_.post([&] {
      source_->start(clock.wall(), [&](const Fill& fill) {
        RecordingRound round;
        fill(round);
        told.set_value(std::move(round));
      });
    });
    return told.get_future().get();
  }

  SettableClock clock;
  base::FailureLog failures{"agent/collectors"};
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();

 private:
  base::AsioExecutor thread_{clock, "sampler", 1};
  std::unique_ptr<AsyncSource> source_;
};

}  // namespace tocsin::agent
