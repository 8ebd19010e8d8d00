// What a sender of samples knows, and what that lets it demand of the store.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/test_store.h"

namespace tocsin::store_faults {

/// A sample as it is sent. `certain`: by the store's contract it must be taken if the batch is
/// acknowledged; whether it is too late for that is found out by Ledger::sent().
struct SentSample {
  std::string series;
  model::Sample sample;
  bool certain = false;
};

/// Thread: one.
class Ledger {
 public:
  explicit Ledger(base::Duration out_of_order_window) : window_(out_of_order_window) {}

  void sent(std::vector<SentSample>& batch);
  void acknowledged(const std::vector<SentSample>& batch, std::uint64_t step);

  /// Power was lost: what was acknowledged in steps after `step` may be gone. For a store that
  /// syncs at intervals.
  void forgive_after(std::uint64_t step);

  /// Of two values that were sent with one time: after damage the second one may be left.
  enum class Values { First, Any };
  /// What is wrong with `found`, at most a few lines; samples before `horizon_ms` may be gone.
  std::vector<std::string> breaches(const tsdb::Contents& found, std::int64_t horizon_ms,
                                    Values values = Values::First) const;
  /// Acknowledged samples from `horizon_ms` on that are missing: batch, series.
  struct Missing {
    std::uint64_t step = 0;  ///< Of the acknowledgement.
    std::string series;
    std::int64_t timestamp_ms = 0;
  };
  std::vector<Missing> missing(const tsdb::Contents& found, std::int64_t horizon_ms) const;
  std::uint64_t acknowledged_samples() const { return acknowledged_; }

 private:
  struct Known {
    std::vector<double> values;    ///< Which it may have.
    std::vector<double> refused;   ///< Which were sent after the acknowledgement.
    std::uint64_t acked_step = 0;  ///< 0: it need not be there.
  };
  struct Series {
    std::map<std::int64_t, Known> samples;
    std::int64_t newest_ms = std::numeric_limits<std::int64_t>::min();  ///< Maybe stored.
  };

  base::Duration window_;
  std::map<std::string, Series> series_;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace tocsin::store_faults
