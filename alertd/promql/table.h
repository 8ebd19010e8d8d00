// What the evaluator computes with: a table of series times steps.
//
// Every node yields one Table: labels resolved once per series, values in one block, series by
// series. An instant query is a table with one step; a scalar is a table with one series without
// labels. A missing value is the stale marker, which no calculation can produce, so presence costs
// no memory and one compare. Dropping the metric name is a flag, not a copy of the labels: `sum by
// (job) (rate(x[5m]))` over a million series never builds a label set for the rates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/sample.h"
#include "common/model/series_source.h"

namespace tocsin::promql {

/// The value of an empty cell.
inline double absent_value() {
  return model::stale_marker();
}
inline bool is_absent(double value) {
  return model::is_stale(value);
}

/// The times at which an expression is evaluated.
struct Grid {
  std::int64_t begin_ms = 0;
  std::int64_t step_ms = 1;
  std::size_t count = 1;
  std::int64_t at(std::size_t step) const {
    return begin_ms + static_cast<std::int64_t>(step) * step_ms;
  }
  std::int64_t end_ms() const { return at(count - 1); }
};

/// Whether the metric name (with __type__ and __unit__) still belongs to a series.
enum class NameState : std::uint8_t {
  Keep,
  Drop,  ///< Will not be in the result; with delayed name removal it can still be seen.
  Gone   ///< Not to be seen any more, though the labels may still hold it.
};

struct SeriesRef {
  const model::Labels* labels = nullptr;  ///< Owned by the query.
  NameState name = NameState::Keep;
};

/// Counts the values that one query holds.
class Budget {
 public:
  explicit Budget(std::size_t max) : max_(max) {}
  /// Errors: LimitExceeded.
  base::Result<void> add(std::size_t values);
  bool fits(std::size_t values) const { return values <= max_ - std::min(held_, max_); }
  void remove(std::size_t values) { held_ -= values; }

 private:
  std::size_t held_ = 0;
  std::size_t max_;
};

/// Gives values back to the budget when it goes. Movable.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), values_(std::exchange(other.values_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(values_, other.values_);
    return *this;
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->remove(values_);
  }
  base::Result<void> grow(Budget& budget, std::size_t values);

 private:
  Budget* budget_ = nullptr;
  std::size_t values_ = 0;
};

/// Which list of series a table's rows are of, if that is known and lasts: then what was found out
/// about the list's series the last time still holds. See plan.h.
struct Origin {
  std::shared_ptr<const void> of;           ///< The list; null: not known.
  const model::SeriesList* list = nullptr;  ///< The same, if the source made it.
  std::size_t entries = 0;
  std::vector<std::uint32_t> rows;  ///< The entry of each row; empty: row i is entry i.

  bool known() const { return of != nullptr; }
  std::uint32_t entry(std::size_t row) const {
    return rows.empty() ? static_cast<std::uint32_t>(row) : rows[row];
  }
};

struct Table {
  std::size_t steps = 1;
  std::vector<SeriesRef> series;
  std::vector<double> cells;  ///< series.size() * steps.
  /// No two series have the same labels once names are dropped.
  bool distinct_without_name = false;
  Origin origin;
  Charge charge;

  std::span<double> row(std::size_t index) { return {cells.data() + index * steps, steps}; }
  std::span<const double> row(std::size_t index) const {
    return {cells.data() + index * steps, steps};
  }
  /// Appends an empty row.
  std::span<double> add_row(const SeriesRef& ref) {
    series.push_back(ref);
    cells.resize(cells.size() + steps, absent_value());
    return row(series.size() - 1);
  }
};

/// Returns whether the label goes with the metric name: __name__, __type__, __unit__.
inline bool is_metadata_label(std::string_view name) {
  return name.starts_with("__") && (name == "__name__" || name == "__type__" || name == "__unit__");
}

/// Calls `visit` for the labels that the language still sees.
template <class Visit>
void for_each_label(const SeriesRef& series, bool delayed, Visit visit) {
  const bool hide = series.name == NameState::Gone || (series.name == NameState::Drop && !delayed);
  for (const model::LabelView label : *series.labels) {
    if (hide && is_metadata_label(label.name)) continue;
    visit(label);
  }
}

/// Returns a label's value as the language still sees it.
std::string_view visible_label(const SeriesRef& series, std::string_view name, bool delayed);

/// Which labels make two series belong together.
struct Grouping {
  enum class Kind { By, Without };
  Kind kind = Kind::By;
  std::vector<std::string> labels;  ///< Sorted; for Without also __name__ if it is to be ignored.
};

/// Numbers groups in order of first appearance. A key is computed once per series, not per step.
class Grouper {
 public:
  Grouper(Grouping grouping, bool delayed);

  /// Returns the group of a series, made if new.
  std::uint32_t group_of(const SeriesRef& series);
  std::size_t size() const { return first_.size(); }
  /// Builds the labels of a group.
  model::Labels labels_of(std::uint32_t group) const;
  /// Returns the series that made the group.
  const SeriesRef& first(std::uint32_t group) const { return first_[group]; }
  const Grouping& grouping() const { return grouping_; }
  /// Frees what finding groups takes: only labels_of() and first() may be called afterwards.
  void freeze();

 private:
  bool kept(std::string_view name, std::size_t& cursor) const;
  void build_key(const SeriesRef& series);
  std::string_view key_of(std::uint32_t group) const;
  void grow();

  Grouping grouping_;
  bool delayed_;
  std::string key_;
  // An open-addressing table over one block of keys: a million groups cost no million allocations.
  std::vector<std::uint32_t> slots_;  // group + 1; 0 is empty; a power of two, at most half full
  std::vector<std::uint64_t> hashes_;
  std::vector<std::size_t> key_ends_;
  std::string keys_;
  std::vector<SeriesRef> first_;
};

/// Returns labels sorted and without repetition, plus __name__ if asked.
std::vector<std::string> sorted_labels(std::vector<std::string> labels, bool with_name);

/// Merges rows whose visible labels are equal; `final` counts dropped names as gone.
///
/// Errors: InvalidArgument if two of them have a value at the same step.
base::Result<void> merge_equal_series(Table& table, bool delayed, bool final);

/// Returns the labels as they leave the engine.
model::Labels output_labels(const SeriesRef& series);

}  // namespace tocsin::promql
