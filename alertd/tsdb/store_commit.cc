// Group commit: everything that waits becomes one write and one sync, then one round of answers.
//
// While the disk syncs, further batches gather; the next group takes them all. So the rate of syncs
// is the disk's and not the senders', and an acknowledgement still means "on disk". Order within a
// group: make the series, write their labels and all samples, sync, apply to memory, answer.
// Readers never see what is not durable, and a failed write leaves memory as it was.
#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/store_core.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// A group is bounded so that the first in it does not wait for ever.
constexpr std::size_t kGroupSamplesMax = 500'000;
/// What must find room on a disk before it is taken to work again.
constexpr std::size_t kProbeBytes = 64 << 10;

double seconds_between(base::MonotonicTime begin, base::MonotonicTime end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

void Store::Core::append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) {
  std::string refusal;
  {
    const base::MutexLock lock(queue_mutex_);
    const std::size_t samples = batch->sample_count();
    if (closed_) {
      refusal = "the store is shutting down";
    } else if (queue_.size() >= options_.queue_batches_max ||
               (!queue_.empty() && queued_samples_ + samples > options_.queue_samples_max)) {
      refusal = fmt::format("store queue full: {} of {} batches, {} of {} samples; refused {}",
                            queue_.size(), options_.queue_batches_max, queued_samples_,
                            options_.queue_samples_max, samples);
    } else {
      queued_samples_ += samples;
      queue_.push_back({std::move(batch), std::move(done), {}, 0});
      if (commit_posted_) return;
      commit_posted_ = true;
    }
  }
  if (!refusal.empty()) {
    metrics_.batches_refused_queue.increment();
    executor_.post([done = std::move(done), refusal = std::move(refusal)] {
      done(base::error(base::ErrorCode::Unavailable, refusal));
    });
    return;
  }
  post_commit();
}

void Store::Core::post_commit() {
  executor_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->commit();
  });
}

std::vector<Store::Core::Queued> Store::Core::take_group(bool& more) {
  std::vector<Queued> group;
  const base::MutexLock lock(queue_mutex_);
  std::size_t samples = 0;
  while (!queue_.empty() && (group.empty() || samples < kGroupSamplesMax)) {
    samples += queue_.front().batch->sample_count();
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_samples_ -= samples;
  more = commit_posted_ = !queue_.empty();
  return group;
}

TimeRange Store::Core::accepted_range() const {
  const std::int64_t now = base::to_ms(executor_.clock().wall());
  return {cutoff_ms_, now + options_.future_max.count()};
}

void Store::Core::close_frame(RecordType type, std::string& payload) {
  if (payload.empty()) return;
  const std::size_t begin = frames_.size();
  put_frame(type, payload, frames_);
  if (type == RecordType::Series) series_frames_.push_back({begin, frames_.size() - begin});
  payload.clear();
}

void Store::Core::encode_series(const SeriesTable& table, const Queued& item) {
  for (const Slot slot : item.slots) {
    if (slot == kNoSlot) continue;
    const auto& series = table.get(slot);
    if (series->logged) continue;
    put_series(series->ref(), series->labels(), series_payload_);
    series->logged = true;  // taken back if the write fails
    newly_logged_.push_back(slot);
    if (series_payload_.size() >= kFrameBytesGoal) close_frame(RecordType::Series, series_payload_);
  }
  close_frame(RecordType::Series, series_payload_);
}

void Store::Core::encode_samples(const SeriesTable& table, const Queued& item,
                                 const TimeRange& range) {
  const auto acceptable = [&](const model::Sample& sample) {
    return sample.timestamp_ms >= range.first_ms && sample.timestamp_ms <= range.last_ms;
  };
  const auto all = item.batch->series();
  std::vector<model::Sample> some;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (item.slots[i] == kNoSlot) continue;
    auto samples = item.batch->samples(all[i]);
    if (!std::all_of(samples.begin(), samples.end(), acceptable)) {
      some.clear();
      std::copy_if(samples.begin(), samples.end(), std::back_inserter(some), acceptable);
      samples = some;
    }
    if (samples.empty()) continue;
    samples_writer_.add(table.get(item.slots[i])->ref(), samples, samples_payload_);
    if (samples_payload_.size() < kFrameBytesGoal) continue;
    close_frame(RecordType::Samples, samples_payload_);
    samples_writer_.reset();
  }
  close_frame(RecordType::Samples, samples_payload_);
  samples_writer_.reset();
}

void Store::Core::encode(Queued& item, const TimeRange& range) {
  item.created = head_.resolve(*item.batch, item.slots);
  head_.read([&](const SeriesTable& table) {
    encode_series(table, item);
    encode_samples(table, item, range);
  });
}

// Appends what repeated_frames.h is about. Returns the Series frames that come yet again later.
std::string Store::Core::repeat_labels() {
  const std::size_t begin = frames_.size();
  for (const Part& part : series_frames_) frames_.append(frames_, part.begin, part.length);
  const std::size_t bytes = frames_.size() - begin;
  std::string later;
  if (bytes < RepeatedFrames::kDistanceBytes) later = frames_.substr(begin);
  frames_ += repeated_.due();
  return later;
}

base::Result<void> Store::Core::write_group() {
  if (frames_.empty()) return base::ok();
  const std::string later = repeat_labels();
  TC_TRY(wal_->append(frames_));
  if (options_.fsync == Fsync::Always) {
    const base::MonotonicTime begin = executor_.clock().monotonic();
    TC_TRY(wal_->sync());
    metrics_.sync_seconds.observe(seconds_between(begin, executor_.clock().monotonic()));
  } else {
    unsynced_ = true;
  }
  wal_->accept();
  repeated_.drop_due();
  repeated_.wrote(frames_.size(), later);
  return base::ok();
}

void Store::Core::apply(Queued& item, const TimeRange& range) {
  Applied applied = head_.apply(*item.batch, item.slots, range);
  applied.outcome.series_created = item.created;
  metrics_.count(applied.outcome, applied.samples_over_series_limit);
  unwritten_bytes_ += applied.sealed_bytes;
  if (applied.sealed_bytes > 0 && !unwritten_since_) {
    unwritten_since_ = executor_.clock().monotonic();
  }
  if (item.done) item.done(std::move(applied.outcome));
}

void Store::Core::refuse(std::vector<Queued>& group, const base::Error& error) {
  for (const Slot slot : newly_logged_) head_.series(slot).logged = false;
  newly_logged_.clear();
  metrics_.batches_refused_disk.increment(static_cast<double>(group.size()));
  for (Queued& item : group) {
    if (item.done) item.done(error);
  }
}

void Store::Core::commit() {
  bool more = false;
  std::vector<Queued> group = take_group(more);
  frames_.clear();
  series_frames_.clear();
  newly_logged_.clear();
  if (wal_->poisoned()) {
    refuse(group, base::error(base::ErrorCode::Unavailable,
                              "the disk refuses writes; samples are not accepted until it works"));
  } else if (too_much_waits()) {
    refuse(group, base::error(base::ErrorCode::Unavailable,
                              "full chunks wait for the disk; samples are not accepted until they "
                              "can be written"));
  } else {
    const TimeRange range = accepted_range();
    for (Queued& item : group) encode(item, range);
    if (const auto written = write_group(); !written) {
      disk_failed(written.error());
      refuse(group, written.error());
    } else {
      for (Queued& item : group) apply(item, range);
    }
  }
  if (frames_.capacity() > (8U << 20U)) frames_ = {};
  start_work();
  if (more) post_commit();
}

void Store::Core::disk_failed(const base::Error& error) {
  metrics_.write_failures.increment();
  metrics_.read_only.set(1);
  publish_status(error.message);
  if (recovering_) return;
  recovering_ = true;
  base::log_error(kComponent, "{}; no samples are accepted until the disk works, rules go on",
                  error.message);
  later(options_.disk_retry, [](Core& self) { self.try_recover(); });
}

// A full disk still makes empty files: the log begins anew only once some bytes found room.
base::Result<void> Store::Core::reopen_log() {
  const std::string probe = base::join_path(options_.folder, "probe.tmp");
  TC_TRY(files_.write_atomic(probe, std::string(kProbeBytes, '\0'), 0600));
  TC_TRY(files_.remove(probe));
  return wal_->reopen();
}

void Store::Core::try_recover() {
  if (const auto opened = reopen_log(); !opened) {
    metrics_.write_failures.increment();
    publish_status(opened.error().message);
    later(options_.disk_retry, [](Core& self) { self.try_recover(); });
    return;
  }
  recovering_ = false;
  metrics_.read_only.set(refusing_ ? 1 : 0);
  publish_status("");
  base::log_info(kComponent, "the disk works again; samples are accepted");
  // What was written without a sync may be lost although it was acknowledged: write all of it anew.
  checkpoint_wanted_ = checkpoint_wanted_ || options_.fsync == Fsync::Interval;
  start_work();
}

void Store::Core::sync_interval() {
  if (unsynced_ && !wal_->poisoned()) {
    const base::MonotonicTime begin = executor_.clock().monotonic();
    if (const auto synced = wal_->sync(); !synced) {
      disk_failed(synced.error());
    } else {
      unsynced_ = false;
      metrics_.sync_seconds.observe(seconds_between(begin, executor_.clock().monotonic()));
    }
  }
  later(options_.fsync_interval, [](Core& self) { self.sync_interval(); });
}

}  // namespace tocsin::tsdb
