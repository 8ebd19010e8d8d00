#include "alertd/incident/decision_keeper.h"

#include "common/base/hash.h"

namespace tocsin::incident {

bool DecisionKeeper::news(const DecisionRecord& record, const std::string& part) {
  const std::uint64_t hash =
      base::hash64(record.text, base::hash64(record.incident_id, base::hash64(record.reason)));
  const std::uint64_t subject = base::hash64(record.subject);
  if (last_.size() >= kSubjectsMax && !last_.contains(subject)) last_.clear();
  Said& said = last_[subject];
  if (part.empty()) {
    const bool same = said.whole == hash;
    said.whole = hash;
    return !same || record.sent;
  }
  const auto [last, first] = said.parts.try_emplace(part, hash);
  const bool other = last->second != hash;
  last->second = hash;
  return first || other || record.sent;
}

void DecisionKeeper::forget(const std::string& subject) {
  last_.erase(base::hash64(subject));
}

}  // namespace tocsin::incident
