// One observation, and the marker that ends a series.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace tocsin::model {

/// One observation of one series.
struct Sample {
  std::int64_t timestamp_ms = 0;  ///< Unix time, UTC, milliseconds; may be older than now.
  double value = 0;               ///< Any double; stale_marker() ends the series.
  friend bool operator==(const Sample&, const Sample&) = default;
};

/// The NaN whose bits mean "this series ends here". Source: Prometheus model/value, StaleNaN.
inline double stale_marker() {
  return std::bit_cast<double>(std::uint64_t{0x7ff0000000000002});
}

/// Returns whether the value is the stale marker; compares bits, because NaN equals nothing.
inline bool is_stale(double value) {
  return std::bit_cast<std::uint64_t>(value) == 0x7ff0000000000002;
}

}  // namespace tocsin::model
