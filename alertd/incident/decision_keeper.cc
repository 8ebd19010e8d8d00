#include "alertd/incident/decision_keeper.h"

#include <algorithm>
#include <utility>

#include "common/base/hash.h"

namespace tocsin::incident {

namespace {

/// The hash stands for the subject itself.
constexpr auto kIt = [](std::uint64_t) { return true; };

}  // namespace

bool DecisionKeeper::news(const DecisionRecord& record, const std::string& part) {
  const std::uint64_t hash =
      base::hash64(record.text, base::hash64(record.incident_id, base::hash64(record.reason)));
  const std::uint64_t said = std::max<std::uint64_t>(hash, 1);  // 0 is none
  const std::uint64_t subject = base::hash64(record.subject);
  const bool known = part.empty() ? last_.find(subject, kIt) != 0 : parts_.contains(subject);
  if (!known && last_.size() + parts_.size() >= kSubjectsMax) {
    last_.clear();
    parts_.clear();
  }
  if (part.empty()) {
    if (last_.find(subject, kIt) == said) return record.sent;
    last_.put(subject, said, kIt);
    return true;
  }
  const auto [last, first] = parts_[subject].try_emplace(part, said);
  return std::exchange(last->second, said) != said || first || record.sent;
}

void DecisionKeeper::forget(const std::string& subject) {
  last_.erase(base::hash64(subject), kIt);
  parts_.erase(base::hash64(subject));
}

}  // namespace tocsin::incident
