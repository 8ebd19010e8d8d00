// The read waist: the PromQL engine sees series through this and never through the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/matcher.h"
#include "common/model/sample.h"

namespace tocsin::model {

/// The series of one select(), sorted by labels; a snapshot that may outlive the source.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;

  virtual std::size_t size() const = 0;
  virtual const Labels& labels(std::size_t series) const = 0;

  /// Appends the samples of one series in [begin_ms, end_ms], both inclusive, in order of time,
  /// strictly increasing; stale markers included. Errors: Corruption (a damaged chunk; names it).
  /// Thread: any. Cost: decodes the chunks touched.
  virtual base::Result<void> samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                     std::vector<Sample>& out) const = 0;
};

struct SelectLimits {
  std::size_t series_max = 1'000'000;
};

/// Implementations: tsdb::Store (production), promql's TestSource (tests).
class SeriesSource {
 public:
  virtual ~SeriesSource() = default;

  /// Returns every series that satisfies all `matchers` and may have a sample in [begin_ms,
  /// end_ms], both inclusive. Errors: LimitExceeded (more than limits.series_max series). Thread:
  /// any. Cost: holds the head's lock while copying chunk references, not while decoding.
  virtual base::Result<std::unique_ptr<SeriesSet>> select(std::span<const Matcher> matchers,
                                                          std::int64_t begin_ms,
                                                          std::int64_t end_ms,
                                                          const SelectLimits& limits) const = 0;

  /// Returns the sorted values of a label over series that satisfy `matchers` (all, if empty).
  virtual base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const Matcher> matchers) const = 0;
  /// Returns the sorted names of all labels over series that satisfy `matchers`.
  virtual base::Result<std::vector<std::string>> label_names(
      std::span<const Matcher> matchers) const = 0;
};

}  // namespace tocsin::model
