// Turns what collectors add into a batch: identity labels, limits, stale markers.
#pragma once

#include <string>
#include <vector>

#include "agent/sampler/round_sink.h"
#include "agent/sampler/series_tracker.h"
#include "common/base/metrics.h"

namespace tocsin::agent {

/// The labels that every series of this host gets.
struct IdentityLabels {
  std::string host;        ///< Always ours; a sample's own `host` becomes `exported_host`.
  std::string instance;    ///< Only where the sample has none.
  model::Labels external;  ///< Only where the sample has none of the name.
};

/// Whether help texts and types travel with the batch.
enum class Metadata { No, Yes };

/// One source's share of one round. Use: add..., then finish(). Owner: the sampler, for one call.
class RoundWriter final : public RoundSink {
 public:
  struct Options {
    const IdentityLabels& identity;
    base::WallTime timestamp;
    std::size_t samples_max = 0;
    Metadata metadata = Metadata::No;
    base::Metrics& metrics;  ///< For what is left out, by reason.
  };

  /// `tracker` holds this source's series of the round before.
  RoundWriter(SeriesTracker& tracker, const Options& options);

  /// Creates the counters of what can be left out, at zero, so that the first one is an increase.
  static void announce_drops(base::Metrics& metrics);

  using MetricSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override;
  void add_at(const MetricInfo& metric, std::span<const model::LabelView> labels, double value,
              std::int64_t timestamp_ms) override;
  void describe(const model::MetricMetadata& metadata) override;
  std::size_t series_added() const override { return series_added_; }

  /// Adds a stale marker for each series that was not added again, and hands the batch over.
  model::WriteBatch finish();

 private:
  enum class Track { No, Yes };
  void write(const MetricInfo& metric, std::span<const model::LabelView> labels,
             model::Sample sample, Track track);
  bool assemble(std::string_view name, std::span<const model::LabelView> labels);
  void leave_out(const char* reason);

  SeriesTracker& tracker_;
  Options options_;
  model::WriteBatch batch_;
  std::vector<model::LabelView> base_;    // Identity but host, sorted.
  std::vector<model::LabelView> sorted_;  // Of the series being added.
  std::string_view described_;            // Family of the latest metadata.
  std::size_t series_added_ = 0;
};

}  // namespace tocsin::agent
