#include "alertd/tsdb/segment_folder.h"

#include <algorithm>
#include <map>

#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Indexes that are checked when the store opens, newest first: some milliseconds if they are in
/// the page cache. The others are when they are used.
constexpr std::uint64_t kIndexBytesAtOnce = 64 << 20;

bool is_one_of(std::uint64_t number, const std::vector<SegmentPtr>& segments) {
  return std::any_of(segments.begin(), segments.end(),
                     [&](const SegmentPtr& segment) { return segment->info().number == number; });
}

}  // namespace

base::Result<void> SegmentFolder::open() {
  TC_TRY(const auto names, files_.list(folder_));
  std::vector<SegmentPtr> found;
  for (std::string_view name : names) {
    bool aside = false;
    for (const std::string_view suffix : {kDamagedSuffix, kTemporarySuffix}) {
      if (!name.ends_with(suffix)) continue;
      name.remove_suffix(suffix.size());
      aside = true;
    }
    const auto number = segment_number(name);
    if (!number) continue;
    next_number_ = std::max(next_number_, *number + 1);
    if (aside) continue;
    TC_TRY(auto segment, Segment::open(files_, folder_, *number));
    found.push_back(std::move(segment));
  }
  std::sort(found.begin(), found.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    return a->info().number > b->info().number;
  });
  std::map<std::uint64_t, bool> replaced;  // number -> because it was damaged
  std::uint64_t checked = 0;
  for (const SegmentPtr& segment : found) {
    if (checked < kIndexBytesAtOnce) checked += segment->check_index();
    const auto& numbers = segment->info().replaces;
    // Only a damaged one is copied alone.
    for (const std::uint64_t number : numbers) replaced[number] = numbers.size() == 1;
  }
  std::erase_if(found, [&](const SegmentPtr& segment) {
    const auto at = replaced.find(segment->info().number);
    if (at == replaced.end()) return false;
    if (at->second) {
      put_aside(*segment);
    } else {
      retire({segment});
    }
    return true;
  });
  set_ = std::make_shared<const SegmentSet>(std::move(found));
  return base::ok();
}

base::Result<std::vector<SegmentPtr>> SegmentFolder::add(std::uint64_t number) {
  TC_TRY(auto added, Segment::open(files_, folder_, number));
  std::vector<SegmentPtr> kept;
  std::vector<SegmentPtr> gone;
  const std::vector<std::uint64_t>& replaced = added->info().replaces;
  for (const SegmentPtr& segment : set_->all()) {
    const bool goes =
        std::find(replaced.begin(), replaced.end(), segment->info().number) != replaced.end();
    (goes ? gone : kept).push_back(segment);
  }
  kept.push_back(std::move(added));
  set_ = std::make_shared<const SegmentSet>(std::move(kept));
  return gone;
}

void SegmentFolder::take_out(const std::vector<SegmentPtr>& segments) {
  std::vector<SegmentPtr> kept = set_->all();
  std::erase_if(kept, [&](const SegmentPtr& s) { return is_one_of(s->info().number, segments); });
  set_ = std::make_shared<const SegmentSet>(std::move(kept));
}

void SegmentFolder::put_aside(const Segment& segment) {
  const std::string path = base::join_path(folder_, segment_name(segment.info().number));
  auto moved = files_.rename(path, path + std::string(kDamagedSuffix));
  if (moved) moved = files_.sync_folder(folder_);
  if (!moved) base::log_error(kComponent, "{}", moved.error().message);
}

void SegmentFolder::remove(const Segment& segment) {
  const auto removed = files_.remove(base::join_path(folder_, segment_name(segment.info().number)));
  if (!removed) base::log_warning(kComponent, "{}", removed.error().message);
}

void SegmentFolder::retire(const std::vector<SegmentPtr>& segments) {
  for (const SegmentPtr& segment : segments) {
    if (segment->damaged()) {
      put_aside(*segment);
    } else {
      remove(*segment);
    }
  }
}

void SegmentFolder::scrub(std::uint64_t bytes) {
  std::vector<SegmentPtr> all = set_->all();
  std::sort(all.begin(), all.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    return a->info().number < b->info().number;
  });
  std::uint64_t done = 0;
  for (const SegmentPtr& segment : all) {
    if (segment->info().number < scrubbed_number_) continue;
    if (segment->info().number > scrubbed_number_) {
      scrubbed_number_ = segment->info().number;
      scrubbed_record_ = 0;
    }
    const std::uint64_t count = segment->records();
    while (scrubbed_record_ < count && done < bytes) {
      const IndexEntry entry = segment->entry(scrubbed_record_++);
      (void)segment->payload(entry);
      done += entry.length;
    }
    if (done >= bytes) return;
  }
  scrubbed_number_ = scrubbed_record_ = 0;
}

std::vector<SegmentPtr> SegmentFolder::damaged() const {
  std::vector<SegmentPtr> damaged;
  for (const SegmentPtr& segment : set_->all()) {
    if (segment->damaged()) damaged.push_back(segment);
  }
  return damaged;
}

std::uint64_t SegmentFolder::bytes() const {
  std::uint64_t bytes = 0;
  for (const SegmentPtr& segment : set_->all()) bytes += segment->info().bytes;
  return bytes;
}

std::uint64_t SegmentFolder::samples() const {
  std::uint64_t samples = 0;
  for (const SegmentPtr& segment : set_->all()) samples += segment->info().samples;
  return samples;
}

}  // namespace tocsin::tsdb
