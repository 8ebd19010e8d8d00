// What a selector matched: series in the order of labels, and the order to read them in.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "alertd/tsdb/series.h"
#include "common/model/series_source.h"

namespace tocsin::tsdb {

/// Immutable once made; shared by all who ask the same selector. Thread: any.
///
/// Rules ask the same selectors every few seconds while series come and go seldom, so intersecting
/// and above all sorting is done once; a list that only grew is merged, not made anew.
class ResolvedSeries final : public model::SeriesList {
 public:
  /// Which state of the table a list is of.
  struct Stamp {
    std::uint64_t generation = 0;  ///< Of the metric's posting list.
    std::uint64_t additions = 0;   ///< Of the table: series ever added.
    std::uint64_t removals = 0;    ///< Of the table: times that series were removed.
  };
  using SeriesVector = std::vector<std::shared_ptr<Series>>;

  /// Sorts `series`, in any order.
  ResolvedSeries(const Stamp& stamp, SeriesVector series);
  /// As `older`, of which only those in `kept` (indices, ascending) are left, and `added`.
  ResolvedSeries(const Stamp& stamp, const ResolvedSeries& older,
                 std::span<const std::uint32_t> kept, SeriesVector added);

  const Stamp& stamp() const { return stamp_; }
  const SeriesVector& series() const { return series_; }
  /// Indices by place in memory: the order in which reading misses caches least.
  std::span<const std::uint32_t> storage_order() const { return storage_order_; }

  std::size_t size() const override { return series_.size(); }
  const model::Labels& labels(std::size_t series) const override {
    return series_[series]->labels();
  }
  std::span<const std::uint32_t> grown_from(const model::SeriesList& older) const override;

 private:
  Stamp stamp_;
  SeriesVector series_;
  std::vector<std::uint32_t> storage_order_;
  std::uint64_t older_additions_ = 0;  // of the list that this one grew from
  std::uint64_t older_removals_ = 0;
  std::vector<std::uint32_t> from_;  // empty unless it grew
};

using ResolvedPtr = std::shared_ptr<const ResolvedSeries>;

}  // namespace tocsin::tsdb
