#include "alertd/tsdb/resolved_series.h"

#include <algorithm>
#include <numeric>

namespace tocsin::tsdb {
namespace {

bool labels_before(const std::shared_ptr<Series>& a, const std::shared_ptr<Series>& b) {
  return a->labels() < b->labels();
}

}  // namespace

ResolvedSeries::ResolvedSeries(const Stamp& stamp, SeriesVector series)
    : stamp_(stamp), series_(std::move(series)), storage_order_(series_.size()) {
  std::sort(series_.begin(), series_.end(), labels_before);
  std::iota(storage_order_.begin(), storage_order_.end(), 0U);
  std::sort(storage_order_.begin(), storage_order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::less<>()(series_[a].get(), series_[b].get());
  });
}

ResolvedSeries::ResolvedSeries(const Stamp& stamp, const ResolvedSeries& older,
                               std::span<const std::uint32_t> kept, SeriesVector added)
    : stamp_(stamp) {
  std::sort(added.begin(), added.end(), labels_before);
  std::vector<std::uint32_t> place_of(older.size(), kNewSeries);  // of an old one, here
  std::vector<std::uint32_t> fresh;                               // places of the new ones
  const std::size_t total = kept.size() + added.size();
  series_.reserve(total);
  from_.reserve(total);
  std::size_t next = 0;
  for (std::size_t i = 0; i < kept.size() || next < added.size();) {
    const bool take_old = next == added.size() ||
                          (i < kept.size() && labels_before(older.series_[kept[i]], added[next]));
    const auto place = static_cast<std::uint32_t>(series_.size());
    if (take_old) {
      place_of[kept[i]] = place;
      from_.push_back(kept[i]);
      series_.push_back(older.series_[kept[i++]]);
    } else {
      fresh.push_back(place);
      from_.push_back(kNewSeries);
      series_.push_back(std::move(added[next++]));
    }
  }
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    return std::less<>()(series_[a].get(), series_[b].get());
  };
  std::sort(fresh.begin(), fresh.end(), before);
  std::vector<std::uint32_t> old_order;
  old_order.reserve(kept.size());
  for (const std::uint32_t index : older.storage_order_) {
    if (place_of[index] != kNewSeries) old_order.push_back(place_of[index]);
  }
  storage_order_.resize(total);
  std::merge(old_order.begin(), old_order.end(), fresh.begin(), fresh.end(), storage_order_.begin(),
             before);
  older_additions_ = older.stamp_.additions;
  older_removals_ = older.stamp_.removals;
  if (kept.size() != older.size()) from_ = {};
}

std::span<const std::uint32_t> ResolvedSeries::grown_from(const model::SeriesList& older) const {
  const auto* list = dynamic_cast<const ResolvedSeries*>(&older);
  // Two lists of one selector that saw the same additions and removals are the same list.
  const bool grown = list != nullptr && !from_.empty() &&
                     list->stamp_.additions == older_additions_ &&
                     list->stamp_.removals == older_removals_;
  return grown ? std::span<const std::uint32_t>(from_) : std::span<const std::uint32_t>();
}

}  // namespace tocsin::tsdb
