// All that ingest knows of one sender: an agent, or the local writers without a token together.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "alertd/ingest/fair_queue.h"
#include "alertd/ingest/limits.h"
#include "alertd/ingest/token_bucket.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/model/appender.h"
#include "proto/codec.h"

namespace tocsin::ingest {

/// How local writers without a token are called; no agent can have this name.
inline constexpr const char* kLocalSender = "(local)";

/// Which limit a request was refused for.
enum class Limited {
  InFlight,
  Connections,
  RequestBytes,
  Request,  ///< Decompressed size, series, samples, labels of one request.
  Requests,
  Bytes,
  Samples,
};
/// Returns "requests_in_flight", ...: the setting's name, and the value of the label `limit`.
const char* to_string(Limited limit);

/// For the API. A copy.
struct SenderStatus {
  std::string name;
  SenderLimits limits;
  std::uint64_t series = 0;  ///< Held by the store and written since its start.
  std::uint64_t series_refused = 0;
  std::uint64_t samples = 0;
  std::uint64_t samples_refused = 0;
  std::map<std::string, std::uint64_t> requests_limited;  ///< By limit.
};

/// Thread: any, unless it says so.
class Sender {
 public:
  Sender(std::string name, std::uint16_t owner, const SenderLimits& limits, FairQueue::LanePtr lane,
         base::Metrics& metrics);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  const std::string& name() const { return name_; }
  std::uint16_t owner() const { return owner_; }  ///< See model::WriteBatch::owner.
  const FairQueue::LanePtr& lane() const { return lane_; }
  SenderLimits limits() const EXCLUDES(mutex_);
  void set_limits(const SenderLimits& limits) EXCLUDES(mutex_);

  /// Why a request is not taken, and how long to wait.
  struct Refusal {
    Limited limit = Limited::InFlight;
    std::string message;
    base::Duration retry_after{0};
  };
  /// Takes a place for a request with `bytes` of body, unless it is over a limit. leave() gives it
  /// back.
  std::optional<Refusal> enter(std::uint64_t bytes, base::MonotonicTime now) EXCLUDES(mutex_);
  void leave(std::uint64_t bytes) EXCLUDES(mutex_);
  std::optional<Refusal> connect() EXCLUDES(mutex_);
  void disconnect() EXCLUDES(mutex_);
  /// Charges what decoding will cost, unless there is a debt already.
  std::optional<Refusal> charge_bytes(std::uint64_t decoded, base::MonotonicTime now)
      EXCLUDES(mutex_);
  /// Whether samples may be decoded; how many there are is charged afterwards.
  std::optional<Refusal> check_samples(base::MonotonicTime now) EXCLUDES(mutex_);
  void charge_samples(std::uint64_t samples) EXCLUDES(mutex_);

  /// What decode() may use, for one request at a time. `identity` is whoever stamps the labels:
  /// when it changes, nothing is remembered.
  proto::Memory memory(const std::shared_ptr<const void>& identity, std::uint64_t seed,
                       base::MonotonicTime now) EXCLUDES(mutex_);
  /// Remembers the series of a batch that the store has told of.
  void learn(const model::WriteBatch& batch, model::AppendOutcome& outcome) EXCLUDES(mutex_);

  void count_limited(Limited limit) EXCLUDES(mutex_);
  void count_written(std::uint64_t sent, std::uint64_t written, const model::AppendOutcome& outcome)
      EXCLUDES(mutex_);
  SenderStatus status() const EXCLUDES(mutex_);

 private:
  std::optional<Refusal> closed(TokenBucket& bucket, Limited limit, base::MonotonicTime now) const
      REQUIRES(mutex_);
  void forget() REQUIRES(mutex_);

  const std::string name_;
  const std::uint16_t owner_;
  const FairQueue::LanePtr lane_;
  base::Metrics& metrics_;
  base::Counter samples_counter_, samples_refused_counter_, series_refused_counter_;
  base::Gauge series_gauge_, series_limit_gauge_;

  mutable base::Mutex mutex_;
  SenderLimits limits_ GUARDED_BY(mutex_);
  TokenBucket requests_ GUARDED_BY(mutex_);
  TokenBucket bytes_ GUARDED_BY(mutex_);
  TokenBucket samples_ GUARDED_BY(mutex_);
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_in_flight_ GUARDED_BY(mutex_) = 0;
  std::size_t connections_ GUARDED_BY(mutex_) = 0;
  SenderStatus status_ GUARDED_BY(mutex_);

  // What was decoded before. The table's contents are touched by who decodes; `learned_` waits.
  std::shared_ptr<const void> identity_ GUARDED_BY(mutex_);
  std::shared_ptr<model::KnownSeriesTable> table_ GUARDED_BY(mutex_);
  base::MonotonicTime table_since_ GUARDED_BY(mutex_){};
  std::vector<std::pair<std::uint64_t, model::KnownSeries>> learned_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::ingest
