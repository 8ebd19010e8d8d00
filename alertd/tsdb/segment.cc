#include "alertd/tsdb/segment.h"

#include <algorithm>

#include "alertd/tsdb/wal_files.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kEntryBytes = sizeof(IndexEntry);

IndexEntry entry_at(std::string_view index, std::uint64_t record) {
  return get_raw<IndexEntry>(index.substr(static_cast<std::size_t>(record) * kEntryBytes));
}

}  // namespace

/// What the records say, when the index cannot.
struct Segment::Scan {
  struct Found {
    IndexEntry entry;
    std::int64_t first_ms = std::numeric_limits<std::int64_t>::max();
    std::int64_t last_ms = std::numeric_limits<std::int64_t>::min();
  };
  std::vector<Found> found;
  std::int64_t first_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t last_ms = std::numeric_limits<std::int64_t>::min();
  std::uint64_t samples = 0;

  void add(std::uint64_t offset, std::string_view payload) {
    RecordReader reader(payload);
    Found one;
    one.entry.ref = reader.ref().value;
    one.entry.offset = static_cast<std::uint32_t>(offset);
    one.entry.length = static_cast<std::uint32_t>(payload.size());
    if (reader.is_labels()) {
      found.push_back(one);
      return;
    }
    for (StoredChunk chunk; reader.next(chunk);) {
      one.first_ms = std::min(one.first_ms, chunk.view.first_ms);
      one.last_ms = std::max(one.last_ms, chunk.last_ms);
      samples += chunk.view.count;
    }
    if (one.first_ms > one.last_ms) return;
    first_ms = std::min(first_ms, one.first_ms);
    last_ms = std::max(last_ms, one.last_ms);
    found.push_back(one);
  }
  std::string index(std::int64_t base_ms) {
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
      return std::pair(a.entry.ref, a.first_ms) < std::pair(b.entry.ref, b.first_ms);
    });
    std::string entries;
    for (Found& one : found) {
      one.entry.first = IndexEntry::relative(one.first_ms, base_ms);
      one.entry.last = IndexEntry::relative(one.last_ms, base_ms);
      put_raw(one.entry, entries);
    }
    return entries;
  }
};

// After damage every byte may be where the next record begins: its checksum tells.
Segment::Scan Segment::scan() const {
  Scan scan;
  const std::uint64_t end = footer_ ? footer_->index_offset : file_.size();
  for (std::uint64_t offset = kSegmentHeaderBytes; offset < end;) {
    const auto payload = record_at(file_, info_.number, offset);
    if (payload) scan.add(offset, *payload);
    offset += payload ? kRecordHeaderBytes + payload->size() : 1;
  }
  return scan;
}

base::Result<SegmentPtr> Segment::open(const base::FileSystem& files, const std::string& folder,
                                       std::uint64_t number) {
  TC_TRY(auto mapped, files.map(base::join_path(folder, segment_name(number))));
  return SegmentPtr(new Segment(std::move(mapped), number));
}

Segment::Segment(std::unique_ptr<base::MappedFile> mapped, std::uint64_t number)
    : mapped_(std::move(mapped)), file_(mapped_->bytes()) {
  info_.number = number;
  info_.bytes = file_.size();
  footer_ = read_segment_footer(file_, number);
  if (footer_) {
    info_.samples = footer_->samples;
    info_.first_ms = footer_->first_ms;
    info_.last_ms = footer_->last_ms;
    if (footer_->replaced > 0) read_replaced();
    return;
  }
  note_damage("its beginning or its end", 0);
  Scan found = scan();
  info_.samples = found.samples;
  info_.first_ms = found.first_ms;
  info_.last_ms = found.last_ms;
  const base::MutexLock lock(mutex_);
  rebuilt_ = found.index(info_.first_ms);
  index_ = rebuilt_;
  ready_.store(true, std::memory_order_release);
}

void Segment::read_replaced() {
  const std::string_view entries = index();
  if (damaged()) return;
  for (std::uint64_t i = 0; i < footer_->replaced; ++i) {
    info_.replaces.push_back(get_raw<std::uint64_t>(
        file_.substr(static_cast<std::size_t>(footer_->index_offset) + entries.size() + i * 8)));
  }
}

void Segment::note_damage(std::string_view what, std::uint64_t offset) const {
  if (damaged_.exchange(true)) return;
  base::log_error(
      "alertd/tsdb",
      "{} is damaged: {} at byte {}; what can be read of it is used and copied, and the "
      "file is kept as {}{}",
      segment_name(info_.number), what, offset, segment_name(info_.number), kDamagedSuffix);
}

std::string_view Segment::index() const {
  if (ready_.load(std::memory_order_acquire)) return index_;
  const base::MutexLock lock(mutex_);
  if (ready_.load(std::memory_order_acquire)) return index_;
  const auto begin = static_cast<std::size_t>(footer_->index_offset);
  const std::string_view all = file_.substr(begin, file_.size() - kSegmentFooterBytes - begin);
  if (base::xxh64(all) == footer_->index_check) {
    index_ = all.substr(0, static_cast<std::size_t>(footer_->entries) * kEntryBytes);
  } else {
    note_damage("its index", footer_->index_offset);
    rebuilt_ = scan().index(info_.first_ms);
    index_ = rebuilt_;
  }
  ready_.store(true, std::memory_order_release);
  return index_;
}

std::uint64_t Segment::records() const {
  return index().size() / kEntryBytes;
}
IndexEntry Segment::entry(std::uint64_t record) const {
  return entry_at(index(), record);
}

std::optional<std::string_view> Segment::payload(const IndexEntry& entry) const {
  const auto payload = record_at(file_, info_.number, entry.offset);
  if (payload && payload->size() == entry.length &&
      RecordReader(*payload).ref().value == entry.ref) {
    return payload;
  }
  note_damage("a record", entry.offset);
  return std::nullopt;
}

std::uint64_t Segment::first_of(SeriesRef ref, std::string_view index) {
  std::uint64_t low = 0;
  std::uint64_t high = index.size() / kEntryBytes;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (entry_at(index, middle).ref < ref.value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

template <class Visit>
void Segment::each_of(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms,
                      Visit visit) const {
  if (!overlaps(begin_ms, end_ms)) return;
  const std::uint64_t base = as_u64(info_.first_ms);
  const std::uint64_t begin = begin_ms > info_.first_ms ? as_u64(begin_ms) - base : 0;
  const std::uint64_t end = as_u64(end_ms) - base;
  const std::string_view entries = index();
  const std::uint64_t count = entries.size() / kEntryBytes;
  for (std::uint64_t at = first_of(ref, entries); at < count; ++at) {
    const IndexEntry entry = entry_at(entries, at);
    if (entry.ref != ref.value) return;
    if ((entry.last != IndexEntry::kFar && entry.last < begin) || entry.first > end) continue;
    if (!visit(entry)) return;
  }
}

void Segment::find(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms,
                   std::vector<StoredChunk>& chunks) const {
  each_of(ref, begin_ms, end_ms, [&](const IndexEntry& entry) {
    const auto bytes = payload(entry);
    if (!bytes) return true;
    RecordReader reader(*bytes);
    for (StoredChunk chunk; reader.next(chunk);) {
      if (chunk.view.first_ms <= end_ms && chunk.last_ms >= begin_ms) chunks.push_back(chunk);
    }
    return true;
  });
}

bool Segment::has(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms) const {
  bool found = false;
  each_of(ref, begin_ms, end_ms, [&](const IndexEntry&) {
    found = true;
    return false;
  });
  return found;
}

void Segment::visit_series(const SeriesVisit& visit) const {
  const std::uint64_t count = records();
  for (std::uint64_t at = 0; at < count; ++at) {
    const IndexEntry one = entry(at);
    if (one.ref != 0) return;
    if (const auto bytes = payload(one)) read_labels_record(*bytes, visit);
  }
}

SegmentSet::SegmentSet(std::vector<SegmentPtr> segments) : segments_(std::move(segments)) {
  std::sort(segments_.begin(), segments_.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    return std::pair(a->info().first_ms, a->info().number) <
           std::pair(b->info().first_ms, b->info().number);
  });
  for (const SegmentPtr& segment : segments_) {
    last_ms_ = std::max(last_ms_, segment->info().last_ms);
  }
}

bool SegmentSet::overlaps(std::int64_t begin_ms, std::int64_t end_ms) const {
  return std::any_of(segments_.begin(), segments_.end(), [&](const SegmentPtr& segment) {
    return segment->overlaps(begin_ms, end_ms);
  });
}

void SegmentSet::find(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms,
                      std::vector<StoredChunk>& chunks) const {
  const auto start = static_cast<std::ptrdiff_t>(chunks.size());
  for (const SegmentPtr& segment : segments_) segment->find(ref, begin_ms, end_ms, chunks);
  std::stable_sort(
      chunks.begin() + start, chunks.end(),
      [](const StoredChunk& a, const StoredChunk& b) { return a.view.first_ms < b.view.first_ms; });
}

bool SegmentSet::has(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms) const {
  return std::any_of(segments_.begin(), segments_.end(), [&](const SegmentPtr& segment) {
    return segment->has(ref, begin_ms, end_ms);
  });
}

std::optional<double> SegmentSet::value_at(SeriesRef ref, std::int64_t timestamp_ms) const {
  std::vector<StoredChunk> chunks;
  find(ref, timestamp_ms, timestamp_ms, chunks);
  std::vector<model::Sample> samples;
  for (const StoredChunk& chunk : chunks) {
    if (decode_chunk(chunk.view, timestamp_ms, timestamp_ms, samples) && !samples.empty()) {
      return samples.front().value;
    }
  }
  return std::nullopt;
}

std::optional<model::Sample> SegmentSet::newest(SeriesRef ref) const {
  std::vector<StoredChunk> chunks;
  find(ref, std::numeric_limits<std::int64_t>::min(), last_ms_, chunks);
  const auto last =
      std::max_element(chunks.begin(), chunks.end(),
                       [](const auto& a, const auto& b) { return a.last_ms < b.last_ms; });
  std::vector<model::Sample> samples;
  if (last == chunks.end() || !decode_chunk(last->view, last->last_ms, last->last_ms, samples) ||
      samples.empty()) {
    return std::nullopt;
  }
  return samples.back();
}

}  // namespace tocsin::tsdb
