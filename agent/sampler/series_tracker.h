// Which series were there in the round before: those that are gone get a stale marker, so that a
// rule sees "no data" at once and not after five minutes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/model/labels.h"

namespace tocsin::agent {

/// The series of one source, by hash of their labels. Owner: the sampler.
///
/// A source tells its series in the same order round after round, so the one expected next is
/// looked at first: the memory is read once from front to end, and nothing is looked up.
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

  void begin_round() {
    ++round_;
    next_ = 0;
  }

  /// Notes one series of this round; `labels` are sorted by name.
  Seen see(std::span<const model::LabelView> labels);

  /// Calls `gone` for each series that was not seen since begin_round(), and forgets it.
  void end_round(const std::function<void(const model::Labels&)>& gone);

  std::size_t size() const { return series_.size(); }

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t round = 0;
    model::Labels labels;
  };

  Entry* find(std::uint64_t hash);

  std::vector<Entry> series_;
  std::size_t next_ = 0;  // The entry that is expected next.
  /// Index into series_ by hash, made when it is first needed; empty: not made.
  std::unordered_map<std::uint64_t, std::uint32_t> by_hash_;
  std::uint32_t round_ = 0;
  std::string scratch_;
};

}  // namespace tocsin::agent
