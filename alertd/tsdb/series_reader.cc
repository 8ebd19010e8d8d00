#include "alertd/tsdb/series_reader.h"

#include <algorithm>
#include <bit>

#include "alertd/tsdb/read_chunk.h"
#include "alertd/tsdb/segment_format.h"

namespace tocsin::tsdb {
namespace {

const std::uint64_t kStaleBits = std::bit_cast<std::uint64_t>(model::stale_marker());

// One window over the chunks of one series.
class Pass {
 public:
  Pass(const SampleRange& range, WindowBuffer& out)
      : begin_ms_(range.begin_ms),
        end_ms_(range.end_ms),
        dropped_(range.stale == StaleMarkers::Drop),
        out_(out) {}

  /// Returns false at damage.
  bool read(const ChunkView& view, ChunkPlace* place) {
    if (view.count == 0) return true;
    return read_chunk(
        view, place, [&](auto& reader) __attribute__((always_inline)) {
          if (reader.damaged()) return false;
          if (!reader.seek(begin_ms_)) return !reader.damaged();
          if (place != nullptr && !placed_) {
            *place = reader.place(view);
            placed_ = true;
          }
          model::Sample* at = out_.room(view.count);
          const bool good =
              reader.read_to(end_ms_, [&](std::int64_t timestamp_ms, std::uint64_t bits) {
                *at = {timestamp_ms, std::bit_cast<double>(bits)};
                at += dropped_ && bits == kStaleBits ? 0 : 1;
              });
          out_.grew_to(at);
          return good;
        });
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
bool read_mixed(const Series& series, const LateSamples& late, const SampleRange& range,
                WindowBuffer& out) {
  Pass pass({range.begin_ms, range.end_ms, StaleMarkers::Keep}, out);
  bool good = true;
  const auto read_all = [&](std::span<const ChunkPtr> chunks) {
    for (const ChunkPtr& chunk : chunks) {
      if (chunk->first_ms() > range.end_ms || chunk->last_ms() < range.begin_ms) continue;
      good = pass.read(chunk->view(), nullptr) && good;
    }
  };
  read_all(series.sealed());
  read_all(late.sealed);
  read_all(late.settled);
  if (!series.open().empty()) good = pass.read(series.open().view(), nullptr) && good;
  pass.add(late.buffer);
  out.settle();
  if (range.stale == StaleMarkers::Drop) {
    const std::span<const model::Sample> all = out.samples();
    model::Sample* const begin = out.room(0) - all.size();
    out.grew_to(std::remove_if(begin, begin + all.size(), [](const model::Sample& sample) {
      return model::is_stale(sample.value);
    }));
  }
  return good;
}

/// Reads the newest chunk in a segment, if the window needs no other one.
WindowRead read_recorded(const Series& series, const SampleRange& range, Pass& pass,
                         ChunkPlace& place) {
  if (series.record() == nullptr) return WindowRead::OnDisk;
  const auto length = get_raw<std::uint32_t>({series.record(), 4});
  RecordReader record({series.record() + kRecordHeaderBytes, length});
  StoredChunk chunk;
  for (StoredChunk next; record.next(next);) chunk = next;
  if (chunk.view.count == 0 || chunk.view.first_ms > range.begin_ms) return WindowRead::OnDisk;
  if (chunk.last_ms < range.begin_ms) return WindowRead::Done;
  return pass.read(chunk.view, &place) ? WindowRead::Done : WindowRead::Damaged;
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

WindowRead read_window(const Series& series, const SampleRange& range, std::int64_t disk_last_ms,
                       ChunkPlace& place, WindowBuffer& out) {
  out.clear();
  const bool on_disk = range.begin_ms <= disk_last_ms && series.reaches_disk(range.begin_ms);
  if (const LateSamples* late = series.late()) {
    if (on_disk) return WindowRead::OnDisk;
    return read_mixed(series, *late, range, out) ? WindowRead::Done : WindowRead::Damaged;
  }
  Pass pass(range, out);
  if (on_disk) {
    const WindowRead read = read_recorded(series, range, pass, place);
    if (read != WindowRead::Done) return read;
  }
  // Ordered and without overlap; windows look at the newest part, so search from the end.
  const auto sealed = series.sealed();
  auto first = sealed.end();
  while (first != sealed.begin() && (*std::prev(first))->last_ms() >= range.begin_ms) --first;
  for (; first != sealed.end() && (*first)->first_ms() <= range.end_ms; ++first) {
    if (!pass.read((*first)->view(), &place)) return WindowRead::Damaged;
  }
  const OpenChunk& open = series.open();
  if (open.empty() || open.first_ms() > range.end_ms || open.last_ms() < range.begin_ms) {
    return WindowRead::Done;
  }
  return pass.read(open.view(), &place) ? WindowRead::Done : WindowRead::Damaged;
}

}  // namespace tocsin::tsdb
