#include "alertd/tsdb/prepared_select.h"

#include <fmt/core.h>

namespace tocsin::tsdb {
namespace {

// How far ahead memory is asked for: far enough that it is there in time, near enough that it still
// is. First the series, then (its pointer being there) the bytes.
constexpr std::size_t kSeriesAhead = 24;
constexpr std::size_t kBytesAhead = 10;

// Inlined by order: g++ 12 takes a function that only prefetches for one without effect, and drops
// the call.
[[gnu::always_inline]] inline void fetch_series(const Series& series) {
  const auto* open = reinterpret_cast<const char*>(&series.open());
  __builtin_prefetch(open);
  __builtin_prefetch(open + sizeof(OpenChunk) + 32);  // sealed(), late()
}

[[gnu::always_inline]] inline void fetch_bytes(const Series& series, const ChunkPlace& place) {
  const ChunkView view = series.open().view();
  const char* at = view.bytes.data() + (place.in(view) ? place.bit / 8U : 0);
  __builtin_prefetch(at);
  __builtin_prefetch(at + 64);
}

}  // namespace

std::shared_ptr<const model::SeriesList> PreparedSelect::refresh() {
  list_ = head_.resolved(matchers_, key_, list_);
  return list_;
}

base::Error PreparedSelect::damaged(std::uint32_t series) const {
  return base::error(base::ErrorCode::Corruption,
                     fmt::format("damaged chunk in series {}", list_->labels(series).to_string()));
}

void PreparedSelect::postpone(const Head::View& view, const SampleRange& range,
                              std::uint32_t series) {
  if (postponed_ == nullptr) {
    postponed_ = std::make_unique<Snapshot>(range.begin_ms, range.end_ms, view.segments);
  }
  postponed_->add(list_->series()[series], series);
}

base::Result<void> PreparedSelect::read_postponed(const SampleRange& range, const Visit& visit) {
  const std::unique_ptr<Snapshot> snapshot = std::move(postponed_);
  if (snapshot == nullptr) return base::ok();
  snapshot->finish();
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < snapshot->size(); ++i) {
    samples.clear();
    TC_TRY(snapshot->samples(i, range.begin_ms, range.end_ms, samples));
    if (range.stale == StaleMarkers::Drop) {
      std::erase_if(samples, [](const auto& sample) { return model::is_stale(sample.value); });
    }
    if (!samples.empty() && !visit(snapshot->tag(i), samples)) break;
  }
  return base::ok();
}

base::Result<void> PreparedSelect::read_newest(const Head::View& view, const SampleRange& range,
                                               std::span<model::Sample> out) {
  const auto& series = list_->series();
  const auto order = list_->storage_order();
  const std::int64_t disk_last_ms = view.segments->last_ms();
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k + kSeriesAhead < order.size()) fetch_series(*series[order[k + kSeriesAhead]]);
    const Series& one = *series[order[k]];
    const OpenChunk& open = one.open();
    model::Sample& sample = out[order[k]];
    sample = {kNoSample, 0};
    if (!open.empty() && open.last_ms() <= range.end_ms) {
      if (open.last_ms() >= range.begin_ms) sample = {open.last_ms(), open.last_value()};
      continue;
    }
    if (one.last_ms() < range.begin_ms) continue;
    ChunkPlace nowhere;
    const WindowRead read = read_window(one, range, disk_last_ms, nowhere, buffer_);
    if (read == WindowRead::Damaged) return damaged(order[k]);
    if (read == WindowRead::OnDisk) {
      postpone(view, range, order[k]);
    } else if (!buffer_.samples().empty()) {
      sample = buffer_.samples().back();
    }
  }
  return base::ok();
}

base::Result<void> PreparedSelect::newest(std::int64_t begin_ms, std::int64_t end_ms,
                                          std::span<model::Sample> out) {
  postponed_.reset();
  const SampleRange range{begin_ms, end_ms, StaleMarkers::Keep};
  TC_TRY(head_.view([&](const Head::View& view) { return read_newest(view, range, out); }));
  return read_postponed(range, [&](std::size_t series, std::span<const model::Sample> samples) {
    out[series] = samples.back();
    return true;
  });
}

// Places are kept while the list is the same or only grew, and the window moves forward.
void PreparedSelect::prepare_places(std::int64_t begin_ms) {
  if (begin_ms < places_begin_ms_) places_.clear();
  places_begin_ms_ = begin_ms;
  if (places_list_ != list_ && places_list_ && !places_.empty()) {
    const auto from = list_->grown_from(*places_list_);
    std::vector<ChunkPlace> moved(from.size());
    if (!from.empty()) {
      std::vector<std::uint32_t> old_place(places_list_->size());
      const auto old_order = places_list_->storage_order();
      for (std::uint32_t k = 0; k < old_order.size(); ++k) old_place[old_order[k]] = k;
      const auto order = list_->storage_order();
      for (std::size_t k = 0; k < order.size(); ++k) {
        const std::uint32_t old = from[order[k]];
        if (old != model::SeriesList::kNewSeries) moved[k] = places_[old_place[old]];
      }
    }
    places_ = std::move(moved);
  }
  places_.resize(list_->size());
  places_list_ = list_;
}

base::Result<bool> PreparedSelect::read_windows(const Head::View& view, const SampleRange& range,
                                                const Visit& visit) {
  const auto& series = list_->series();
  const auto order = list_->storage_order();
  const std::int64_t disk_last_ms = view.segments->last_ms();
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k + kSeriesAhead < order.size()) fetch_series(*series[order[k + kSeriesAhead]]);
    if (k + kBytesAhead < order.size()) {
      fetch_bytes(*series[order[k + kBytesAhead]], places_[k + kBytesAhead]);
    }
    const Series& one = *series[order[k]];
    const WindowRead read = read_window(one, range, disk_last_ms, places_[k], buffer_);
    if (read == WindowRead::Damaged) return damaged(order[k]);
    if (read == WindowRead::OnDisk) {
      postpone(view, range, order[k]);
    } else if (!buffer_.samples().empty() && !visit(order[k], buffer_.samples())) {
      return false;
    }
  }
  return true;
}

base::Result<void> PreparedSelect::windows(std::int64_t begin_ms, std::int64_t end_ms,
                                           const Visit& visit) {
  prepare_places(begin_ms);
  postponed_.reset();
  const SampleRange range{begin_ms, end_ms, StaleMarkers::Drop};
  TC_TRY(const bool more,
         head_.view([&](const Head::View& view) { return read_windows(view, range, visit); }));
  return more ? read_postponed(range, visit) : base::ok();
}

}  // namespace tocsin::tsdb
