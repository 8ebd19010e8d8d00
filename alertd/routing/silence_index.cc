#include "alertd/routing/silence_index.h"

#include <algorithm>
#include <limits>

namespace tocsin::routing {

std::vector<std::string> listed_values(const model::Matcher& matcher) {
  if (matcher.op() == model::MatchOp::Equal) {
    return matcher.value().empty() ? std::vector<std::string>()
                                   : std::vector<std::string>{matcher.value()};
  }
  if (matcher.op() != model::MatchOp::Regex) return {};
  std::vector<std::string> values(1);
  for (const char c : matcher.value()) {
    if (c == '|') {
      values.emplace_back();
      continue;
    }
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == ':' || c == '/' || c == ' ';
    if (!plain) return {};
    values.back() += c;
  }
  const bool with_empty = std::find(values.begin(), values.end(), "") != values.end();
  return with_empty ? std::vector<std::string>() : values;
}

void SilenceIndex::add(const std::string& id, const std::vector<MatcherSet>& sets) {
  for (const MatcherSet& set : sets) entries_.push_back({&id, &set});
}

void SilenceIndex::build() {
  by_label_.clear();
  rest_.clear();
  std::map<std::pair<std::string, std::string>, std::size_t> uses;
  for (const Entry& entry : entries_) {
    for (const model::Matcher& matcher : *entry.set) {
      for (std::string& value : listed_values(matcher)) ++uses[{matcher.name(), std::move(value)}];
    }
  }
  for (const Entry& entry : entries_) {
    const model::Matcher* best = nullptr;
    std::size_t fewest = std::numeric_limits<std::size_t>::max();
    for (const model::Matcher& matcher : *entry.set) {
      const std::vector<std::string> values = listed_values(matcher);
      std::size_t neighbours = 0;
      for (const std::string& value : values) neighbours += uses.at({matcher.name(), value});
      if (values.empty() || neighbours >= fewest) continue;
      fewest = neighbours;
      best = &matcher;
    }
    if (!best) {
      rest_.push_back(entry);
      continue;
    }
    std::vector<std::string> values = listed_values(*best);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    for (const std::string& value : values) by_label_[best->name()][value].push_back(entry);
  }
}

void SilenceIndex::try_all(const std::vector<Entry>& entries, const AlertLabels& alert,
                           std::vector<std::string>& ids) {
  for (const Entry& entry : entries) {
    if (alert.match(*entry.set)) ids.push_back(*entry.id);
  }
}

void SilenceIndex::find(const AlertLabels& alert, std::vector<std::string>& ids) const {
  if (entries_.empty()) return;
  for (const auto& [label, by_value] : by_label_) {
    const std::string_view value = alert.get(label);
    if (value.empty()) continue;
    const auto found = by_value.find(std::string(value));
    if (found != by_value.end()) try_all(found->second, alert, ids);
  }
  try_all(rest_, alert, ids);
  if (ids.size() < 2) return;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace tocsin::routing
