#include "alertd/promql/table.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::promql {

base::Result<void> Budget::add(std::size_t values) {
  if (!fits(values)) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("query needs more than {} samples in memory", max_));
  }
  held_ += values;
  return base::ok();
}

base::Result<void> Charge::grow(Budget& budget, std::size_t values) {
  TC_TRY(budget.add(values));
  budget_ = &budget;
  values_ += values;
  return base::ok();
}

std::string_view visible_label(const SeriesRef& series, std::string_view name, bool delayed) {
  const bool hide = series.name == NameState::Gone || (series.name == NameState::Drop && !delayed);
  if (hide && is_metadata_label(name)) return {};
  return series.labels->get(name);
}

Grouper::Grouper(Grouping grouping, bool delayed)
    : grouping_(std::move(grouping)), delayed_(delayed) {}

// Labels come sorted and so do ours: one walk over both.
bool Grouper::kept(std::string_view name, std::size_t& cursor) const {
  const auto& labels = grouping_.labels;
  while (cursor < labels.size() && labels[cursor] < name) ++cursor;
  const bool listed = cursor < labels.size() && labels[cursor] == name;
  return listed == (grouping_.kind == Grouping::Kind::By);
}

void Grouper::build_key(const SeriesRef& series) {
  key_.clear();
  std::size_t cursor = 0;
  for_each_label(series, delayed_, [&](const model::LabelView& label) {
    if (!kept(label.name, cursor)) return;
    key_ += label.name;
    key_ += '\xff';  // never in UTF-8, so parts cannot run into each other
    key_ += label.value;
    key_ += '\xff';
  });
}

std::uint32_t Grouper::group_of(const SeriesRef& series) {
  if (grouping_.kind == Grouping::Kind::By && grouping_.labels.empty()) {
    if (first_.empty()) first_.push_back(series);
    return 0;
  }
  build_key(series);
  if (first_.size() * 2 >= slots_.size()) grow();
  const std::uint64_t hash = base::hash64(key_);
  std::size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const std::uint32_t group = slots_[slot] - 1;
    if (hashes_[group] == hash && key_of(group) == key_) return group;
  }
  const auto group = static_cast<std::uint32_t>(first_.size());
  slots_[slot] = group + 1;
  hashes_.push_back(hash);
  keys_ += key_;
  key_ends_.push_back(keys_.size());
  first_.push_back(series);
  return group;
}

std::string_view Grouper::key_of(std::uint32_t group) const {
  const std::size_t begin = group == 0 ? 0 : key_ends_[group - 1];
  return std::string_view(keys_).substr(begin, key_ends_[group] - begin);
}

void Grouper::grow() {
  slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
  for (std::uint32_t group = 0; group < hashes_.size(); ++group) {
    std::size_t slot = hashes_[group] & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = group + 1;
  }
}

void Grouper::freeze() {
  slots_ = {};
  hashes_ = {};
  key_ends_ = {};
  keys_ = {};
  first_.shrink_to_fit();
}

model::Labels Grouper::labels_of(std::uint32_t group) const {
  std::vector<model::LabelView> labels;
  std::size_t cursor = 0;
  for_each_label(first_[group], delayed_, [&](const model::LabelView& label) {
    if (kept(label.name, cursor)) labels.push_back(label);
  });
  return model::Labels::from_sorted(labels);
}

std::vector<std::string> sorted_labels(std::vector<std::string> labels, bool with_name) {
  if (with_name) labels.emplace_back(model::kMetricName);
  std::ranges::sort(labels);
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

base::Result<void> merge_equal_series(Table& table, bool delayed, bool final) {
  if (table.series.size() < 2) return base::ok();
  Grouper grouper({Grouping::Kind::Without, {}}, delayed && !final);
  std::vector<std::uint32_t> groups;
  groups.reserve(table.series.size());
  for (const SeriesRef& series : table.series) groups.push_back(grouper.group_of(series));
  if (grouper.size() == table.series.size()) return base::ok();
  // Groups are numbered by first appearance, so rows only ever move up: in place.
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::span<const double> from = table.row(i);
    const std::span<double> to = table.row(groups[i]);
    if (groups[i] == seen) {
      ++seen;
      table.series[groups[i]] = table.series[i];
      std::copy(from.begin(), from.end(), to.begin());
      continue;
    }
    for (std::size_t step = 0; step < table.steps; ++step) {
      if (is_absent(from[step])) continue;
      if (!is_absent(to[step])) {
        return base::error(base::ErrorCode::InvalidArgument,
                           "vector cannot contain metrics with the same labelset");
      }
      to[step] = from[step];
    }
  }
  table.series.resize(grouper.size());
  table.cells.resize(grouper.size() * table.steps);
  table.origin = {};
  return base::ok();
}

model::Labels output_labels(const SeriesRef& series) {
  if (series.name == NameState::Keep) return *series.labels;
  std::vector<model::LabelView> labels;
  for_each_label(series, false, [&](const model::LabelView& label) { labels.push_back(label); });
  return model::Labels::from_sorted(labels);
}

}  // namespace tocsin::promql
