// Evaluates one query: walks the tree, each node over all steps at once.
//
// Lives for one call of Engine::instant or Engine::range and owns what tables point to: the
// selected series and the labels made on the way. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "alertd/promql/plan.h"
#include "alertd/promql/table.h"
#include "common/model/series_source.h"

namespace tocsin::promql {

/// Warnings and infos, without repetition: at most kAnnotationsMax of each, and a warning if there
/// are more.
class Annotations {
 public:
  static constexpr std::size_t kAnnotationsMax = 100;
  void warning(const Location& at, std::string_view text);
  void info(const Location& at, std::string_view text);
  void move_to(QueryResult& result);
  /// Grows with every call that added something.
  std::size_t size() const { return warnings_.size() + infos_.size() + (more_ ? 1 : 0); }

 private:
  void add(std::set<std::string>& to, std::string text);

  std::set<std::string> warnings_;
  std::set<std::string> infos_;
  bool more_ = false;
};

/// One range vector, series by series.
struct RangeSeries {
  SeriesRef ref;
  std::vector<model::Sample> samples;  ///< Of all windows; no stale markers.
};

class Evaluator {
 public:
  /// The query as asked: what start(), end(), step() and range() mean.
  struct Query {
    std::int64_t begin_ms = 0;
    std::int64_t end_ms = 0;
    std::int64_t step_ms = 0;  ///< 0 for an instant query.
  };

  /// `plan`, if given, remembers for instant queries; see plan.h.
  Evaluator(const model::SeriesSource& source, const EngineOptions& options, const Query& query,
            const std::function<bool()>& cancelled, const Plan* plan = nullptr);

  /// Evaluates a scalar or instant vector at every time of the grid.
  base::Result<Table> evaluate(const Expr& expr, const Grid& grid);

  /// Evaluates a selector; `timestamps` yields the samples' times in seconds instead of values.
  base::Result<Table> evaluate_selector(const VectorSelector& selector, const Grid& grid,
                                        bool timestamps);

  /// Calls `visit(series)` for each series of a range vector with its samples for the whole grid.
  base::Result<void> for_each_range(
      const Expr& expr, const Grid& grid,
      const std::function<base::Result<void>(const RangeSeries&)>& visit);

  /// The window of a range vector at one step: (begin, end].
  struct Shift {
    bool fixed = false;         ///< By @: the same at every step.
    std::int64_t fixed_ms = 0;  ///< Without the offset.
    std::int64_t offset_ms = 0;
    std::int64_t range_ms = 0;
    std::int64_t end_at(std::int64_t at_ms) const { return (fixed ? fixed_ms : at_ms) - offset_ms; }
  };
  base::Result<Shift> shift_of(const Expr& range_expr);

  /// As evaluate_selector(), for matchers and a shift of the caller's making.
  base::Result<Table> evaluate_matchers(std::span<const model::Matcher> matchers,
                                        const Shift& shift, const Grid& grid, bool timestamps);
  /// Applies one node's offset and @ to `shift`.
  base::Result<void> apply(const TimeShift& time, Shift& shift) const;

  /// Evaluates an argument that is a scalar: one value per step.
  base::Result<std::vector<double>> scalar(const Expr& expr, const Grid& grid);
  /// Returns the text of a string argument.
  static const std::string& text(const Expr& expr);

  /// Marks names as dropped and, unless removal is delayed, checks that no labels collide.
  base::Result<void> drop_names(Table& table) const;
  /// Counts the table's cells against the limit.
  base::Result<void> charge(Table& table);
  base::Result<void> check_cancelled();

  const model::Labels* keep(model::Labels labels);
  /// Keeps alive what tables point to, for as long as they may be used.
  void keep_alive(std::shared_ptr<const void> thing) { kept_alive_.push_back(std::move(thing)); }
  /// Returns what the plan remembers of a node that is being evaluated (its lock is held), or null.
  PlanNode* memory_of(const Expr& expr, const Grid& grid) const;
  bool delayed() const { return options_.delayed_name_removal; }
  const Query& query() const { return query_; }
  Annotations& annotations() { return annotations_; }
  Budget& budget() { return budget_; }

 private:
  base::Result<Table> evaluate_node(const Expr& expr, const Grid& grid);
  base::Result<Table> evaluate_planned(const Expr& expr, const Grid& grid, PlanNode& node);
  bool is_planned(const Grid& grid) const;
  std::shared_ptr<const model::SeriesList> prepared_list(SelectorNode& node,
                                                         const VectorSelector& selector);
  base::Result<std::optional<Table>> planned_selector(const VectorSelector& selector,
                                                      const Shift& shift, const Grid& grid,
                                                      bool timestamps);
  /// A call of a function of a range vector, its arguments being known.
  struct RangeCall {
    const FunctionInfo* function = nullptr;
    const Expr* range_expr = nullptr;
    const VectorSelector* selector = nullptr;  ///< Null for a subquery.
    Shift shift;
    std::vector<std::vector<double>> parameters;
  };
  Window window_of(const RangeCall& call, const Grid& grid, std::size_t step);
  base::Result<Table> plain_range_call(const RangeCall& call, const Grid& grid);
  base::Result<std::optional<Table>> planned_range_call(const RangeCall& call, const Grid& grid);
  base::Result<bool> read_windows(const RangeCall& call, const Grid& grid,
                                  model::PreparedSelector& prepared, std::span<double> cells);
  void check_counter(const RangeCall& call, const SeriesRef& series, std::string_view& last_name);
  base::Result<Table> evaluate_unary(const Unary& unary, const Grid& grid);
  base::Result<Table> evaluate_call(const Expr& expr, const Grid& grid);
  base::Result<Table> evaluate_range_call(const Expr& expr, const Grid& grid);
  base::Result<void> for_each_subquery(
      const Subquery& subquery, const Shift& shift, const Grid& grid,
      const std::function<base::Result<void>(const RangeSeries&)>& visit);
  base::Result<double> duration_seconds(const DurationExpr& expr) const;
  base::Result<std::int64_t> duration_ms(const DurationExpr& expr, bool positive) const;
  base::Result<const model::SeriesSet*> select(std::span<const model::Matcher> matchers,
                                               std::int64_t begin_ms, std::int64_t end_ms);

  const model::SeriesSource& source_;
  const EngineOptions& options_;
  Query query_;
  const std::function<bool()>& cancelled_;
  Budget budget_;
  Annotations annotations_;
  const Plan* plan_;
  std::shared_ptr<QueryMemory> memory_;
  std::vector<std::shared_ptr<const void>> kept_alive_;
  std::vector<double> scratch_;
};

/// Nodes with files of their own.
base::Result<Table> evaluate_binary(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> evaluate_aggregation(Evaluator& evaluator, const Expr& expr, const Grid& grid);

/// Returns whether the matchers name one metric.
bool has_exact_name(std::span<const model::Matcher> matchers);

/// An error that says where in the expression.
base::Error error_at(const Location& at, std::string_view text);
base::Error unsupported(const Location& at, std::string_view what);
/// An error whose text is exactly Prometheus's, which people search for.
base::Error plain_error(std::string text);

/// Returns a table with one series without labels.
Table scalar_table(const Evaluator& evaluator, std::size_t steps, double value);

}  // namespace tocsin::promql
