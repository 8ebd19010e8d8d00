#include "alertd/tsdb/postings.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::tsdb {
namespace {

using model::Matcher;
using model::MatchOp;

void insert_sorted(std::vector<Slot>& slots, Slot slot) {
  if (slots.empty() || slots.back() < slot) {
    slots.push_back(slot);
  } else {
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot);
    if (at == slots.end() || *at != slot) slots.insert(at, slot);
  }
}

void intersect(std::vector<Slot>& slots, std::span<const Slot> with) {
  if (with.size() / 16 > slots.size()) {  // few against many: look each one up
    std::erase_if(slots,
                  [&](Slot slot) { return !std::binary_search(with.begin(), with.end(), slot); });
    return;
  }
  std::vector<Slot> both;
  both.reserve(std::min(slots.size(), with.size()));
  std::set_intersection(slots.begin(), slots.end(), with.begin(), with.end(),
                        std::back_inserter(both));
  slots = std::move(both);
}

/// The literals of `a|b|c`; empty if the pattern is anything more.
std::vector<std::string_view> literals_of(std::string_view pattern) {
  if (pattern.find_first_of("\\.+*?()[]{}^$") != std::string_view::npos) return {};
  return base::split(pattern, '|');
}

}  // namespace

void Postings::add(Slot slot, const model::Labels& labels) {
  std::size_t position = 0;
  for (const model::LabelView label : labels) {
    if (position == recent_.size()) recent_.emplace_back();
    Recent& recent = recent_[position++];
    if (recent.list == nullptr || recent.name != label.name || recent.value != label.value) {
      auto by_name = lists_.find(label.name);
      if (by_name == lists_.end()) by_name = lists_.try_emplace(std::string(label.name)).first;
      auto by_value = by_name->second.find(label.value);
      if (by_value == by_name->second.end()) {
        by_value = by_name->second.try_emplace(std::string(label.value)).first;
      }
      // The map's own strings: they stay where they are until the entry is removed.
      recent = {by_name->first, by_value->first, &by_value->second};
    }
    insert_sorted(recent.list->slots, slot);
    recent.list->generation = ++generation_;
  }
}

void Postings::remove_from(const std::string& name, const std::string& value,
                           std::span<const Slot> gone) {
  recent_.clear();
  const auto by_name = lists_.find(name);
  if (by_name == lists_.end()) return;
  const auto by_value = by_name->second.find(value);
  if (by_value == by_name->second.end()) return;
  std::erase_if(by_value->second.slots,
                [&](Slot slot) { return std::binary_search(gone.begin(), gone.end(), slot); });
  by_value->second.generation = ++generation_;
  if (by_value->second.slots.empty()) by_name->second.erase(by_value);
  if (by_name->second.empty()) lists_.erase(by_name);
}

const PostingList* Postings::find(std::string_view name, std::string_view value) const {
  const auto by_name = lists_.find(name);
  if (by_name == lists_.end()) return nullptr;
  const auto by_value = by_name->second.find(value);
  return by_value == by_name->second.end() ? nullptr : &by_value->second;
}

std::vector<Slot> Postings::matching(const Matcher& matcher) const {
  std::vector<Slot> slots;
  const auto by_name = lists_.find(matcher.name());
  if (by_name == lists_.end()) return slots;
  const auto take = [&](const PostingList& list) {
    slots.insert(slots.end(), list.slots.begin(), list.slots.end());
  };
  const auto literals = matcher.op() == MatchOp::Regex ? literals_of(matcher.value())
                                                       : std::vector<std::string_view>{};
  if (!literals.empty()) {
    for (const std::string_view literal : literals) {
      const auto found = by_name->second.find(literal);
      if (found != by_name->second.end()) take(found->second);
    }
  } else {
    for (const auto& [value, list] : by_name->second) {
      if (matcher.matches(value)) take(list);
    }
  }
  // A series has one value for a name, so lists only overlap if a literal was given twice.
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

bool Postings::candidates(std::span<const Matcher> matchers, std::vector<Slot>& slots,
                          std::vector<bool>& exact) const {
  exact.assign(matchers.size(), false);
  bool narrowed = false;
  // Equality first: lists that are there already. Start with the shortest.
  std::vector<std::span<const Slot>> lists;
  for (std::size_t i = 0; i < matchers.size(); ++i) {
    const Matcher& matcher = matchers[i];
    if (matcher.op() != MatchOp::Equal || matcher.value().empty()) continue;
    exact[i] = narrowed = true;
    const PostingList* list = find(matcher.name(), matcher.value());
    lists.push_back(list == nullptr ? std::span<const Slot>() : std::span(list->slots));
  }
  std::sort(lists.begin(), lists.end(),
            [](const auto& a, const auto& b) { return a.size() < b.size(); });
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (i == 0) {
      slots.assign(lists[0].begin(), lists[0].end());
    } else {
      intersect(slots, lists[i]);
    }
  }
  for (std::size_t i = 0; i < matchers.size(); ++i) {
    const Matcher& matcher = matchers[i];
    if (exact[i] || matcher.matches_empty()) continue;
    const auto by_name = lists_.find(matcher.name());
    const std::size_t values = by_name == lists_.end() ? 0 : by_name->second.size();
    // Trying every value costs more than checking the few candidates one by one.
    if (narrowed && values > slots.size()) continue;
    exact[i] = true;
    std::vector<Slot> found = matching(matcher);
    if (narrowed) {
      intersect(slots, found);
    } else {
      slots = std::move(found);
    }
    narrowed = true;
  }
  return narrowed;
}

std::size_t Postings::buckets(std::string_view name) const {
  const auto by_name = lists_.find(name);
  return by_name == lists_.end() ? 0 : by_name->second.bucket_count();
}

std::vector<std::string> Postings::names() const {
  std::vector<std::string> names;
  names.reserve(lists_.size());
  for (const auto& [name, values] : lists_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Postings::values(std::string_view name) const {
  std::vector<std::string> values;
  const auto by_name = lists_.find(name);
  if (by_name == lists_.end()) return values;
  values.reserve(by_name->second.size());
  for (const auto& [value, list] : by_name->second) values.push_back(value);
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace tocsin::tsdb
