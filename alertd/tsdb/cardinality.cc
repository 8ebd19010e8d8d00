#include "alertd/tsdb/cardinality.h"

#include <algorithm>
#include <limits>

namespace tocsin::tsdb {
namespace {

/// Buckets of the index, and slots of the table, that are read in one hold of the lock.
constexpr std::size_t kBucketsInSlice = 4096;
constexpr Slot kSlotsInSlice = 8192;
/// A label that grows faster than it is counted is counted as far as that goes.
constexpr int kRestartsMax = 3;
constexpr std::string_view kHost = "host";

bool larger(const model::Counted& a, const model::Counted& b) {
  return a.count != b.count ? a.count > b.count : a.name < b.name;
}

/// Keeps the `limit` largest.
class Largest {
 public:
  explicit Largest(std::size_t limit) : limit_(limit) {}

  /// `name` is asked for only if the count gets a place.
  template <class Name>
  void add(std::uint64_t count, Name name) {
    const bool full = heap_.size() >= limit_;
    if (limit_ == 0 || (full && heap_.front().count >= count)) return;
    if (full) {
      std::pop_heap(heap_.begin(), heap_.end(), larger);
      heap_.pop_back();
    }
    heap_.push_back({name(), count});
    std::push_heap(heap_.begin(), heap_.end(), larger);
  }
  std::vector<model::Counted> take() {
    std::sort(heap_.begin(), heap_.end(), larger);
    return std::move(heap_);
  }
  void forget(std::string_view label) {
    std::erase_if(heap_, [&](const model::Counted& one) {
      return one.name.size() > label.size() && one.name.starts_with(label) &&
             one.name[label.size()] == '=';
    });
    std::make_heap(heap_.begin(), heap_.end(), larger);
  }
  void clear() { heap_.clear(); }

 private:
  std::size_t limit_;
  std::vector<model::Counted> heap_;  // the smallest in front
};

class Counting {
 public:
  Counting(const Head& head, std::size_t limit)
      : head_(head), metrics_(limit), values_(limit), bytes_(limit), pairs_(limit), hosts_(limit) {}

  model::Cardinality run() {
    const auto names = head_.read([&](const SeriesTable& table) {
      result_.series = table.size();
      return table.postings().names();
    });
    for (const std::string& name : names) count_label(name);
    count_chunks();
    result_.series_by_metric = metrics_.take();
    result_.values_by_label = values_.take();
    result_.value_bytes_by_label = bytes_.take();
    result_.series_by_pair = pairs_.take();
    result_.series_by_host = hosts_.take();
    return std::move(result_);
  }

 private:
  void count_label(const std::string& name) {
    std::uint64_t values = 0;
    std::uint64_t bytes = 0;
    std::size_t bucket = 0;
    std::size_t buckets = 0;
    for (int restarts = 0;;) {
      const std::size_t now = head_.read([&](const SeriesTable& table) {
        const std::size_t count = table.postings().buckets(name);
        if (buckets != 0 && count != buckets && restarts < kRestartsMax) return count;
        table.postings().visit(name, bucket, bucket + kBucketsInSlice,
                               [&](std::string_view value, std::uint64_t series) {
                                 ++values;
                                 bytes += value.size() * series;
                                 count_value(name, value, series);
                               });
        return count;
      });
      if (buckets != 0 && now != buckets && restarts < kRestartsMax) {
        // The table was rebuilt: its order is another one.
        ++restarts;
        values = bytes = bucket = 0;
        pairs_.forget(name);
        if (name == model::kMetricName) metrics_.clear();
        if (name == kHost) hosts_.clear();
        buckets = now;
        continue;
      }
      buckets = now;
      bucket += kBucketsInSlice;
      if (bucket >= buckets) break;
    }
    if (values == 0) return;
    result_.label_pairs += values;
    values_.add(values, [&] { return name; });
    bytes_.add(bytes, [&] { return name; });
  }

  void count_value(const std::string& name, std::string_view value, std::uint64_t series) {
    pairs_.add(series, [&] { return name + "=" + std::string(value); });
    if (name == model::kMetricName) metrics_.add(series, [&] { return std::string(value); });
    if (name == kHost) hosts_.add(series, [&] { return std::string(value); });
  }

  void count_chunks() {
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    std::int64_t last = std::numeric_limits<std::int64_t>::min();
    for (Slot begin = 0;; begin += kSlotsInSlice) {
      const bool more = head_.read([&](const SeriesTable& table) {
        const Slot end = std::min(begin + kSlotsInSlice, table.slot_end());
        for (Slot slot = begin; slot < end; ++slot) {
          const auto& series = table.get(slot);
          if (series == nullptr) continue;
          result_.chunks += series->sealed().size() + (series->open().empty() ? 0 : 1);
          first = std::min(first, series->first_in_memory_ms());
          last = std::max(last, series->last_ms());
        }
        return begin + kSlotsInSlice < table.slot_end();
      });
      if (!more) break;
    }
    if (first > last) return;
    result_.first_ms = first;
    result_.last_ms = last;
  }

  const Head& head_;
  model::Cardinality result_;
  Largest metrics_, values_, bytes_, pairs_, hosts_;
};

}  // namespace

model::Cardinality count_series(const Head& head, std::size_t limit) {
  return Counting(head, limit).run();
}

}  // namespace tocsin::tsdb
