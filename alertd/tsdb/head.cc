#include "alertd/tsdb/head.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "alertd/tsdb/snapshot.h"

namespace tocsin::tsdb {
namespace {

using model::LabelView;
using model::Matcher;

/// Slots handled in one hold of the lock by retention: about a millisecond.
constexpr Slot kSlice = 4096;
/// How far ahead of itself apply() has series fetched from memory.
constexpr std::size_t kAhead = 4;

bool same_labels(const model::Labels& labels, std::span<const LabelView> views) {
  auto at = labels.begin();
  for (const LabelView& view : views) {
    if (at == labels.end() || *at != view) return false;
    ++at;
  }
  return at == labels.end();
}

bool is_known(const model::WriteBatch::Series& sent, Slot slot, const Series& series) {
  return sent.known != nullptr && sent.known->slot == slot &&
         sent.known->labels.get() == &series.labels();
}

void pack(const model::WriteBatch& batch, std::size_t index, std::string& out) {
  const model::WriteBatch::Series& series = batch.series()[index];
  if (series.known != nullptr) {
    out.assign(series.known->labels->packed());
  } else {
    model::Labels::pack(batch.labels(series), out);
  }
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
      const model::KnownSeries* known = all[i].known;
      if (known != nullptr && table_.holds(known->slot, known->labels.get())) {
        slots[i] = known->slot;
        continue;
      }
      // Senders send the same series in the same order, round after round.
      const auto labels = batch.labels(all[i]);
      Slot slot = known != nullptr ? kNoSlot : predicted(previous_, labels);
      if (slot == kNoSlot) {
        pack(batch, i, packed_);
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
  return missing.empty() ? 0 : make_missing(batch, missing, slots);
}

std::uint64_t Head::make_missing(const model::WriteBatch& batch,
                                 std::span<const std::size_t> missing, std::vector<Slot>& slots) {
  std::uint64_t created = 0;
  const base::WriterLock lock(mutex_);
  if (owner_series_.size() <= batch.owner) owner_series_.resize(batch.owner + 1U);
  const std::uint64_t& owned = owner_series_[batch.owner];
  for (const std::size_t i : missing) {
    pack(batch, i, packed_);
    if (packed_.empty()) continue;
    slots[i] = table_.find(packed_);  // twice in one batch
    if (slots[i] != kNoSlot || table_.size() >= series_max_) continue;
    if (batch.owner_series_max > 0 && owned >= batch.owner_series_max) continue;
    slots[i] = table_.adopt(Series(table_.next_ref(), model::Labels::from_packed(packed_)));
    if (batch.owner != 0) own(table_.at(slots[i]), batch.owner);
    ++created;
  }
  return created;
}

// A restart forgets owners: then a series is of whoever writes it first, even beyond a limit.
void Head::own(Series& series, std::uint16_t owner) {
  if (owner_series_.size() <= owner) owner_series_.resize(owner + 1U);
  series.owner = owner;
  ++owner_series_[owner];
}

Applied Head::apply(const model::WriteBatch& batch, std::span<const Slot> slots,
                    const TimeRange& range) {
  Applied applied;
  const auto all = batch.series();
  model::AppendOutcome& outcome = applied.outcome;
  AppendRules rules = rules_;
  const base::WriterLock lock(mutex_);
  rules.segments = segments_.get();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto samples = batch.samples(all[i]);
    if (slots[i] == kNoSlot) {
      ++outcome.series_refused;
      applied.samples_over_series_limit += samples.size();
      if (table_.size() >= series_max_) continue;
      ++outcome.series_over_owner;
      outcome.samples_over_owner += samples.size();
      continue;
    }
    if (i + kAhead < all.size() && slots[i + kAhead] != kNoSlot) {
      __builtin_prefetch(&table_.at(slots[i + kAhead]));
    }
    Series& series = table_.at(slots[i]);
    if (series.owner == 0 && batch.owner != 0) own(series, batch.owner);
    if (batch.remember && !is_known(all[i], slots[i], series)) {
      const auto& shared = table_.get(slots[i]);
      outcome.known.emplace_back(static_cast<std::uint32_t>(i),
                                 model::KnownSeries{{shared, &shared->labels()}, slots[i], false});
    }
    for (const model::Sample& sample : samples) {
      if (sample.timestamp_ms > range.last_ms) {
        ++outcome.samples_too_new;
      } else if (sample.timestamp_ms < range.first_ms) {
        ++outcome.samples_too_old;
      } else {
        count(series.append(sample, rules), outcome);
        newest_ms_ = std::max(newest_ms_, sample.timestamp_ms);
      }
    }
  }
  if (batch.owner < owner_series_.size()) outcome.owner_series = owner_series_[batch.owner];
  applied.sealed_bytes = rules.sealed_bytes;
  return applied;
}

void Head::find_newest() {
  const base::ReaderLock lock(mutex_);
  for (Slot slot = 0; slot < table_.slot_end(); ++slot) {
    const auto& series = table_.get(slot);
    if (series != nullptr) newest_ms_ = std::max(newest_ms_, series->last_ms());
  }
}

void Head::publish(SegmentSetPtr segments) {
  const base::WriterLock lock(mutex_);
  segments_ = std::move(segments);
}

bool Head::settle(Slot slot, std::int64_t idle_before_ms) {
  const base::WriterLock lock(mutex_);
  return slot < table_.slot_end() && table_.get(slot) != nullptr &&
         table_.at(slot).settle(idle_before_ms);
}

void Head::written(std::span<const WrittenSeries> series) {
  for (std::size_t begin = 0; begin < series.size(); begin += kSlice) {
    const base::WriterLock lock(mutex_);
    for (const WrittenSeries& one :
         series.subspan(begin, std::min<std::size_t>(kSlice, series.size() - begin))) {
      const auto& at = table_.get(one.slot);
      if (at != nullptr && at->ref() == one.ref) at->written(one.last_ms, one.record);
    }
  }
}

void Head::forget_records(const std::function<bool(const char*)>& goes) {
  const Slot end = read([](const SeriesTable& table) { return table.slot_end(); });
  for (Slot begin = 0; begin < end; begin += kSlice) {
    const base::WriterLock lock(mutex_);
    for (Slot slot = begin; slot < std::min(end, begin + kSlice); ++slot) {
      const auto& series = table_.get(slot);
      if (series != nullptr && series->record() != nullptr && goes(series->record())) {
        series->forget_record();
      }
    }
  }
}

Series& Head::series(Slot slot) {
  const base::ReaderLock lock(mutex_);
  return *table_.get(slot);
}

void Head::remove(std::span<const Slot> slots) {
  const base::WriterLock lock(mutex_);
  for (const Slot slot : slots) {
    const std::uint16_t owner = table_.get(slot)->owner;
    if (owner != 0) --owner_series_[owner];
  }
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
      dropped.sealed_bytes_left += series->sealed_bytes();
      if (series->gone(cutoff_ms)) gone.push_back(slot);
    }
  }
  if (!gone.empty()) {
    remove(gone);
    cache_.clear();
  }
  dropped.series = gone.size();
  return dropped;
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
  std::unique_ptr<Snapshot> snapshot;
  {
    const base::ReaderLock lock(mutex_);
    snapshot = std::make_unique<Snapshot>(range.first_ms, range.last_ms, segments_);
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

std::vector<std::uint64_t> Head::series_by_owner() const {
  const base::ReaderLock lock(mutex_);
  return owner_series_;
}

std::size_t Head::series_count() const {
  const base::ReaderLock lock(mutex_);
  return table_.size();
}

}  // namespace tocsin::tsdb
