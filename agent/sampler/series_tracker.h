// Which series were there in the round before: those that are gone get a stale marker, so that a
// rule sees "no data" at once and not after five minutes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>

#include "common/model/labels.h"

namespace tocsin::agent {

/// The series of one source, by hash of their labels. Owner: the sampler.
///
/// Two series with the same 64-bit hash would pass for one, which drops the second sample of the
/// round and counts it; at 10 000 series that happens once in 10^11 hosts.
class SeriesTracker {
 public:
  enum class Seen {
    New,       ///< Not there in the round before.
    Again,     ///< Was there.
    Repeated,  ///< Already seen in this round.
  };

  void begin_round() { ++round_; }

  /// Notes one series of this round; `labels` are sorted by name.
  Seen see(std::span<const model::LabelView> labels);

  /// Calls `gone` for each series that was not seen since begin_round(), and forgets it.
  void end_round(const std::function<void(const model::Labels&)>& gone);

  std::size_t size() const { return series_.size(); }

 private:
  struct Entry {
    model::Labels labels;
    std::uint32_t round = 0;
  };

  std::unordered_map<std::uint64_t, Entry> series_;
  std::uint32_t round_ = 0;
  std::string scratch_;
};

}  // namespace tocsin::agent
