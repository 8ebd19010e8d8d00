// A source that is heavy to read: read at its own interval, told every round.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/blocking/call_pool.h"
#include "agent/sampler/round_sink.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// What slow sources are made of; outlives them, and a call that hangs: it is the program's.
struct SlowWorld {
  base::Executor& executor;        ///< The sampler's.
  std::shared_ptr<CallPool> pool;  ///< Where the reading is done; shared by several sources.
  base::FileSystem& files;
  base::FailureLog& failures;
};

struct SlowReading {
  std::string key{};  ///< Of the source; also the label `server` of its failed check `reading`.
  base::Duration interval{300'000};  ///< Between the beginnings of two readings.
  base::Duration timeout{10'000};    ///< How long a round waits; the reading itself may go on.
  std::string thread = "slow";  ///< Of a source with a thread of its own; at most 15 characters.
  /// Reads once. Called on a thread, one call at a time; owns what it touches.
  std::function<Fill()> read{};
};

/// What a reading found is told until the next has found something, also while that is out.
std::unique_ptr<AsyncSource> make_slow_source(SlowReading reading, const SlowWorld& world);

/// The same for a Reader, made of `settings` (with interval and timeout) and `world`, whose read()
/// is called.
template <class Reader, class Settings>
std::unique_ptr<AsyncSource> make_slow_source_of(std::string key, const Settings& settings,
                                                 const SlowWorld& world) {
  SlowReading reading;
  reading.key = std::move(key);
  reading.interval = settings.interval;
  reading.timeout = settings.timeout;
  reading.read = [reader = std::make_shared<Reader>(settings, world)] { return reader->read(); };
  return make_slow_source(std::move(reading), world);
}

/// The same with a thread of its own: for what may hang for long and would hold up the others.
std::unique_ptr<AsyncSource> make_slow_source(SlowReading reading, BlockingSource::World world,
                                              base::FailureLog& failures);

/// Returns how long a round of `interval` may wait for its answer.
base::Duration round_timeout(base::Duration interval);

/// Returns what slow sources share: one thread, a second and third only while a reading hangs.
std::shared_ptr<CallPool> make_slow_pool(base::Executor& executor);

}  // namespace tocsin::agent
