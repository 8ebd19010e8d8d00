// Which kinds of errors a log had before, so that a new kind is news.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace tocsin::agent {

/// A bounded table; the kind that was not seen for longest gives way. Owner: one log.
class Fingerprints {
 public:
  explicit Fingerprints(std::size_t size_max) : size_max_(size_max) {}

  /// Returns whether this kind was never seen (or so long ago that it gave way).
  bool add(std::uint64_t fingerprint, base::WallTime now);
  std::size_t size() const { return known_.size(); }
  /// Kinds and their lines since the program began, the most frequent first.
  std::vector<std::pair<std::uint64_t, double>> top(std::size_t count) const;

  std::vector<std::vector<std::string>> save() const;
  void load(std::string_view fingerprint, std::string_view last_seen_ms);

 private:
  struct Known {
    std::int64_t last_ms = 0;
    double lines = 0;
  };
  std::size_t size_max_;
  std::map<std::uint64_t, Known> known_;
};

}  // namespace tocsin::agent
