#include "alertd/incident/decision_keeper.h"

#include "common/base/hash.h"

namespace tocsin::incident {

bool DecisionKeeper::news(const DecisionRecord& record, const std::string& part) {
  const std::string said = record.reason + '\n' + record.incident_id + '\n' + record.text;
  const std::uint64_t hash = base::hash64(said);
  if (last_.size() >= kSubjectsMax && !last_.contains(record.subject)) last_.clear();
  const auto [last, first] = last_[record.subject].try_emplace(part, hash);
  const bool other = last->second != hash;
  last->second = hash;
  return first || other || record.sent;
}

}  // namespace tocsin::incident
