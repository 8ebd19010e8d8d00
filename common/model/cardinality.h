// Where the series come from: which metrics, labels and values have most of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tocsin::model {

struct Counted {
  std::string name;
  std::uint64_t count = 0;
};

/// Each list has the largest first. Counts are of one moment each, not all of the same.
struct Cardinality {
  std::uint64_t series = 0;
  std::uint64_t label_pairs = 0;  ///< Different ones.
  std::uint64_t chunks = 0;       ///< In memory.
  std::int64_t first_ms = 0;      ///< Of the samples in memory; both 0 if there are none.
  std::int64_t last_ms = 0;
  std::vector<Counted> series_by_metric;
  std::vector<Counted> values_by_label;
  std::vector<Counted> value_bytes_by_label;  ///< A value counts for each of its series.
  std::vector<Counted> series_by_pair;        ///< "label=value"
  std::vector<Counted> series_by_host;        ///< Of the label `host`.
};

/// Implementation: tsdb::Store.
class CardinalitySource {
 public:
  virtual ~CardinalitySource() = default;
  /// Returns the `limit` largest of each kind. Thread: any; writers never wait for long. Cost: a
  /// pass over the index, milliseconds for each hundred thousand label values.
  virtual Cardinality cardinality(std::size_t limit) const = 0;
};

}  // namespace tocsin::model
