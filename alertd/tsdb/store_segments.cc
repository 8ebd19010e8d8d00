// Full chunks go to segments, segments become larger ones, damaged ones are copied and put aside.
#include <algorithm>

#include "alertd/tsdb/store_core.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Rules read windows of minutes: what is newer stays as it was written.
constexpr std::int64_t kSettledAfterMs = 3'600'000;
/// A segment is at most so much of the retention, which drops whole ones.
constexpr std::int64_t kPartsOfRetention = 8;

}  // namespace

std::int64_t Store::Core::settled_before_ms() const {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  const std::int64_t newest = head_.newest_ms();
  return newest < kNever + kSettledAfterMs ? kNever : newest - kSettledAfterMs;
}

FlushLimits Store::Core::flush_limits() const {
  return {settled_before_ms(), merge_limits().span_ms};
}

MergeLimits Store::Core::merge_limits() const {
  MergeLimits limits{options_.merged_bytes_max, options_.merged_span_max.count(),
                     settled_before_ms()};
  limits.span_ms = std::min(limits.span_ms, options_.retention.count() / kPartsOfRetention);
  if (options_.retention_bytes > 0) {
    limits.bytes_max = std::min(limits.bytes_max, options_.retention_bytes / kPartsOfRetention);
  }
  return limits;
}

void Store::Core::wrote_chunks(std::uint64_t bytes) {
  unwritten_bytes_ -= std::min(bytes, unwritten_bytes_);
  unwritten_since_.reset();
  if (unwritten_bytes_ > 0) unwritten_since_ = executor_.clock().monotonic();
  if (!refusing_) return;
  refusing_ = false;
  if (!recovering_) metrics_.read_only.set(0);
  base::log_info(kComponent, "segments are written again; samples are accepted");
}

bool Store::Core::too_much_waits() {
  if (unwritten_bytes_ < options_.unwritten_bytes_max) return false;
  if (!refusing_) {
    refusing_ = true;
    metrics_.read_only.set(1);
    const std::string why = fmt::format(
        "{} bytes of full chunks wait for a segment that cannot be written, the limit is {}; no "
        "samples are accepted until it can, rules go on",
        unwritten_bytes_, options_.unwritten_bytes_max);
    publish_status(why);
    base::log_error(kComponent, "{}", why);
  }
  return true;
}

void Store::Core::segment_failed(const base::Error& error) {
  metrics_.segment_failures.increment();
  segment_not_before_ = executor_.clock().monotonic() + options_.disk_retry;
  base::log_error(kComponent, "segment given up, its chunks stay where they are: {}",
                  error.message);
  later(options_.disk_retry, [](Core& self) { self.start_work(); });
}

void Store::Core::start_flush() {
  auto flush = std::make_unique<SegmentFlush>(files_, options_.folder, segments_.take_number(),
                                              head_, flush_limits());
  SegmentFlush& work = *flush;
  run(std::move(flush), [this, &work](const base::Result<void>& done) {
    const auto finished = done ? finish_flush(work) : done;
    if (!finished) segment_failed(finished.error());
  });
}

base::Result<void> Store::Core::finish_flush(SegmentFlush& flush) {
  if (!flush.wrote()) {
    wrote_chunks(unwritten_bytes_);
    return base::ok();
  }
  TC_TRY(segments_.add(flush.number()));
  // Readers see the segment before memory lets go.
  head_.publish(segments_.set());
  for (const SegmentPtr& segment : segments_.set()->all()) {
    if (segment->info().number == flush.number()) flush.apply(*segment);
  }
  metrics_.segments_flushed.increment();
  // A start before the next checkpoint would find these chunks twice.
  checkpoint_wanted_ = checkpoint_wanted_ || wal_->bytes() >= options_.checkpoint_wal_bytes / 4;
  wrote_chunks(flush.memory_bytes());
  return base::ok();
}

void Store::Core::start_merge() {
  if (executor_.clock().monotonic() < segment_not_before_) return;
  const std::vector<SegmentPtr> damaged = count_damaged();
  std::vector<SegmentPtr> inputs = damaged.empty() ? plan_merge(*segments_.set(), merge_limits())
                                                   : std::vector<SegmentPtr>{damaged.front()};
  if (inputs.empty()) return;
  auto merge = std::make_unique<SegmentMerge>(files_, options_.folder, segments_.take_number(),
                                              std::move(inputs));
  SegmentMerge& work = *merge;
  run(std::move(merge), [this, &work](const base::Result<void>& done) {
    const auto finished = done ? finish_merge(work) : done;
    if (!finished) {
      segment_failed(finished.error());
      return;
    }
    // There may be more; flushes and checkpoints go first.
    later(base::Duration{0}, [](Core& self) {
      if (!self.job_ && !self.wal_->poisoned()) self.start_merge();
    });
  });
}

base::Result<void> Store::Core::finish_merge(const SegmentMerge& merge) {
  (void)count_damaged();
  if (merge.abandoned()) return base::ok();
  std::vector<SegmentPtr> gone = merge.inputs();
  if (merge.wrote()) {
    TC_TRY(gone, segments_.add(merge.number()));
  } else {
    segments_.take_out(gone);
  }
  metrics_.segments_merged.increment();
  metrics_.damaged_records.increment(static_cast<double>(merge.bad_records()));
  head_.publish(segments_.set());
  let_go(gone);
  return base::ok();
}

void Store::Core::let_go(const std::vector<SegmentPtr>& segments) {
  head_.forget_records([&](const char* record) {
    return std::any_of(segments.begin(), segments.end(),
                       [&](const SegmentPtr& segment) { return segment->holds(record); });
  });
  segments_.retire(segments);
}

std::vector<SegmentPtr> Store::Core::count_damaged() {
  std::vector<SegmentPtr> damaged = segments_.damaged();
  for (const SegmentPtr& segment : damaged) {
    if (damaged_segments_.insert(segment->info().number).second) {
      metrics_.damaged_files.increment();
    }
  }
  return damaged;
}

void Store::Core::copy_damaged_at_once() {
  for (const SegmentPtr& segment : count_damaged()) {
    SegmentMerge copy(files_, options_.folder, segments_.take_number(), {segment});
    for (;;) {
      const auto done = copy.step();
      if (done && !*done) continue;
      const auto finished = done ? finish_merge(copy) : base::Result<void>(done.error());
      if (!finished) segment_failed(finished.error());
      break;
    }
  }
}

}  // namespace tocsin::tsdb
