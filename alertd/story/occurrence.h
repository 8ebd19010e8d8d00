// The occurrence that the question is about: from when the alert was taken in until it was over.
#pragma once

#include <optional>
#include <vector>

#include "alertd/story/evidence.h"

namespace tocsin::story {

/// Pointers into the evidence, which outlives it.
struct Occurrence {
  bool seen = false;                                    ///< Routing saw the alert at all.
  std::optional<base::WallTime> after;                  ///< Exclusive; missing: from the beginning.
  std::optional<base::WallTime> over;                   ///< It was over then; missing: it went on.
  std::vector<const incident::DecisionRecord*> own;     ///< Oldest first, as the next.
  std::vector<const incident::DecisionRecord*> groups;  ///< About whole groups.
  std::vector<const Delivery*> calls;                   ///< That say that it fires.

  /// Returns the last line about the alert for which `wanted` holds, or null.
  template <class Wanted>
  const incident::DecisionRecord* last_own(Wanted wanted) const {
    return last(own, wanted);
  }
  template <class Wanted>
  const incident::DecisionRecord* last_of_group(Wanted wanted) const {
    return last(groups, wanted);
  }

 private:
  template <class Wanted>
  static const incident::DecisionRecord* last(
      const std::vector<const incident::DecisionRecord*>& rows, Wanted wanted) {
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      if (wanted(**row)) return *row;
    }
    return nullptr;
  }
};

/// Returns the last occurrence up to the time asked about.
Occurrence find_occurrence(const Evidence& evidence);

}  // namespace tocsin::story
