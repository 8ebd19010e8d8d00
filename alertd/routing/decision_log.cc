#include "alertd/routing/decision_log.h"

#include <iterator>
#include <utility>

namespace tocsin::routing {

/// Returns the subject's, which is the last one now. In a storm each subject is a new one: the
/// oldest gives its place, and its memory.
DecisionLog::History& DecisionLog::history_of(std::string_view subject) {
  if (const auto found = by_subject_.find(subject); found != by_subject_.end()) {
    histories_.splice(histories_.end(), histories_, found->second);
    return histories_.back();
  }
  if (histories_.size() < kSubjects) {
    histories_.push_back({std::string(subject), {}});
    by_subject_.emplace(histories_.back().subject, std::prev(histories_.end()));
    return histories_.back();
  }
  auto node = by_subject_.extract(std::string_view(histories_.front().subject));
  histories_.splice(histories_.end(), histories_, histories_.begin());
  History& history = histories_.back();
  history.subject = subject;
  history.decisions.clear();
  node.key() = history.subject;
  by_subject_.insert(std::move(node));
  return history;
}

void DecisionLog::add(std::string_view subject, Decision decision) {
  std::vector<Decision>& decisions = history_of(subject).decisions;
  if (!decisions.empty()) {
    Decision& last = decisions.back();
    if (!decision.sent && !last.sent && last.reason == decision.reason &&
        last.text == decision.text && last.labels == decision.labels) {
      last.last_at = decision.last_at;
      ++last.count;
      return;
    }
  }
  if (decisions.size() == kPerSubject) decisions.erase(decisions.begin());
  decisions.push_back(std::move(decision));
}

std::vector<Decision> DecisionLog::of(std::string_view subject) const {
  const auto found = by_subject_.find(subject);
  if (found == by_subject_.end()) return {};
  return found->second->decisions;
}

}  // namespace tocsin::routing
