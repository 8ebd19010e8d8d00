// Which incidents a step has to do with: sets of numbers that are filled, and then walked in order.
//
// Most steps of a storm fill them with hundreds of numbers and forget them again, so they are
// vectors that are sorted when somebody asks, not trees.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace tocsin::incident {

/// Owner: one thread.
class NumberSet {
 public:
  void insert(std::int64_t number) {
    if (!numbers_.empty() && numbers_.back() == number) return;
    sorted_ = sorted_ && (numbers_.empty() || numbers_.back() < number);
    numbers_.push_back(number);
  }
  void erase(std::int64_t number);
  void clear() {
    numbers_.clear();
    sorted_ = true;
  }
  bool contains(std::int64_t number) const;
  /// Each once, in order; valid until the next insert().
  const std::vector<std::int64_t>& in_order() const;

 private:
  // Sorted when they are read.
  mutable std::vector<std::int64_t> numbers_;
  mutable bool sorted_ = true;
};

/// The incidents that a step looks at: first those that are gathered, then also those that a look
/// leads to; always the smallest number that waits. Owner: one thread.
class StepLooks {
 public:
  /// A change of a change may lead back to where it began.
  static constexpr int kTimesMax = 3;

  void clear();
  /// Waits already, or was looked at kTimesMax times: nothing.
  void add(std::int64_t number);
  /// Returns the next one to look at; nullopt: none waits.
  std::optional<std::int64_t> next();
  /// All that were looked at since clear(), in order.
  const std::vector<std::int64_t>& seen() const { return seen_.in_order(); }
  bool has_seen(std::int64_t number) const { return seen_.contains(number); }

 private:
  bool waits_first(std::int64_t number) const;

  NumberSet seen_;                   ///< Gathered, and what came later.
  std::vector<std::int64_t> first_;  ///< The gathered ones, once looking began.
  std::size_t next_first_ = 0;       ///< Those before were looked at.
  bool looking_ = false;
  std::set<std::int64_t> more_;             ///< What looks led to.
  std::map<std::int64_t, int> more_times_;  ///< How often a number was in `more_`.
};

}  // namespace tocsin::incident
