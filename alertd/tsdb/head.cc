#include "alertd/tsdb/head.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "alertd/tsdb/snapshot.h"

namespace tocsin::tsdb {
namespace {

using model::LabelView;
using model::Matcher;

/// Slots handled in one hold of the lock by retention: about a millisecond.
constexpr Slot kSlice = 4096;

bool same_labels(const model::Labels& labels, std::span<const LabelView> views) {
  auto at = labels.begin();
  for (const LabelView& view : views) {
    if (at == labels.end() || *at != view) return false;
    ++at;
  }
  return at == labels.end();
}

void count(Placed placed, model::AppendOutcome& outcome) {
  switch (placed) {
    case Placed::Appended:
    case Placed::Late:
      ++outcome.samples_appended;
      break;
    case Placed::Duplicate:
      ++outcome.samples_duplicate;
      break;
    case Placed::Conflicting:
      ++outcome.samples_conflicting;
      break;
    case Placed::OutOfOrder:
      ++outcome.samples_out_of_order;
      break;
  }
}

}  // namespace

Slot Head::predicted(Slot previous, std::span<const LabelView> labels) const {
  if (previous == kNoSlot || previous >= table_.slot_end()) return kNoSlot;
  const auto& before = table_.get(previous);
  if (before == nullptr || before->next_hint >= table_.slot_end()) return kNoSlot;
  const auto& next = table_.get(before->next_hint);
  if (next == nullptr || !same_labels(next->labels(), labels)) return kNoSlot;
  return before->next_hint;
}

std::uint64_t Head::resolve(const model::WriteBatch& batch, std::vector<Slot>& slots) {
  const auto all = batch.series();
  slots.assign(all.size(), kNoSlot);
  std::vector<std::size_t> missing;
  {
    const base::ReaderLock lock(mutex_);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto labels = batch.labels(all[i]);
      // Senders send the same series in the same order, round after round.
      Slot slot = predicted(previous_, labels);
      if (slot == kNoSlot) {
        model::Labels::pack(labels, packed_);
        slot = packed_.empty() ? kNoSlot : table_.find(packed_);
        if (slot == kNoSlot) {
          missing.push_back(i);
        } else if (previous_ < table_.slot_end() && table_.get(previous_) != nullptr) {
          table_.get(previous_)->next_hint = slot;  // read by this thread alone
        }
      }
      slots[i] = slot;
      if (slot != kNoSlot) previous_ = slot;
    }
  }
  if (missing.empty()) return 0;
  std::uint64_t created = 0;
  const base::WriterLock lock(mutex_);
  for (const std::size_t i : missing) {
    model::Labels::pack(batch.labels(all[i]), packed_);
    if (packed_.empty()) continue;
    slots[i] = table_.find(packed_);  // twice in one batch
    if (slots[i] != kNoSlot || table_.size() >= series_max_) continue;
    slots[i] = table_.adopt(Series(table_.next_ref(), model::Labels::from_packed(packed_)));
    ++created;
  }
  return created;
}

Applied Head::apply(const model::WriteBatch& batch, std::span<const Slot> slots,
                    const TimeRange& range) {
  Applied applied;
  const auto all = batch.series();
  const base::WriterLock lock(mutex_);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto samples = batch.samples(all[i]);
    if (slots[i] == kNoSlot) {
      ++applied.outcome.series_refused;
      applied.samples_over_series_limit += samples.size();
      continue;
    }
    Series& series = table_.at(slots[i]);
    for (const model::Sample& sample : samples) {
      if (sample.timestamp_ms > range.last_ms) {
        ++applied.outcome.samples_too_new;
      } else if (sample.timestamp_ms < range.first_ms) {
        ++applied.outcome.samples_too_old;
      } else {
        count(series.append(sample, window_ms_), applied.outcome);
        newest_ms_ = std::max(newest_ms_, sample.timestamp_ms);
      }
    }
  }
  return applied;
}

void Head::find_newest() {
  const base::ReaderLock lock(mutex_);
  for (Slot slot = 0; slot < table_.slot_end(); ++slot) {
    const auto& series = table_.get(slot);
    if (series != nullptr && !series->empty()) {
      newest_ms_ = std::max(newest_ms_, series->last_ms());
    }
  }
}

Series& Head::series(Slot slot) {
  const base::ReaderLock lock(mutex_);
  return *table_.get(slot);
}

void Head::remove(std::span<const Slot> slots) {
  const base::WriterLock lock(mutex_);
  table_.remove(slots);
}

Dropped Head::drop_before(std::int64_t cutoff_ms) {
  Dropped dropped;
  std::vector<Slot> gone;
  const Slot end = read([](const SeriesTable& table) { return table.slot_end(); });
  for (Slot begin = 0; begin < end; begin += kSlice) {
    const base::WriterLock lock(mutex_);
    for (Slot slot = begin; slot < std::min(end, begin + kSlice); ++slot) {
      const auto& series = table_.get(slot);
      if (series == nullptr) continue;
      series->drop_before(cutoff_ms);
      dropped.chunk_bytes_left += series->chunk_bytes();
      if (series->empty()) gone.push_back(slot);
    }
  }
  if (!gone.empty()) {
    remove(gone);
    cache_.clear();
  }
  dropped.series = gone.size();
  return dropped;
}

std::int64_t Head::cutoff_to_free(std::uint64_t bytes) const {
  constexpr std::int64_t kMinuteMs = 60'000;
  std::map<std::int64_t, std::uint64_t> by_minute;  // of the newest sample in a sealed chunk
  const base::ReaderLock lock(mutex_);
  for (Slot slot = 0; slot < table_.slot_end(); ++slot) {
    const auto& series = table_.get(slot);
    if (series == nullptr) continue;
    for (const ChunkPtr& chunk : series->sealed()) {
      by_minute[chunk->last_ms() / kMinuteMs] += chunk->memory_bytes();
    }
  }
  std::uint64_t freed = 0;
  for (const auto& [minute, size] : by_minute) {
    freed += size;
    if (freed >= bytes) return (minute + 1) * kMinuteMs;
  }
  return by_minute.empty() ? std::numeric_limits<std::int64_t>::min()
                           : (by_minute.rbegin()->first + 1) * kMinuteMs;
}

std::vector<std::shared_ptr<Series>> Head::matching(std::span<const Matcher> matchers) const {
  std::vector<std::shared_ptr<Series>> found;
  std::vector<Slot> slots;
  std::vector<bool> exact;
  const bool narrowed = table_.postings().candidates(matchers, slots, exact);
  const auto satisfies = [&](const Series& series) {
    for (std::size_t i = 0; i < matchers.size(); ++i) {
      if (!exact[i] && !matchers[i].matches(series.labels().get(matchers[i].name()))) return false;
    }
    return true;
  };
  if (!narrowed) {
    slots.resize(table_.slot_end());
    std::iota(slots.begin(), slots.end(), Slot{0});
  }
  for (const Slot slot : slots) {
    const auto& series = table_.get(slot);
    if (series != nullptr && satisfies(*series)) found.push_back(series);
  }
  return found;
}

// What to add to and keep of an earlier answer; false if the table does not remember so far back.
bool Head::changes_since(const ResolvedSeries& known, std::span<const Matcher> matchers,
                         std::vector<std::shared_ptr<Series>>& added,
                         std::vector<std::uint32_t>& kept) const {
  std::vector<Slot> slots;
  if (!table_.added_since(known.stamp().additions, SelectCache::metric_of(matchers), slots)) {
    return false;
  }
  for (const Slot slot : slots) {
    const auto& series = table_.get(slot);
    if (model::matches_all(matchers, series->labels())) added.push_back(series);
  }
  const bool all = known.stamp().removals == table_.removals();
  kept.reserve(known.size());
  for (std::uint32_t i = 0; i < known.size(); ++i) {
    if (all || !known.series()[i]->removed) kept.push_back(i);
  }
  return true;
}

ResolvedPtr Head::resolved(std::span<const Matcher> matchers, const std::string& key,
                           ResolvedPtr known) const {
  ResolvedSeries::Stamp stamp;
  std::vector<std::shared_ptr<Series>> found;
  std::vector<std::uint32_t> kept;
  bool grow = false;
  {
    const base::ReaderLock lock(mutex_);
    if (!key.empty()) {
      const auto* list =
          table_.postings().find(model::kMetricName, SelectCache::metric_of(matchers));
      if (list != nullptr) stamp.generation = list->generation;
      if (known && known->stamp().generation == stamp.generation) return known;
      if (list == nullptr) return std::make_shared<const ResolvedSeries>(stamp, std::move(found));
      if (auto cached = cache_.find(key)) {
        if (cached->stamp().generation == stamp.generation) return cached;
        if (!known) known = std::move(cached);
      }
    }
    stamp.additions = table_.additions();
    stamp.removals = table_.removals();
    grow = !key.empty() && known && changes_since(*known, matchers, found, kept);
    if (!grow) found = matching(matchers);
  }
  // Labels never change: no lock for the sorting, which may take long.
  auto series = grow ? std::make_shared<const ResolvedSeries>(stamp, *known, kept, std::move(found))
                     : std::make_shared<const ResolvedSeries>(stamp, std::move(found));
  if (!key.empty()) cache_.store(key, series);
  return series;
}

base::Result<std::unique_ptr<model::SeriesSet>> Head::select(
    std::span<const Matcher> matchers, const TimeRange& range,
    const model::SelectLimits& limits) const {
  const ResolvedPtr series = resolved(matchers, SelectCache::key_of(matchers), nullptr);
  auto snapshot = std::make_unique<Snapshot>(range.first_ms, range.last_ms);
  {
    const base::ReaderLock lock(mutex_);
    for (const auto& one : series->series()) {
      snapshot->add(one);
      if (snapshot->size() > limits.series_max) {
        return base::error(
            base::ErrorCode::LimitExceeded,
            fmt::format("selector matches more than the limit of {} series", limits.series_max));
      }
    }
  }
  snapshot->finish();
  return std::unique_ptr<model::SeriesSet>(std::move(snapshot));
}

std::vector<std::string> Head::label_values(std::string_view name,
                                            std::span<const Matcher> matchers) const {
  const base::ReaderLock lock(mutex_);
  if (matchers.empty()) return table_.postings().values(name);
  std::set<std::string_view> values;
  const auto found = matching(matchers);
  for (const auto& series : found) {
    const std::string_view value = series->labels().get(name);
    if (!value.empty()) values.insert(value);
  }
  return {values.begin(), values.end()};
}

std::vector<std::string> Head::label_names(std::span<const Matcher> matchers) const {
  const base::ReaderLock lock(mutex_);
  if (matchers.empty()) return table_.postings().names();
  std::set<std::string_view> names;
  const auto found = matching(matchers);
  for (const auto& series : found) {
    for (const LabelView label : series->labels()) names.insert(label.name);
  }
  return {names.begin(), names.end()};
}

std::size_t Head::series_count() const {
  const base::ReaderLock lock(mutex_);
  return table_.size();
}

}  // namespace tocsin::tsdb
