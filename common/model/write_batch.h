// A batch of series with samples on its way through the house: agent -> spool -> wire -> ingest ->
// store.
//
// Flat on purpose: three vectors and one block of text, whatever the number of series. Decoding a
// request of 500 series costs a handful of allocations, none for each series or sample, and a
// hostile request cannot make the decoded form much larger than its bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/model/known_series.h"
#include "common/model/labels.h"
#include "common/model/sample.h"

namespace tocsin::model {

enum class MetricType : std::uint8_t {
  Unknown,
  Counter,
  Gauge,
  Histogram,
  GaugeHistogram,
  Summary,
  Info,
  StateSet
};

/// Returns "counter", "gauge", ...; "unknown".
std::string_view to_string(MetricType type);

/// Blocks of text that stay where they are while views point into them.
class TextArena {
 public:
  /// Copies `text` and returns a view that lives as long as the arena.
  std::string_view copy(std::string_view text);
  /// Takes over a block; views into it stay valid.
  void adopt(std::unique_ptr<char[]> block) { blocks_.push_back(std::move(block)); }
  void clear();

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  std::size_t free_bytes_ = 0;
};

/// What is known about a metric, by its name. Views belong to the batch.
struct MetricMetadata {
  std::string_view metric_name;  ///< Family name.
  MetricType type = MetricType::Unknown;
  std::string_view help;
  std::string_view unit;
};

/// Series with their samples. Move-only. Owner: whoever holds it; no thread of its own.
class WriteBatch {
 public:
  /// One series; indices into the batch's vectors.
  struct Series {
    std::uint32_t label_begin = 0;
    std::uint32_t label_count = 0;
    std::uint32_t sample_begin = 0;
    std::uint32_t sample_count = 0;
    std::uint64_t key = 0;               ///< Of a KnownSeriesTable; 0: none.
    const KnownSeries* known = nullptr;  ///< Instead of labels; lives as long as the batch.
  };

  WriteBatch() = default;
  WriteBatch(WriteBatch&&) = default;
  WriteBatch& operator=(WriteBatch&&) = default;

  /// Takes memory ahead for so many further series, labels and samples.
  void reserve(std::size_t series, std::size_t labels, std::size_t samples);

  /// Starts a series; the labels and samples added next belong to it.
  void begin_series();
  /// `name` and `value` must live as long as the batch: copy them with text().copy() if they do
  /// not.
  void add_label(std::string_view name, std::string_view value);
  void add_sample(Sample sample);
  /// Says of the series begun last under which key it may be remembered.
  void set_key(std::uint64_t key) { series_.back().key = key; }
  /// Says of the series begun last that it is this one, in place of labels; see keep_alive().
  void set_known(const KnownSeries* known) { series_.back().known = known; }
  /// Keeps what known series point into.
  void keep_alive(std::shared_ptr<const KnownSeriesTable> table) { known_ = std::move(table); }
  const KnownSeriesTable* known_table() const { return known_.get(); }
  void add_metadata(const MetricMetadata& metadata) { metadata_.push_back(metadata); }
  /// Starts a series with a whole label set (copied) and one sample.
  void add(const Labels& labels, Sample sample);

  std::span<const Series> series() const { return series_; }
  /// The labels as they came; none for a known series: see labels_of().
  std::span<const LabelView> labels(const Series& series) const {
    return std::span(labels_).subspan(series.label_begin, series.label_count);
  }
  std::span<LabelView> labels(const Series& series) {
    return std::span(labels_).subspan(series.label_begin, series.label_count);
  }
  /// The labels, also of a known series, whose views go into `scratch`.
  std::span<const LabelView> labels_of(const Series& series, std::vector<LabelView>& scratch) const;
  std::span<const Sample> samples(const Series& series) const {
    return std::span(samples_).subspan(series.sample_begin, series.sample_count);
  }
  std::span<const MetricMetadata> metadata() const { return metadata_; }
  TextArena& text() { return text_; }

  std::size_t series_count() const { return series_.size(); }
  std::size_t sample_count() const { return samples_.size() - removed_samples_; }
  bool empty() const { return series_.empty(); }

  /// Removes the series for whose labels `condition` is true, known ones aside; returns how many
  /// samples they had.
  template <class Condition>
  std::size_t remove_series_if(Condition condition) {
    std::size_t removed = 0;
    std::erase_if(series_, [&](const Series& one) {
      if (one.known != nullptr || !condition(std::as_const(*this).labels(one))) return false;
      removed += one.sample_count;
      return true;
    });
    removed_samples_ += removed;
    return removed;
  }

  /// Replaces the labels of one series; they must be sorted and live as long as the batch.
  void replace_labels(std::size_t series, std::span<const LabelView> labels);

  /// Whom new series are counted for, and how many this owner may have; 0 is nobody, without limit.
  std::uint16_t owner = 0;
  std::uint64_t owner_series_max = 0;  ///< 0: no limit.
  bool remember = false;               ///< AppendOutcome::known is wanted.

  /// Things the sender had that this release does not store; counted so that nothing vanishes
  /// silently.
  std::size_t native_histograms = 0;
  std::size_t exemplars = 0;

 private:
  std::vector<Series> series_;
  std::vector<LabelView> labels_;
  std::vector<Sample> samples_;
  std::size_t removed_samples_ = 0;  // Still in samples_, of no series.
  std::vector<MetricMetadata> metadata_;
  TextArena text_;
  std::shared_ptr<const KnownSeriesTable> known_;
};

}  // namespace tocsin::model
