#include "common/spool/spool.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace tocsin::spool {
namespace {

constexpr base::Duration kDiskRetry{10'000};
constexpr std::size_t kSegmentFileBytesMax = 64 << 20;
constexpr std::size_t kQuarantinedFilesMax = 4;
constexpr int kReadFailuresMax = 5;

}  // namespace

Spool::Spool(SpoolOptions options, World world)
    : options_(std::move(options)),
      world_(world),
      acknowledgements_(world.files, base::join_path(options_.folder, "acknowledged")),
      started_wall_(world.clock.wall()),
      started_(world.clock.monotonic()),
      gauge_bytes_(world.metrics.gauge(options_.names.metric("spool_bytes"),
                                       "Bytes of the disk queue.", options_.names.labels)),
      gauge_records_(world.metrics.gauge(
          options_.names.metric("spool_records"),
          "Batches that wait to be acknowledged by " + options_.names.receiver + ".",
          options_.names.labels)),
      gauge_age_(world.metrics.gauge(options_.names.metric("spool_oldest_age_seconds"),
                                     "Age of the oldest batch that waits; 0 when none does.",
                                     options_.names.labels)),
      gauge_degraded_(world.metrics.gauge(
          options_.names.metric("spool_degraded"),
          "1 while the disk fails and batches are kept in memory only.", options_.names.labels)),
      write_failures_(world.metrics.counter(options_.names.metric("spool_write_failures_total"),
                                            "Failed writes, syncs and removals of the disk queue.",
                                            options_.names.labels)),
      damaged_bytes_(world.metrics.counter(options_.names.metric("spool_lost_bytes_total"),
                                           "Bytes of the disk queue that could not be read back.",
                                           options_.names.with("reason", "damaged"))),
      torn_bytes_(world.metrics.counter(options_.names.metric("spool_lost_bytes_total"),
                                        "Bytes of the disk queue that could not be read back.",
                                        options_.names.with("reason", "torn_tail"))) {
  options_.segment_bytes =
      std::max<std::uint64_t>(4096, std::min(options_.segment_bytes, options_.bytes_max / 4));
  // At zero from the start, so that the first drop is an increase that a rule can see.
  for (const char* reason :
       {"spool_full", "too_old", "memory_full", "damaged", "batch_too_large"}) {
    dropped(reason);
  }
  recover();
  enforce_bounds();
  expire();
  settle();
}

std::uint64_t Spool::append(std::string payload, std::uint32_t samples) {
  if (payload.size() > kRecordPayloadBytesMax) {
    base::log_error(options_.names.log, "a batch of {} bytes is over the limit of {}, dropped",
                    payload.size(), kRecordPayloadBytesMax);
    count_dropped("batch_too_large", samples);
    return 0;
  }
  RecordPlace place{next_sequence_++, base::to_ms(now()), samples,
                    static_cast<std::uint32_t>(payload.size()), 0};
  if (degraded_) return_to_disk();
  if (!degraded_) write_through(place, payload);
  entries_.push_back(place);
  cache_bytes_ += payload.size();
  cache_.push_back(std::move(payload));
  enforce_bounds();
  settle();
  return place.sequence;
}

std::vector<SpoolRecord> Spool::peek(std::size_t samples_max, std::size_t records_max) {
  expire();
  std::vector<SpoolRecord> records;
  std::size_t samples = 0;
  while (records.size() < records_max && records.size() < entries_.size()) {
    const std::size_t index = records.size();
    const RecordPlace place = entries_[index];
    if (!records.empty() && samples + place.samples > samples_max) break;
    const std::size_t uncached = entries_.size() - cache_.size();
    SpoolRecord record{place.sequence, place.samples, base::wall_time(place.created_ms), {}};
    if (index >= uncached) {
      record.payload = cache_[index - uncached];
    } else {
      auto payload = load(place);
      if (!payload) {
        // A damaged record further on waits until it is the oldest: what is before it goes first.
        if (!records.empty()) break;
        const bool hopeless = payload.error().code == base::ErrorCode::Corruption ||
                              payload.error().code == base::ErrorCode::NotFound;
        if (!hopeless && ++read_failures_ < kReadFailuresMax) {
          failures_.report("read", payload.error().message);
          break;
        }
        damaged_segment(payload.error().message);
        continue;
      }
      read_failures_ = 0;
      failures_.clear("read");
      record.payload = std::move(*payload);
    }
    samples += place.samples;
    records.push_back(std::move(record));
  }
  settle();
  return records;
}

void Spool::acknowledge(std::uint64_t first, std::uint64_t last) {
  forget(first, last, nullptr);
}

void Spool::discard(std::uint64_t first, std::uint64_t last, const std::string& reason) {
  forget(first, last, &reason);
}

void Spool::forget(std::uint64_t first, std::uint64_t last, const std::string* dropped_because) {
  while (!entries_.empty() && entries_.front().sequence >= first &&
         entries_.front().sequence <= last) {
    pop_front(dropped_because);
  }
  settle();
}

void Spool::maintain() {
  if (degraded_) return_to_disk();
  expire();
  sync(false);
  settle();
}

void Spool::flush() {
  if (degraded_) {
    retry_disk_at_ = {};
    return_to_disk();
  }
  sync(true);
  if (recovered_ && forgotten_ > 0) {
    if (auto synced = acknowledgements_.sync(); !synced) {
      failures_.report("acknowledged", synced.error().message);
    }
  }
}

bool Spool::write_through(RecordPlace& place, std::string_view payload) {
  const auto write = [&]() -> base::Result<void> {
    if (active_ && active_->size() >= options_.segment_bytes) close_segment();
    if (!active_) TC_TRY(open_segment(place.sequence));
    const auto offset = active_->size();
    TC_TRY(active_->append(encode_record(place, payload)));
    place.offset = static_cast<std::uint32_t>(offset);
    Segment& segment = segments_.back();
    disk_bytes_ += active_->size() - segment.bytes;
    segment.bytes = active_->size();
    ++segment.live;
    if (!unsynced_since_) unsynced_since_ = world_.clock.monotonic();
    return base::ok();
  };
  const auto written = write();
  if (!written) disk_failed(written.error());
  return static_cast<bool>(written);
}

base::Result<void> Spool::open_segment(std::uint64_t first_sequence) {
  const std::string path = path_of(first_sequence);
  TC_TRY(active_, world_.files.open_append(path, 0600));
  segments_.push_back({first_sequence, 0, 0});
  folder_dirty_ = true;
  // A left-over of that name can only be the torn start of a segment that failed before.
  if (active_->size() > 0) {
    active_.reset();
    TC_TRY(world_.files.truncate(path, 0));
    TC_TRY(active_, world_.files.open_append(path, 0600));
  }
  TC_TRY(active_->append(encode_segment_header(first_sequence)));
  segments_.back().bytes = active_->size();
  disk_bytes_ += active_->size();
  return base::ok();
}

void Spool::close_segment() {
  if (!active_) return;
  if (segments_.back().live > 0) sync(true);
  active_.reset();
}

void Spool::disk_failed(const base::Error& error) {
  write_failures_.increment();
  if (!std::exchange(disk_failure_said_, true)) {
    failures_.report("disk", error.message + "; batches are kept in memory until it works again");
  }
  degraded_ = true;
  retry_disk_at_ = world_.clock.monotonic() + kDiskRetry;
  unsynced_since_.reset();
  active_.reset();
  if (segments_.empty()) return;
  // Take the half-written tail off again. If that fails too, recovery does it at the next start.
  const Segment& last = segments_.back();
  const std::string path = path_of(last.first_sequence);
  if (last.live == 0) {
    disk_bytes_ -= last.bytes;
    if (auto removed = world_.files.remove(path); !removed) write_failures_.increment();
    segments_.pop_back();
  } else if (auto cut = world_.files.truncate(path, last.bytes); !cut) {
    write_failures_.increment();
  }
}

void Spool::return_to_disk() {
  if (world_.clock.monotonic() < retry_disk_at_) return;
  degraded_ = false;
  if (!recovered_) recover();
  const std::size_t uncached = entries_.size() - cache_.size();
  for (std::size_t index = uncached; index < entries_.size() && !degraded_; ++index) {
    if (entries_[index].offset == 0) write_through(entries_[index], cache_[index - uncached]);
  }
  if (degraded_) return;
  disk_failure_said_ = false;
  failures_.clear("disk");
}

base::Result<std::string> Spool::load(const RecordPlace& place) {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), place.sequence,
                                      [](std::uint64_t sequence, const Segment& segment) {
                                        return sequence < segment.first_sequence;
                                      });
  if (after == segments_.begin()) return base::error(base::ErrorCode::NotFound, "no such segment");
  const std::string path = path_of(std::prev(after)->first_sequence);
  TC_TRY(const auto file, world_.files.open_read(path));
  TC_TRY(const std::string bytes,
         file->read_at(place.offset, kRecordHeaderBytes + place.payload_bytes));
  const auto payload = read_record(bytes, place);
  if (!payload) {
    return base::error(base::ErrorCode::Corruption,
                       fmt::format("'{}' is damaged at byte {}", path, place.offset));
  }
  return std::string(*payload);
}

void Spool::damaged_segment(const std::string& why) {
  static const std::string reason = "damaged";
  read_failures_ = 0;
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [](const Segment& segment) { return segment.live > 0; });
  if (found == segments_.end()) return pop_front(&reason);
  const Segment segment = *found;
  // What is still in memory is not lost with the file.
  const std::size_t lost = std::min(segment.live, entries_.size() - cache_.size());
  base::log_error(options_.names.log, "{}; {} batches are lost", why, lost);
  if (active_ && std::next(found) == segments_.end()) close_segment();
  const std::uint64_t from = entries_.front().offset;
  damaged_bytes_.increment(static_cast<double>(segment.bytes - std::min(segment.bytes, from)));
  if (const auto bytes = world_.files.read(path_of(segment.first_sequence), kSegmentFileBytesMax)) {
    const std::string_view view = *bytes;
    quarantine(segment, view.substr(std::min<std::size_t>(from, view.size())), from);
  }
  for (std::size_t left = lost; left > 0; --left) pop_front(&reason);
}

void Spool::pop_front(const std::string* dropped_because) {
  const RecordPlace place = entries_.front();
  if (dropped_because != nullptr) count_dropped(*dropped_because, place.samples);
  if (cache_.size() == entries_.size()) {
    cache_bytes_ -= cache_.front().size();
    cache_.pop_front();
  }
  entries_.pop_front();
  forgotten_ = place.sequence;
  if (place.offset == 0) return;
  // Records leave in order, so the front segment with anything left is the one this record is in.
  for (Segment& segment : segments_) {
    if (segment.live == 0) continue;
    --segment.live;
    break;
  }
}

// Brings disk and gauges in line with what was just forgotten.
void Spool::settle() {
  if (recovered_ && forgotten_ > 0) {
    if (auto advanced = acknowledgements_.advance(forgotten_); !advanced) {
      write_failures_.increment();
      failures_.report("acknowledged",
                       advanced.error().message + "; batches may be sent again after a restart");
    } else {
      failures_.clear("acknowledged");
    }
    unlink_done_segments();
  }
  if (entries_.empty()) {
    unsynced_since_.reset();
    for (const std::string& reason : dropping_) failures_.clear("dropped " + reason);
    dropping_.clear();
  }
  show();
}

void Spool::unlink_done_segments() {
  while (!segments_.empty() && segments_.front().live == 0) {
    const bool is_active = active_ && segments_.size() == 1;
    if (is_active && active_->size() < options_.segment_bytes) return;
    // First the position reaches the platter, then the segment goes. Where that fails (a full disk)
    // the segment goes all the same: its room is needed, and recovery knows positions before the
    // first file.
    if (auto synced = acknowledgements_.sync(); !synced) {
      write_failures_.increment();
      failures_.report("acknowledged", synced.error().message);
    }
    if (is_active) active_.reset();
    const Segment segment = segments_.front();
    if (auto removed = world_.files.remove(path_of(segment.first_sequence));
        !removed && removed.error().code != base::ErrorCode::NotFound) {
      write_failures_.increment();
      failures_.report("remove", removed.error().message);
    }
    disk_bytes_ -= segment.bytes;
    segments_.pop_front();
  }
}

void Spool::enforce_bounds() {
  static const std::string full = "spool_full";
  static const std::string memory = "memory_full";
  while (entries_.size() > options_.records_max) pop_front(&full);
  while (disk_bytes_ > options_.bytes_max && !segments_.empty()) {
    for (std::size_t left = segments_.front().live; left > 0; --left) pop_front(&full);
    if (segments_.size() == 1) active_.reset();
    const std::size_t before = segments_.size();
    settle();
    if (segments_.size() == before) break;
  }
  while (!cache_.empty()) {
    const bool only_copy = entries_[entries_.size() - cache_.size()].offset == 0;
    const std::size_t bound = only_copy ? options_.memory_bytes_max : options_.cache_bytes;
    if (cache_bytes_ <= bound) break;
    if (only_copy) {
      // The older ones on the disk can still be read: the oldest of those in memory goes.
      const auto oldest = entries_.end() - static_cast<std::ptrdiff_t>(cache_.size());
      count_dropped(memory, oldest->samples);
      entries_.erase(oldest);
    }
    cache_bytes_ -= cache_.front().size();
    cache_.pop_front();
  }
}

void Spool::expire() {
  static const std::string too_old = "too_old";
  const std::int64_t oldest_ms = base::to_ms(now() - options_.age_max);
  while (!entries_.empty() && entries_.front().created_ms < oldest_ms) pop_front(&too_old);
}

void Spool::sync(bool even_if_not_due) {
  if (!active_ || !unsynced_since_) return;
  if (!even_if_not_due && world_.clock.monotonic() - *unsynced_since_ < options_.sync_interval) {
    return;
  }
  const auto run = [&]() -> base::Result<void> {
    TC_TRY(active_->sync());
    if (folder_dirty_) TC_TRY(world_.files.sync_folder(options_.folder));
    return base::ok();
  };
  unsynced_since_.reset();
  if (const auto synced = run(); synced) {
    folder_dirty_ = false;
    failures_.clear("sync");
  } else {
    // What this file holds on the platter is unknown from now on: it gets no further record, and
    // its records, still readable from the page cache, are not claimed to be safe.
    write_failures_.increment();
    failures_.report("sync", synced.error().message);
    active_.reset();
  }
}

base::Counter Spool::dropped(const std::string& reason) {
  return world_.metrics.counter(options_.names.metric("samples_dropped_total"),
                                "Samples that will never reach " + options_.names.receiver + ".",
                                options_.names.with("reason", reason));
}

void Spool::count_dropped(const std::string& reason, std::uint32_t samples) {
  dropped(reason).increment(samples);
  dropping_.insert(reason);
  failures_.report("dropped " + reason, "samples are dropped (" + reason + "); see " +
                                            options_.names.metric("samples_dropped_total"));
}

void Spool::show() {
  gauge_bytes_.set(static_cast<double>(disk_bytes_));
  gauge_records_.set(static_cast<double>(entries_.size()));
  gauge_degraded_.set(degraded_ ? 1 : 0);
  const base::Duration age =
      entries_.empty() ? base::Duration{0} : now() - base::wall_time(entries_.front().created_ms);
  gauge_age_.set(std::max(0.0, static_cast<double>(age.count()) / 1000.0));
}

base::WallTime Spool::now() const {
  return started_wall_ +
         std::chrono::duration_cast<base::Duration>(world_.clock.monotonic() - started_);
}

std::string Spool::path_of(std::uint64_t first_sequence) const {
  return base::join_path(options_.folder, segment_name(first_sequence));
}

void Spool::quarantine(const Segment& segment, std::string_view rest, std::uint64_t offset) {
  const std::string folder = base::join_path(options_.folder, "damaged");
  auto kept = [&]() -> base::Result<void> {
    TC_TRY(world_.files.create_folders(folder));
    TC_TRY(auto names, world_.files.list(folder));
    for (std::size_t index = 0; index + kQuarantinedFilesMax <= names.size(); ++index) {
      TC_TRY(world_.files.remove(base::join_path(folder, names[index])));
    }
    const std::string name = fmt::format("{}.{}", segment_name(segment.first_sequence), offset);
    return world_.files.write_atomic(base::join_path(folder, name), rest, 0600);
  }();
  if (!kept) failures_.report("quarantine", kept.error().message);
}

}  // namespace tocsin::spool
