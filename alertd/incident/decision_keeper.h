// Which decisions are worth a row: those that differ from the one before about the same thing.
//
// A group says "unchanged" at each of its turns for days, and a sender repeats an alert that is
// refused every minute; one row says it until something else is decided. What was sent, and what
// is said of one alert when it joins or is hidden, is always kept: that happens once.
// A restart forgets what was said last, which costs one row for each group.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "alertd/incident/state_change.h"
#include "common/base/hash_table.h"

namespace tocsin::incident {

/// In front of the group's key: the subject of a line about one alert of the group, so that the
/// lines about the group are found without those of fifty thousand alerts.
inline constexpr std::string_view kMemberSubject = "member:";
/// Beside the names of routing::Reason: nothing hides the alert any more, its group's turn decides.
inline constexpr std::string_view kReleased = "Released";

/// Owner: the engine.
class DecisionKeeper {
 public:
  /// More subjects are not remembered; then all are forgotten, at the price of a row each.
  static constexpr std::size_t kSubjectsMax = 200'000;

  /// Returns whether the record says something new about its subject. `part` tells apart what is
  /// decided about one subject side by side: an integration; usually empty.
  bool news(const DecisionRecord& record, const std::string& part = {});

  /// The subject is gone; when it comes back it is news again.
  void forget(const std::string& subject);

 private:
  // Hashes of what was said last; keys are hashes too, of the subject: a key of a group is long.
  base::HashTable<std::uint64_t> last_;
  std::unordered_map<std::uint64_t, std::map<std::string, std::uint64_t>> parts_;
};

}  // namespace tocsin::incident
