// The heart beat of the agent: every interval, one timestamp, every collector once.
//
// Rounds are aligned to the interval in wall time, shifted by a phase that comes from the host's
// name: a fleet does not push in the same millisecond, and after a restart the same host keeps its
// place. The wall clock is read once a round and re-anchored each time, so a jump costs one odd gap
// and no storm of missed rounds.
//
// A series that was there and is not any more (a disk pulled, a collector failed, a target removed
// by a reload) gets a stale marker. A stop of the agent writes none: its silence must be seen as
// silence.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/sampler/round_writer.h"
#include "common/base/executor.h"
#include "common/base/log.h"

namespace tocsin::agent {

struct SamplerOptions {
  base::Duration interval{15'000};
  IdentityLabels identity;
  std::size_t samples_max = 20'000;  ///< Per round, and per source and round.
};

/// Runs the rounds. Owner: its executor, which has one thread; every call on it.
class Sampler {
 public:
  struct World {
    base::Executor& executor;
    base::Metrics& metrics;
  };
  using Output = std::function<void(model::WriteBatch)>;

  /// What to read; replaced as a whole by a reload.
  struct Sources {
    std::vector<std::unique_ptr<Collector>> collectors;
    std::vector<std::unique_ptr<AsyncSource>> async;
  };

  /// `output` gets each batch as soon as it is complete: the collectors' one, and one for each
  /// source.
  Sampler(SamplerOptions options, World world, Output output);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// Takes the sources and options in; also while running. Collectors whose source this host lacks
  /// are left out. Series of sources that are gone are ended at the next round.
  void configure(SamplerOptions options, Sources sources);

  /// Begins the rounds; the first at the next aligned time.
  void start();
  /// No more rounds. Answers of sources that are still out are dropped.
  void stop();

  /// Runs one round now, and calls `done` once every source has answered. For `--once`.
  void run_once(std::function<void()> done);

  /// The wall time of the first round at or after `now`; pure.
  static base::WallTime next_round(base::WallTime now, base::Duration interval,
                                   const std::string& host);

 private:
  struct SourceState {
    SeriesTracker tracker;
    bool busy = false;
    std::uint64_t generation = 0;  // Of the configuration it belongs to.
    std::size_t rounds = 0;
  };

  void schedule();
  void tick(base::WallTime scheduled);
  void check_clock();
  void round(base::WallTime timestamp);
  void start_sources(base::WallTime timestamp);
  void source_done(const std::string& key, base::WallTime timestamp, const Fill& fill);
  void end_removed_sources(base::WallTime timestamp);
  void run_collectors(RoundSink& sink);
  void collect(Collector& collector, RoundSink& sink);
  void add_own(RoundSink& sink, base::WallTime timestamp);
  RoundWriter::Options writer_options(base::WallTime timestamp, std::size_t rounds) const;
  void emit(model::WriteBatch batch);

  SamplerOptions options_;
  World world_;
  Output output_;
  Sources sources_;
  base::FailureLog failures_{"agent/sampler"};
  SeriesTracker collectors_tracker_;
  std::map<std::string, SourceState> source_states_;
  std::map<std::string, double> last_error_;  // By collector, seconds since 1970.
  std::uint64_t generation_ = 0;
  std::size_t rounds_ = 0;
  std::size_t out_ = 0;  // Sources that have not answered.
  std::function<void()> once_done_;
  base::TimerId timer_ = 0;
  base::WallTime scheduled_{};
  base::WallTime checked_wall_;
  base::MonotonicTime checked_;
  double started_seconds_;
  base::Counter missed_;
  base::Counter overruns_;
  base::Counter clock_jumps_;
  base::Gauge clock_jump_;
  // Replies that arrive after stop() or destruction find this gone.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
