// Start of the disk queue: what an earlier process left is read, cut to its sound part and queued
// again.
//
// Every record's checksum is verified once here (about a millisecond a mebibyte), so that the index
// in memory is known to be true. Nothing is appended to an old segment: a new process starts a new
// one.
#include <algorithm>

#include "common/spool/spool.h"

namespace tocsin::spool {
namespace {

constexpr std::size_t kSegmentFileBytesMax = 64 << 20;
constexpr std::uint64_t kSequenceWithoutDisk = 1ULL << 48;

}  // namespace

void Spool::recover() {
  const auto prepare = [&]() -> base::Result<std::vector<std::string>> {
    TC_TRY(world_.files.create_folders(options_.folder));
    TC_TRY(const std::uint64_t position, acknowledgements_.load());
    forgotten_ = std::max(forgotten_, position);
    return world_.files.list(options_.folder);
  };
  const auto names = prepare();
  if (!names) {
    // Sequences far beyond any on the disk, so that batches taken now never pass for older ones.
    if (entries_.empty()) {
      next_sequence_ = kSequenceWithoutDisk + static_cast<std::uint64_t>(base::to_ms(now()));
    }
    disk_failed(names.error());
    return;
  }
  recovered_ = true;

  // Batches taken while there was no folder: they follow, in order, whatever is found on the disk.
  std::deque<RecordPlace> newer;
  newer.swap(entries_);
  // A position beyond the last segment is no riddle (the tail was lost in a power cut): go on after
  // it.
  next_sequence_ = std::max(next_sequence_, forgotten_ + 1);
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_name(name)) {
      recover_segment(*first);
    } else if (name.find(".tmp.") != std::string::npos) {
      if (auto removed = world_.files.remove(base::join_path(options_.folder, name)); !removed) {
        write_failures_.increment();
      }
    }
  }
  if (!entries_.empty()) {
    base::log_info(options_.names.log, "{} batches of an earlier run wait in '{}'", entries_.size(),
                   options_.folder);
  }
  for (RecordPlace& place : newer) {
    if (!entries_.empty() && place.sequence <= entries_.back().sequence) {
      place.sequence = next_sequence_++;
    }
    entries_.push_back(place);
  }
}

void Spool::recover_segment(std::uint64_t first_sequence) {
  next_sequence_ = std::max(next_sequence_, first_sequence + 1);
  const std::string path = path_of(first_sequence);
  const auto bytes = world_.files.read(path, kSegmentFileBytesMax);
  if (!bytes) {
    // Left where it is: an operator may repair the permission and restart.
    failures_.report(path, bytes.error().message + "; its batches are not sent");
    return;
  }
  const SegmentScan scan = scan_segment(*bytes, first_sequence);
  Segment segment{first_sequence, scan.valid_bytes, 0};
  const std::uint64_t lost = bytes->size() - scan.valid_bytes;
  if (scan.end == SegmentEnd::Torn) {
    torn_bytes_.increment(static_cast<double>(lost));
    base::log_warning(options_.names.log, "'{}' ends in a half-written batch: cut to {} bytes",
                      path, scan.valid_bytes);
  } else if (scan.end == SegmentEnd::Damaged) {
    damaged_bytes_.increment(static_cast<double>(lost));
    base::log_error(options_.names.log,
                    "'{}' is damaged at byte {}: {} bytes are put aside in 'damaged'", path,
                    scan.valid_bytes, lost);
    quarantine(segment, std::string_view(*bytes).substr(scan.valid_bytes), scan.valid_bytes);
  }
  for (const RecordPlace& place : scan.records) {
    next_sequence_ = std::max(next_sequence_, place.sequence + 1);
    // Overlapping segments cannot be written by us; the order stays increasing whatever lies there.
    const std::uint64_t last = entries_.empty() ? forgotten_ : entries_.back().sequence;
    if (place.sequence <= last) continue;
    entries_.push_back(place);
    ++segment.live;
  }
  if (segment.live == 0) {
    if (auto removed = world_.files.remove(path); !removed) write_failures_.increment();
    return;
  }
  if (lost > 0) {
    if (auto cut = world_.files.truncate(path, scan.valid_bytes); !cut) write_failures_.increment();
  }
  disk_bytes_ += segment.bytes;
  segments_.push_back(segment);
}

}  // namespace tocsin::spool
