#include "alertd/promql/table.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::promql {

base::Result<void> Budget::add(std::size_t values) {
  if (values > max_ - std::min(held_, max_)) {
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

std::size_t Grouper::Hash::operator()(std::string_view key) const {
  return base::hash64(key);
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
  const auto found = groups_.find(std::string_view(key_));
  if (found != groups_.end()) return found->second;
  const auto group = static_cast<std::uint32_t>(first_.size());
  groups_.emplace(key_, group);
  first_.push_back(series);
  return group;
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
  return base::ok();
}

model::Labels output_labels(const SeriesRef& series) {
  if (series.name == NameState::Keep) return *series.labels;
  std::vector<model::LabelView> labels;
  for_each_label(series, false, [&](const model::LabelView& label) { labels.push_back(label); });
  return model::Labels::from_sorted(labels);
}

}  // namespace tocsin::promql
