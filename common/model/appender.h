// The write waist: everything that adds samples to the store sees this and nothing more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/model/write_batch.h"

namespace tocsin::model {

/// What became of a batch. Everything that was not appended is counted under its reason.
struct AppendOutcome {
  std::uint64_t samples_appended = 0;
  std::uint64_t series_created = 0;
  std::uint64_t samples_duplicate = 0;     ///< Same timestamp and value as stored: a repeated send.
  std::uint64_t samples_conflicting = 0;   ///< Same timestamp, another value: the first one stays.
  std::uint64_t samples_out_of_order = 0;  ///< Older than the out-of-order window.
  std::uint64_t samples_too_old = 0;       ///< Older than the retention.
  std::uint64_t samples_too_new = 0;       ///< Further in the future than is believable.
  std::uint64_t series_refused = 0;        ///< Over a series limit; existing series go on.
  std::uint64_t series_over_owner = 0;     ///< Of those: over WriteBatch::owner_series_max.
  std::uint64_t samples_over_owner = 0;    ///< Their samples.
  std::uint64_t owner_series = 0;          ///< What WriteBatch::owner has now.
  /// With WriteBatch::remember: series that were not known, by their index in the batch.
  std::vector<std::pair<std::uint32_t, KnownSeries>> known;
};

using AppendDone = std::function<void(base::Result<AppendOutcome>)>;

/// Implementations: tsdb::Store (production), fakes in tests.
class Appender {
 public:
  virtual ~Appender() = default;

  /// Adds the batch and calls `done` once it is durable (group commit): an acknowledgement given
  /// from `done` survives kill -9 and power loss.
  ///
  /// Labels must be sorted by name, without repetition or empty names. Samples that the store
  /// refuses are counted in the outcome; they are not an error. Errors in `done`: Unavailable
  /// (queue full or shutting down; try later), Io (disk; try later). Thread: any; `done` runs on
  /// the store's thread and must not block.
  virtual void append(std::shared_ptr<const WriteBatch> batch, AppendDone done) = 0;
};

}  // namespace tocsin::model
