#include "alertd/routing/decision_log.h"

#include <utility>

namespace tocsin::routing {

void DecisionLog::add(const std::string& subject, Decision decision) {
  auto found = histories_.find(subject);
  if (found == histories_.end()) {
    if (histories_.size() == kSubjects) {
      histories_.erase(ages_.front());
      ages_.pop_front();
    }
    ages_.push_back(subject);
    found = histories_.emplace(subject, History{{}, std::prev(ages_.end())}).first;
  } else {
    ages_.splice(ages_.end(), ages_, found->second.age);
  }
  std::vector<Decision>& decisions = found->second.decisions;
  if (!decisions.empty()) {
    Decision& last = decisions.back();
    if (!decision.sent && !last.sent && last.reason == decision.reason &&
        last.text == decision.text) {
      last.last_at = decision.last_at;
      ++last.count;
      return;
    }
  }
  if (decisions.size() == kPerSubject) decisions.erase(decisions.begin());
  decisions.push_back(std::move(decision));
}

std::vector<Decision> DecisionLog::of(const std::string& subject) const {
  const auto found = histories_.find(subject);
  if (found == histories_.end()) return {};
  return found->second.decisions;
}

std::optional<Decision> DecisionLog::last(const std::string& subject) const {
  const auto found = histories_.find(subject);
  if (found == histories_.end()) return std::nullopt;
  return found->second.decisions.back();
}

}  // namespace tocsin::routing
