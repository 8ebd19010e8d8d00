// Why, afterwards: the last decisions about each group and each refused alert, kept for `explain`.
//
// Bounded: kPerSubject decisions a subject, kSubjects subjects; the subject untouched for longest
// goes first. A decision that repeats the one before is counted, not added: an unchanged group
// speaks "Unchanged" on every turn for days.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/routing/reason.h"
#include "common/base/time.h"

namespace tocsin::routing {

/// One decision, or a run of equal ones.
struct Decision {
  base::WallTime first_at;
  base::WallTime last_at;
  std::uint64_t count = 1;
  bool sent = false;
  Reason reason = Reason::Unchanged;
  std::string text;  ///< Which alert, how many; may be empty.
};

/// Thread: the owner's.
class DecisionLog {
 public:
  static constexpr std::size_t kPerSubject = 32;
  static constexpr std::size_t kSubjects = 2'000;

  void add(const std::string& subject, Decision decision);
  /// Returns the decisions about a group key or a refused alert, oldest first.
  std::vector<Decision> of(const std::string& subject) const;
  std::optional<Decision> last(const std::string& subject) const;

 private:
  struct History {
    std::vector<Decision> decisions;
    std::list<std::string>::iterator age;
  };
  std::unordered_map<std::string, History> histories_;
  std::list<std::string> ages_;  ///< Touched longest ago first.
};

}  // namespace tocsin::routing
