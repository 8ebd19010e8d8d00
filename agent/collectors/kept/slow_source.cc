#include "agent/collectors/kept/slow_source.h"

#include <algorithm>
#include <optional>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/blocking/pooled_source.h"
#include "common/base/mutex.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeoutMax{10'000};
constexpr base::Duration kPatience{2'000};

/// What the thread writes, and the sampler reads when the thread is late.
struct Memory {
  base::Mutex mutex;
  Fill told GUARDED_BY(mutex);
};

/// Lives on the pool's threads.
class Reader {
 public:
  Reader(SlowReading reading, const base::Clock& clock, std::shared_ptr<Memory> memory)
      : reading_(std::move(reading)), clock_(clock), memory_(std::move(memory)) {}

  Fill read() {
    // What a round did not wait for has been found since: it is not looked for once more.
    const base::MonotonicTime now = clock_.monotonic();
    if (fresh_until_ && now < *fresh_until_) {
      const base::MutexLock lock(memory_->mutex);
      return memory_->told;
    }
    Fill fresh = reading_.read();
    fresh_until_ = now + reading_.interval / 2;
    const base::MutexLock lock(memory_->mutex);
    memory_->told = std::move(fresh);
    return memory_->told;
  }

 private:
  SlowReading reading_;
  const base::Clock& clock_;
  std::shared_ptr<Memory> memory_;
  std::optional<base::MonotonicTime> fresh_until_;
};

std::unique_ptr<AsyncSource> make_pooled(SlowReading slow, std::shared_ptr<CallPool> pool,
                                         base::Executor& executor, base::FailureLog& failures) {
  const std::string key = slow.key;
  auto memory = std::make_shared<Memory>();
  PooledSource::Reading reading;
  reading.interval = slow.interval;
  reading.timeout = slow.timeout;
  reading.read = [key, &failures,
                  reader = std::make_shared<Reader>(std::move(slow), executor.clock(), memory)] {
    Fill fill = reader->read();
    failures.clear(key);
    return PooledSource::Answer{std::move(fill), true};
  };
  reading.down = [key, memory, &failures](const base::Error& why) {
    failures.report(key, why.message);
    const base::MutexLock lock(memory->mutex);
    Fill fill = [key, why, told = memory->told](RoundSink& sink) {
      if (told) told(sink);
      add_check_failed(sink, key, "reading", why);
    };
    return PooledSource::Answer{std::move(fill), false};
  };
  return std::make_unique<PooledSource>(key, std::move(reading), std::move(pool), executor);
}

}  // namespace

base::Duration round_timeout(base::Duration interval) {
  return std::min(kTimeoutMax, interval * 4 / 5);
}

std::shared_ptr<CallPool> make_slow_pool(base::Executor& executor) {
  CallPoolLimits limits;
  limits.usual = 1;
  limits.most = 3;
  limits.patience = kPatience;
  return std::make_shared<CallPool>("posture", executor, limits);
}

std::unique_ptr<AsyncSource> make_slow_source(SlowReading reading, const SlowWorld& world) {
  return make_pooled(std::move(reading), world.pool, world.executor, world.failures);
}

std::unique_ptr<AsyncSource> make_slow_source(SlowReading reading, BlockingSource::World world,
                                              base::FailureLog& failures) {
  CallPoolLimits limits;
  limits.usual = limits.most = 1;
  auto pool = std::make_shared<CallPool>(reading.thread, world.executor, limits);
  return make_pooled(std::move(reading), std::move(pool), world.executor, failures);
}

}  // namespace tocsin::agent
