// Why, afterwards: the last decisions about each group and each refused alert, kept for `explain`.
//
// Bounded: kPerSubject decisions a subject, kSubjects subjects; the subject untouched for longest
// goes first. A decision that repeats the one before is counted, not added: an unchanged group
// speaks "Unchanged" on every turn for days.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "alertd/routing/reason.h"
#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::routing {

/// One decision, or a run of equal ones.
struct Decision {
  base::WallTime first_at;
  base::WallTime last_at;
  std::uint64_t count = 1;
  bool sent = false;
  Reason reason = Reason::Unchanged;
  std::string text;        ///< Who hides it, how many; may be empty.
  model::Labels labels{};  ///< Of the alert that it is about; empty: about the whole group.
};

/// Thread: the owner's.
class DecisionLog {
 public:
  static constexpr std::size_t kPerSubject = 32;
  static constexpr std::size_t kSubjects = 2'000;

  void add(std::string_view subject, Decision decision);
  /// Returns the decisions about a group key or a refused alert, oldest first.
  std::vector<Decision> of(std::string_view subject) const;

 private:
  struct History {
    std::string subject;
    std::vector<Decision> decisions;
  };
  using Histories = std::list<History>;

  History& history_of(std::string_view subject);

  Histories histories_;  ///< Touched longest ago first.
  std::unordered_map<std::string_view, Histories::iterator> by_subject_;
};

}  // namespace tocsin::routing
