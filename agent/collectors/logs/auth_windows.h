// How many attempts came from one source, or went to one account, within a while.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "common/base/time.h"

namespace tocsin::agent {

/// Failed log-ins of the last quarter of an hour, by hashes of source and account; times are those
/// of the lines, so that a backlog is no attack. Bounded: the oldest give way, counted. Owner: one
/// log.
class AuthWindows {
 public:
  static constexpr base::Duration kLongest{900'000};

  explicit AuthWindows(std::size_t events_max) : events_max_(events_max) {}

  /// 0 stands for unknown and counts for nobody.
  void failure(base::WallTime at, std::uint64_t source, std::uint64_t account);

  /// Returns the failures of the source, or to the account, within kLongest before `at`.
  std::size_t failures_before(base::WallTime at, std::uint64_t source, std::uint64_t account) const;

  struct Peak {
    std::size_t value = 0;
    std::uint64_t key = 0;  ///< Of whom.
  };
  /// Most failures of one source in any window of that length that ended since the last end_round()
  /// or ends `now`.
  Peak source_max(base::Duration window, base::WallTime now) const;
  Peak account_max(base::Duration window, base::WallTime now) const;
  /// Most different accounts that one source failed at.
  Peak accounts_per_source_max(base::Duration window, base::WallTime now) const;

  struct Failure {
    base::WallTime at;
    std::uint64_t source = 0;
    std::uint64_t account = 0;
  };
  /// Returns the newest failures, the oldest of them first.
  std::vector<Failure> latest(std::size_t count) const;
  /// Takes back what latest() of an earlier run returned, in its order. Before the first failure().
  void restore(const Failure& failure);

  /// Forgets what is too old for every window to come.
  void end_round(base::WallTime now);
  double dropped() const { return dropped_; }

 private:
  struct Event : Failure {
    bool fresh = true;  ///< Since the last end_round().
  };
  using Key = std::uint64_t Failure::*;
  Peak peak(base::Duration window, base::WallTime now, Key by, Key distinct) const;

  std::size_t events_max_;
  std::deque<Event> events_;  ///< In order of time.
  double dropped_ = 0;
};

}  // namespace tocsin::agent
