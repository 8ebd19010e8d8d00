// A PostgreSQL server as the sampler sees it: read on a thread of its own, so that one that hangs
// delays nobody.
//
// pg_up says whether it answered; pg_scrape_collector_success which of its checks did;
// tocsin_agent_check_failed gives the class of the reason, and the log the reason itself with what
// to grant. A check that is asked less often than each round shows its last answer.
#pragma once

#include "agent/collectors/host/hanging_call.h"
#include "agent/collectors/postgres/postgres_reader.h"
#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// Owner: the sampler's executor.
class PostgresSource final : public AsyncSource {
 public:
  struct World {
    base::Executor& executor;  ///< The sampler's.
    const base::Clock& clock;
    base::FailureLog& failures;
  };

  PostgresSource(PostgresSettings settings, World world);

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  struct Waiting {
    std::function<void(const Fill&)> done;
    base::TimerId timer = 0;
  };

  void answered(std::uint64_t number, const PostgresRound& round, double seconds);
  void give_up(std::uint64_t number, const std::string& why);
  void fill(RoundSink& sink, const PostgresRound& round, double seconds) const;
  void report(const PostgresRound& round);

  PostgresSettings settings_;
  World world_;
  std::string key_;
  std::shared_ptr<PostgresReader> reader_;  ///< Also of the call under way.
  HangingCallWorker worker_;
  std::uint64_t number_ = 0;  ///< Of the round that waits; answers to others are late.
  Waiting waiting_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
