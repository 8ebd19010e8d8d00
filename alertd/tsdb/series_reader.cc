#include "alertd/tsdb/series_reader.h"

#include <algorithm>
#include <bit>

namespace tocsin::tsdb {
namespace {

const std::uint64_t kStaleBits = std::bit_cast<std::uint64_t>(model::stale_marker());

// One window over the chunks of one series.
class Pass {
 public:
  Pass(std::int64_t begin_ms, std::int64_t end_ms, StaleMarkers stale, WindowBuffer& out)
      : begin_ms_(begin_ms), end_ms_(end_ms), dropped_(stale == StaleMarkers::Drop), out_(out) {}

  /// Returns false at damage.
  bool read(const ChunkView& view, ChunkPlace* place) {
    if (view.count == 0) return true;
    ChunkReader reader =
        place != nullptr && place->in(view) ? ChunkReader(view, *place) : ChunkReader(view);
    if (reader.damaged()) return false;
    if (!reader.seek(begin_ms_)) return !reader.damaged();
    if (place != nullptr && !placed_) {
      *place = reader.place(view);
      placed_ = true;
    }
    model::Sample* at = out_.room(view.count);
    const bool good = reader.read_to(end_ms_, [&](std::int64_t timestamp_ms, std::uint64_t bits) {
      *at = {timestamp_ms, std::bit_cast<double>(bits)};
      at += dropped_ && bits == kStaleBits ? 0 : 1;
    });
    out_.grew_to(at);
    return good;
  }

  void add(std::span<const model::Sample> samples) {
    model::Sample* at = out_.room(samples.size());
    for (const model::Sample& sample : samples) {
      if (sample.timestamp_ms < begin_ms_ || sample.timestamp_ms > end_ms_) continue;
      *at++ = sample;
    }
    out_.grew_to(at);
  }

 private:
  std::int64_t begin_ms_;
  std::int64_t end_ms_;
  bool dropped_;
  bool placed_ = false;
  WindowBuffer& out_;
};

// Late samples lie anywhere: all of the window is read, then put in order. Stale markers go last,
// because one of the late samples may have been before it at the same time.
bool read_mixed(const Series& series, std::int64_t begin_ms, std::int64_t end_ms,
                StaleMarkers stale, WindowBuffer& out) {
  Pass pass(begin_ms, end_ms, StaleMarkers::Keep, out);
  bool good = true;
  const auto read_all = [&](const std::vector<ChunkPtr>& chunks) {
    for (const ChunkPtr& chunk : chunks) {
      if (chunk->first_ms() > end_ms || chunk->last_ms() < begin_ms) continue;
      good = pass.read(chunk->view(), nullptr) && good;
    }
  };
  read_all(series.sealed());
  read_all(series.late()->sealed);
  if (!series.open().empty()) good = pass.read(series.open().view(), nullptr) && good;
  pass.add(series.late()->buffer);
  out.settle();
  if (stale == StaleMarkers::Drop) {
    const std::span<const model::Sample> all = out.samples();
    model::Sample* const begin = out.room(0) - all.size();
    out.grew_to(std::remove_if(begin, begin + all.size(), [](const model::Sample& sample) {
      return model::is_stale(sample.value);
    }));
  }
  return good;
}

}  // namespace

void WindowBuffer::settle() {
  const auto begin = samples_.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(size_);
  std::stable_sort(begin, end,
                   [](const auto& a, const auto& b) { return a.timestamp_ms < b.timestamp_ms; });
  const auto last = std::unique(
      begin, end, [](const auto& a, const auto& b) { return a.timestamp_ms == b.timestamp_ms; });
  size_ = static_cast<std::size_t>(last - begin);
}

bool read_window(const Series& series, std::int64_t begin_ms, std::int64_t end_ms,
                 ChunkPlace& place, StaleMarkers stale, WindowBuffer& out) {
  out.clear();
  if (series.late() != nullptr) return read_mixed(series, begin_ms, end_ms, stale, out);
  const OpenChunk& open = series.open();
  Pass pass(begin_ms, end_ms, stale, out);
  // Ordered and without overlap; windows look at the newest part, so search from the end.
  const auto& sealed = series.sealed();
  auto first = sealed.end();
  while (first != sealed.begin() && (*std::prev(first))->last_ms() >= begin_ms) --first;
  for (; first != sealed.end() && (*first)->first_ms() <= end_ms; ++first) {
    if (!pass.read((*first)->view(), &place)) return false;
  }
  if (open.empty() || open.first_ms() > end_ms || open.last_ms() < begin_ms) return true;
  return pass.read(open.view(), &place);
}

}  // namespace tocsin::tsdb
