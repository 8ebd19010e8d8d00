// The series that applications hand in, kept until the next round asks, and bounded: a program
// that puts a user's number into a label fills a store and no monitoring system.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/sampler/round_sink.h"
#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::agent {

struct SeriesBounds {
  std::size_t series_max = 2'000;  ///< As told of: a histogram counts with all its buckets.
  std::size_t labels_max = 16;
  std::size_t label_bytes_max = 256;       ///< Of a value.
  std::size_t set_values_max = 10'000;     ///< Distinct values of one set in one window.
  base::Duration set_window{60'000};       ///< Over which distinct values are counted.
  base::Duration expire_after{3'600'000};  ///< A series that got nothing for so long ends.

  friend bool operator==(const SeriesBounds&, const SeriesBounds&) = default;
};

/// Why something was not taken; the label `reason` of what was dropped.
enum class Refusal { None, Malformed, BadName, BadLabel, TypeConflict, SeriesLimit, Duplicate };
std::string_view to_string(Refusal refusal);

/// A name and labels, as a receiver found them. Labels in any order.
struct SeriesName {
  std::string name{};
  std::vector<std::pair<std::string, std::string>> labels{};
  std::string help{};
};

/// Counts by bucket, not cumulative; one more than `bounds`.
struct BucketCounts {
  std::vector<double> bounds;  ///< Upper ones, inclusive, ascending.
  std::vector<double> counts;
  double sum = 0;
  bool has_sum = true;
};

/// Returns the text as a metric name: what is not allowed becomes '_'. Empty if nothing is left.
std::string metric_name_of(std::string_view text);
/// The same for a label; "__" at the beginning is the house's own and becomes "_".
std::string label_name_of(std::string_view text);

/// Owner: a receiver, under its lock. Times are of one clock.
class SeriesStore {
 public:
  explicit SeriesStore(SeriesBounds bounds) : bounds_(bounds) {}

  /// When a value was measured, in the sender's time; a value not newer than the last one is
  /// Duplicate (a request that was sent again). 0: unknown, always taken.
  using SenderTime = std::uint64_t;

  Refusal add_to_counter(const SeriesName& name, double by, base::MonotonicTime now,
                         SenderTime sent = 0);
  Refusal set_counter(const SeriesName& name, double total, base::MonotonicTime now,
                      SenderTime sent = 0);
  Refusal set_gauge(const SeriesName& name, double value, base::MonotonicTime now,
                    SenderTime sent = 0);
  Refusal add_to_gauge(const SeriesName& name, double by, base::MonotonicTime now,
                       SenderTime sent = 0);
  /// `weight`: how many observations it stands for.
  Refusal observe(const SeriesName& name, std::span<const double> bounds, double value,
                  double weight, base::MonotonicTime now);
  Refusal set_histogram(const SeriesName& name, BucketCounts buckets, base::MonotonicTime now,
                        SenderTime sent = 0);
  Refusal add_histogram(const SeriesName& name, const BucketCounts& buckets,
                        base::MonotonicTime now, SenderTime sent = 0);
  /// Told of as a gauge: distinct values of the last full window, or of the first one so far.
  Refusal add_to_set(const SeriesName& name, std::string_view value, base::MonotonicTime now);

  /// Ends what has expired and writes the rest.
  void write(RoundSink& sink, base::MonotonicTime now);

  /// Series as told of.
  std::size_t size() const { return size_; }

 private:
  enum class Kind { Counter, Gauge, Histogram, Set };
  struct SetWindow {
    std::unordered_set<std::size_t> hashes;
    base::MonotonicTime began{};
    std::optional<double> last;
  };
  struct Series {
    double value = 0;
    std::unique_ptr<BucketCounts> buckets;
    std::unique_ptr<SetWindow> set;
    base::MonotonicTime touched{};
    SenderTime sent = 0;
  };
  struct Family {
    Kind kind = Kind::Gauge;
    std::string help;
    std::unordered_map<model::Labels, Series> series;
  };
  struct Found {
    Refusal refusal = Refusal::None;
    Series* series = nullptr;
  };

  Found find(const SeriesName& name, Kind kind, std::size_t cost, base::MonotonicTime now,
             SenderTime sent);
  Refusal to_labels(const SeriesName& name, model::Labels& labels) const;
  void expire(base::MonotonicTime now);
  void roll(SetWindow& window, base::MonotonicTime now) const;
  static std::size_t cost_of(const Series& series);
  static void write_histogram(RoundSink& sink, const std::string& name,
                              std::vector<model::LabelView> labels, const BucketCounts& buckets);

  SeriesBounds bounds_;
  std::map<std::string, Family> families_;
  std::size_t size_ = 0;
};

}  // namespace tocsin::agent
