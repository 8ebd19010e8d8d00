// The read waist: the PromQL engine sees series through this and never through the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
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

/// The series of a prepared selector, sorted by labels. Immutable; labels stay where they are as
/// long as the list lives. Thread: any.
class SeriesList {
 public:
  virtual ~SeriesList() = default;

  virtual std::size_t size() const = 0;
  virtual const Labels& labels(std::size_t series) const = 0;

  /// If this list is `older` with series added and none removed: for each series its index in
  /// `older`, kNewSeries for those added. Empty if it is anything else.
  static constexpr std::uint32_t kNewSeries = 0xffffffff;
  virtual std::span<const std::uint32_t> grown_from(const SeriesList& older) const {
    (void)older;
    return {};
  }
};

/// A selector that is asked again and again: resolved once, kept up to date as series come and go,
/// and free to remember where the last window began. Owner: one thread at a time; the source
/// outlives it.
class PreparedSelector {
 public:
  /// The time of a series without a sample in the range asked for.
  static constexpr std::int64_t kNoSample = std::numeric_limits<std::int64_t>::min();
  /// Gets the samples of one series: at least one, no stale markers. Returns false to stop.
  using Visit = std::function<bool(std::size_t series, std::span<const Sample> samples)>;

  virtual ~PreparedSelector() = default;

  /// Returns every series that satisfies the matchers, whatever its age; the same list as before if
  /// none came or went. The reads below are of the list returned last.
  virtual std::shared_ptr<const SeriesList> refresh() = 0;

  /// Sets out[i] to the newest sample of series i in [begin_ms, end_ms], both inclusive, stale
  /// markers included; its time is kNoSample if there is none. `out` has the list's size.
  /// Errors: Corruption.
  virtual base::Result<void> newest(std::int64_t begin_ms, std::int64_t end_ms,
                                    std::span<Sample> out) = 0;

  /// Visits each series that has samples in [begin_ms, end_ms] except stale markers, in the order
  /// that is cheapest to read, and all of them at one moment: writers wait, so `visit` is quick and
  /// does not touch the source. The samples are gone when it returns. Errors: Corruption.
  virtual base::Result<void> windows(std::int64_t begin_ms, std::int64_t end_ms,
                                     const Visit& visit) = 0;
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

  /// Returns the selector for repeated use, or null if this source has no cheaper way than select()
  /// for it. Thread: any.
  virtual std::unique_ptr<PreparedSelector> prepare(std::span<const Matcher> matchers) const {
    (void)matchers;
    return nullptr;
  }

  /// Returns the sorted values of a label over series that satisfy `matchers` (all, if empty).
  virtual base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const Matcher> matchers) const = 0;
  /// Returns the sorted names of all labels over series that satisfy `matchers`.
  virtual base::Result<std::vector<std::string>> label_names(
      std::span<const Matcher> matchers) const = 0;
};

}  // namespace tocsin::model
