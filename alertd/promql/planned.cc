// Instant evaluation with a plan: shared results, prepared selectors.
#include <algorithm>
#include <numeric>

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kCancelEvery = 1 << 20;  // samples seen by windows
/// Samples that are decoded while writers wait: some 40 ms. What may be more is copied first.
constexpr std::uint64_t kLockedSamplesMax = 8'000'000;
constexpr std::int64_t kUsualIntervalMs = 15'000;

Table copy_of(const Table& table) {
  Table copy;
  copy.steps = table.steps;
  copy.series = table.series;
  copy.cells = table.cells;
  copy.distinct_without_name = table.distinct_without_name;
  copy.origin = table.origin;
  return copy;
}

// Makes a table of the list's series that have a value: the others have no row, as without a plan.
Table table_of(const std::shared_ptr<const model::SeriesList>& list, std::vector<double> cells) {
  Table table;
  table.origin = {list, list.get(), cells.size(), {}};
  const auto absent = static_cast<std::size_t>(std::ranges::count_if(cells, is_absent));
  const std::size_t rows = cells.size() - absent;
  table.series.reserve(rows);
  if (absent > 0) table.origin.rows.reserve(rows);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (is_absent(cells[i])) continue;
    table.series.push_back({&list->labels(i), NameState::Keep});
    if (absent > 0) table.origin.rows.push_back(static_cast<std::uint32_t>(i));
    cells[kept++] = cells[i];
  }
  cells.resize(kept);
  table.cells = std::move(cells);
  return table;
}

}  // namespace

bool Evaluator::is_planned(const Grid& grid) const {
  return plan_ != nullptr && query_.step_ms == 0 && grid.count == 1 &&
         grid.begin_ms == query_.begin_ms;
}

PlanNode* Evaluator::memory_of(const Expr& expr, const Grid& grid) const {
  return is_planned(grid) ? plan_->find(expr) : nullptr;
}

base::Result<Table> Evaluator::evaluate_planned(const Expr& expr, const Grid& grid,
                                                PlanNode& node) {
  const base::MutexLock lock(node.mutex);
  if (node.result && node.result_at_ms == grid.begin_ms) {
    Table table = copy_of(*node.result);
    keep_alive(node.result_memory);
    TC_TRY(charge(table));
    return table;
  }
  const std::size_t said = annotations_.size();
  TC_TRY(Table table, evaluate_node(expr, grid));
  // Annotations name a place in this rule's text: the next rule has to find its own.
  if (node.uses > 1 && annotations_.size() == said) {
    node.result = std::make_unique<const Table>(copy_of(table));
    node.result_at_ms = grid.begin_ms;
    auto memory = std::make_shared<KeptAlive>(kept_alive_);
    memory->push_back(memory_);
    node.result_memory = std::move(memory);
  }
  return table;
}

std::shared_ptr<const model::SeriesList> Evaluator::prepared_list(SelectorNode& node,
                                                                  const VectorSelector& selector) {
  if (!node.asked) {
    node.asked = true;
    node.prepared = source_.prepare(selector.matchers);
  }
  if (!node.prepared) return nullptr;
  std::shared_ptr<const model::SeriesList> list = node.prepared->refresh();
  if (list->size() > model::SelectLimits{}.series_max) return nullptr;
  keep_alive(list);
  return list;
}

base::Result<std::optional<Table>> Evaluator::planned_selector(const VectorSelector& selector,
                                                               const Shift& shift, const Grid& grid,
                                                               bool timestamps) {
  SelectorNode* node = is_planned(grid) ? plan_->find(selector) : nullptr;
  if (node == nullptr) return std::optional<Table>();
  const base::MutexLock lock(node->mutex);
  const auto list = prepared_list(*node, selector);
  if (!list) return std::optional<Table>();
  const std::int64_t end_ms = shift.end_at(grid.begin_ms);
  std::vector<model::Sample> newest(list->size());
  TC_TRY(node->prepared->newest(end_ms - options_.lookback.count() + 1, end_ms, newest));
  std::vector<double> cells(newest.size());
  for (std::size_t i = 0; i < newest.size(); ++i) {
    const model::Sample& sample = newest[i];
    cells[i] = sample.value;
    if (sample.timestamp_ms == model::PreparedSelector::kNoSample) {
      cells[i] = absent_value();
    } else if (timestamps && !model::is_stale(sample.value)) {
      cells[i] = static_cast<double>(sample.timestamp_ms) / 1000.0;
    }
  }
  Table table = table_of(list, std::move(cells));
  table.distinct_without_name = has_exact_name(selector.matchers);
  TC_TRY(charge(table));
  return std::optional<Table>(std::move(table));
}

base::Result<std::optional<Table>> Evaluator::planned_range_call(const RangeCall& call,
                                                                 const Grid& grid) {
  if (call.selector == nullptr || !is_planned(grid)) return std::optional<Table>();
  SelectorNode* node = plan_->find(*call.selector);
  if (node == nullptr || !has_exact_name(call.selector->matchers)) return std::optional<Table>();
  const base::MutexLock lock(node->mutex);
  const auto list = prepared_list(*node, *call.selector);
  if (!list) return std::optional<Table>();
  const auto steps = static_cast<std::uint64_t>(call.shift.range_ms / kUsualIntervalMs + 1);
  if (steps > kLockedSamplesMax / (list->size() + 1)) return std::optional<Table>();
  std::vector<double> cells(list->size(), absent_value());
  TC_TRY(const bool any, read_windows(call, grid, *node->prepared, cells));
  std::string_view last_name;
  // The name is in the selector, so it is the same for all.
  if (any && call.function->wants_counter) check_counter(call, {&list->labels(0)}, last_name);
  Table table = table_of(list, std::move(cells));
  TC_TRY(charge(table));
  return std::optional<Table>(std::move(table));
}

// Returns whether any series had a sample in its window.
base::Result<bool> Evaluator::read_windows(const RangeCall& call, const Grid& grid,
                                           model::PreparedSelector& prepared,
                                           std::span<double> cells) {
  Window window = window_of(call, grid, 0);
  const RangeFunction function = call.function->range;
  bool any = false;
  std::size_t work = 0;
  base::Result<void> stopped = base::ok();
  const auto visit = [&](std::size_t series, std::span<const model::Sample> samples) {
    any = true;
    work += samples.size();
    if (work > kCancelEvery) {
      work = 0;
      stopped = check_cancelled();
    }
    if (!budget_.fits(samples.size())) stopped = budget_.add(samples.size());
    if (!stopped) return false;
    window.samples = samples;
    cells[series] = function(window);
    return true;
  };
  TC_TRY(prepared.windows(window.begin_ms + 1, window.end_ms, visit));
  TC_TRY(stopped);
  return any;
}

}  // namespace tocsin::promql
