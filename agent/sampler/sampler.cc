#include "agent/sampler/sampler.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "agent/sampler/own_metrics.h"
#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::agent {
namespace {

constexpr const char* kLog = "agent/sampler";
// A round that begins this close to its planned time carries the planned time: regular timestamps
// compress to a bit each, and rates come out even.
constexpr base::Duration kTimestampTolerance{100};
constexpr base::Duration kClockJump{60'000};
// Help texts change with releases only; sent so often that a restarted alertd knows them soon.
constexpr std::size_t kMetadataEveryRounds = 40;

constexpr MetricInfo kSuccess{"tocsin_agent_collector_success",
                              "1 if the collector read everything in this round."};
constexpr MetricInfo kDuration{"tocsin_agent_collector_duration_seconds",
                               "Time the collector took in this round."};
constexpr MetricInfo kLastError{"tocsin_agent_collector_last_error_timestamp_seconds",
                                "When the collector failed last; absent if it never did."};

}  // namespace

Sampler::Sampler(SamplerOptions options, World world, Output output)
    : options_(std::move(options)),
      world_(world),
      output_(std::move(output)),
      checked_wall_(world.executor.clock().wall()),
      checked_(world.executor.clock().monotonic()),
      started_seconds_(base::to_seconds(checked_wall_)),
      missed_(world.metrics.counter("tocsin_agent_rounds_missed_total",
                                    "Rounds that were left out because one before took too long.")),
      overruns_(world.metrics.counter("tocsin_agent_source_overruns_total",
                                      "Readings not started because the one before was not over.")),
      clock_jumps_(world.metrics.counter("tocsin_agent_clock_jumps_total",
                                         "Times the wall clock was set by more than a minute.")),
      clock_jump_(world.metrics.gauge("tocsin_agent_clock_jump_seconds",
                                      "Size of the latest jump; positive is forward.")) {
  RoundWriter::announce_drops(world.metrics);
}

Sampler::~Sampler() {
  stop();
}

base::WallTime Sampler::next_round(base::WallTime now, base::Duration interval,
                                   const std::string& host) {
  const std::int64_t step = std::max<std::int64_t>(interval.count(), 1);
  const auto phase =
      static_cast<std::int64_t>(base::fnv1a(host) % static_cast<std::uint64_t>(step));
  std::int64_t since = (base::to_ms(now) - phase) % step;
  if (since < 0) since += step;  // Before 1970.
  return since == 0 ? now : now + base::Duration{step - since};
}

void Sampler::configure(SamplerOptions options, Sources sources) {
  options_ = std::move(options);
  sources_ = std::move(sources);
  std::erase_if(sources_.collectors, [](const std::unique_ptr<Collector>& collector) {
    if (collector->present()) return false;
    base::log_debug(kLog, "collector '{}': this host does not have it", collector->name());
    return true;
  });
  ++generation_;
  // The answers of the sources before this are not awaited any more.
  out_ = 0;
  for (auto& [key, state] : source_states_) state.busy = false;
  for (const auto& source : sources_.async) source_states_[source->key()].generation = generation_;
  if (timer_ != 0) schedule();
}

void Sampler::start() {
  schedule();
}

void Sampler::stop() {
  world_.executor.cancel(timer_);
  timer_ = 0;
  alive_.reset();
}

void Sampler::schedule() {
  const base::Clock& clock = world_.executor.clock();
  world_.executor.cancel(timer_);
  const base::WallTime now = clock.wall();
  // Strictly after the round just done, even if the timer was a moment early; but a clock that was
  // set back an hour must not wait for an hour.
  base::WallTime after = now;
  if (scheduled_ >= now && scheduled_ - now < options_.interval) after = scheduled_;
  if (after == scheduled_) after += base::Duration{1};
  const base::WallTime next = next_round(after, options_.interval, options_.identity.host);
  timer_ = world_.executor.post_after(next - now, [this, next] { tick(next); });
}

void Sampler::tick(base::WallTime scheduled) {
  check_clock();
  const base::WallTime now = world_.executor.clock().wall();
  const base::WallTime before = scheduled_;
  scheduled_ = scheduled;
  if (before != base::WallTime{} && scheduled > before) {
    const auto steps = (scheduled - before) / options_.interval;
    // More than an hour of missed rounds is a clock that was set, or a suspended machine.
    if (steps > 1 && scheduled - before < base::Duration{3'600'000}) {
      missed_.increment(static_cast<double>(steps - 1));
    }
  }
  const auto off = now > scheduled ? now - scheduled : scheduled - now;
  round(off <= kTimestampTolerance ? scheduled : now);
  schedule();
}

void Sampler::check_clock() {
  const base::Clock& clock = world_.executor.clock();
  const base::WallTime wall = clock.wall();
  const base::MonotonicTime monotonic = clock.monotonic();
  const auto jump =
      (wall - checked_wall_) - std::chrono::duration_cast<base::Duration>(monotonic - checked_);
  checked_wall_ = wall;
  checked_ = monotonic;
  if (std::chrono::abs(jump) < kClockJump) return;
  clock_jumps_.increment();
  clock_jump_.set(static_cast<double>(jump.count()) / 1000.0);
  scheduled_ = {};
  base::log_warning(kLog, "the clock was set {} by {}: rounds go on at the new time",
                    jump.count() > 0 ? "forward" : "back",
                    base::format_duration(std::chrono::abs(jump)));
}

void Sampler::round(base::WallTime timestamp) {
  TC_DCHECK(world_.executor.running_here(), "on the sampler's executor only");
  start_sources(timestamp);
  end_removed_sources(timestamp);
  RoundWriter writer(collectors_tracker_, writer_options(timestamp, rounds_));
  ++rounds_;
  run_collectors(writer);
  add_own(writer, timestamp);
  emit(writer.finish());
}

void Sampler::start_sources(base::WallTime timestamp) {
  for (const auto& source : sources_.async) {
    SourceState& state = source_states_[source->key()];
    if (state.busy) {
      overruns_.increment();
      continue;
    }
    state.busy = true;
    ++out_;
    source->start(timestamp, [this, timestamp, key = source->key(), generation = generation_,
                              alive = std::weak_ptr<int>(alive_)](const Fill& fill) {
      if (alive.expired() || generation != generation_) return;
      source_done(key, timestamp, fill);
    });
  }
}

void Sampler::source_done(const std::string& key, base::WallTime timestamp, const Fill& fill) {
  SourceState& state = source_states_[key];
  state.busy = false;
  --out_;
  RoundWriter writer(state.tracker, writer_options(timestamp, state.rounds));
  ++state.rounds;
  fill(writer);
  emit(writer.finish());
  if (out_ == 0 && once_done_) std::exchange(once_done_, nullptr)();
}

void Sampler::end_removed_sources(base::WallTime timestamp) {
  for (auto at = source_states_.begin(); at != source_states_.end();) {
    if (at->second.generation == generation_) {
      ++at;
      continue;
    }
    RoundWriter writer(at->second.tracker, writer_options(timestamp, 1));
    emit(writer.finish());
    at = source_states_.erase(at);
  }
}

void Sampler::run_collectors(RoundSink& sink) {
  for (const auto& collector : sources_.collectors) collect(*collector, sink);
}

void Sampler::collect(Collector& collector, RoundSink& sink) {
  const base::Clock& clock = world_.executor.clock();
  const std::string name(collector.name());
  const base::MonotonicTime begin = clock.monotonic();
  base::Result<void> result = base::ok();
  try {
    result = collector.collect(sink);
  } catch (const std::exception& exception) {
    // A collector that lets an exception out has a bug; the other collectors shall not pay for it.
    result = base::error(base::ErrorCode::Io, std::string("unexpected: ") + exception.what());
  }
  const double seconds = std::chrono::duration<double>(clock.monotonic() - begin).count();
  if (result) {
    failures_.clear(name);
  } else {
    failures_.report(name, result.error().message);
    last_error_[name] = base::to_seconds(clock.wall());
  }
  const model::LabelView label{"collector", name};
  sink.add(kSuccess, {label}, result ? 1 : 0);
  sink.add(kDuration, {label}, seconds);
  if (const auto at = last_error_.find(name); at != last_error_.end()) {
    sink.add(kLastError, {label}, at->second);
  }
}

void Sampler::add_own(RoundSink& sink, base::WallTime timestamp) {
  add_own_metrics(sink, {timestamp, started_seconds_, world_.metrics});
}

RoundWriter::Options Sampler::writer_options(base::WallTime timestamp, std::size_t rounds) const {
  return {options_.identity, timestamp, options_.samples_max,
          rounds % kMetadataEveryRounds == 0 ? Metadata::Yes : Metadata::No, world_.metrics};
}

void Sampler::emit(model::WriteBatch batch) {
  if (!batch.empty()) output_(std::move(batch));
}

void Sampler::run_once(std::function<void()> done) {
  once_done_ = std::move(done);
  round(world_.executor.clock().wall());
  if (out_ == 0 && once_done_) std::exchange(once_done_, nullptr)();
}

}  // namespace tocsin::agent
