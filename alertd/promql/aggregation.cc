// Aggregations. Groups are found once per series; then each operator is one pass over the cells.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "alertd/promql/evaluator.h"
#include "alertd/promql/go_compatible.h"
#include "alertd/promql/kahan.h"
#include "alertd/promql/quantile.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

struct Groups {
  std::vector<std::uint32_t> of;  ///< Per series of the input.
  std::vector<SeriesRef> refs;    ///< Per group: its labels.
  Origin origin;                  ///< Of the groups, if that of the input is known.
  bool distinct_without_name = true;
};

// Groups in the order in which they appear in the table, as without memory.
void remembered_groups(Evaluator& evaluator, PlanNode& node, Grouping grouping, const Table& input,
                       Groups& groups) {
  if (!node.groups || !GroupMemory::follow(node.groups->sides[0], input.origin)) {
    node.groups = std::make_shared<GroupMemory>(std::move(grouping), evaluator.delayed());
    node.groups->start(0, input.origin);
  }
  const std::shared_ptr<GroupMemory> memory = node.groups;
  evaluator.keep_alive(memory);
  groups.of = memory->groups_of(memory->sides[0], input);
  std::vector<std::uint32_t> number(memory->grouper.size(), GroupMemory::kUnknown);
  std::vector<std::uint32_t>& order = groups.origin.rows;
  for (std::uint32_t& group : groups.of) {
    std::uint32_t& appeared = number[group];
    if (appeared == GroupMemory::kUnknown) {
      appeared = static_cast<std::uint32_t>(order.size());
      order.push_back(group);
      const NameState name = memory->grouper.first(group).name;
      groups.refs.push_back(
          {memory->labels_of(group), groups.distinct_without_name ? NameState::Keep : name});
    }
    group = appeared;
  }
  groups.origin.of = memory;
  groups.origin.entries = memory->grouper.size();
}

Groups find_groups(Evaluator& evaluator, const Expr& expr, const Grid& grid, const Table& input) {
  const auto& node = std::get<Aggregation>(expr.node);
  Grouping grouping{node.without ? Grouping::Kind::Without : Grouping::Kind::By,
                    sorted_labels(node.grouping, node.without)};
  Groups groups;
  groups.distinct_without_name =
      node.without || std::ranges::count(node.grouping, model::kMetricName) == 0;
  PlanNode* const known = evaluator.memory_of(expr, grid);
  if (known != nullptr && input.origin.known()) {
    remembered_groups(evaluator, *known, std::move(grouping), input, groups);
    return groups;
  }
  Grouper grouper(std::move(grouping), evaluator.delayed());
  groups.of.reserve(input.series.size());
  for (const SeriesRef& series : input.series) groups.of.push_back(grouper.group_of(series));
  for (std::uint32_t group = 0; group < grouper.size(); ++group) {
    const NameState name = grouper.first(group).name;
    groups.refs.push_back({evaluator.keep(grouper.labels_of(group)),
                           groups.distinct_without_name ? NameState::Keep : name});
  }
  return groups;
}

// Folds every present cell into its group's state; states without a value stay absent.
template <class State>
Table fold(const Table& input, const Groups& groups) {
  Table out;
  out.steps = input.steps;
  out.series = groups.refs;
  out.origin = groups.origin;
  out.distinct_without_name = groups.distinct_without_name;
  std::vector<State> states(groups.refs.size() * input.steps);
  for (std::size_t i = 0; i < input.series.size(); ++i) {
    State* state = states.data() + groups.of[i] * input.steps;
    const std::span<const double> row = input.row(i);
    for (std::size_t step = 0; step < row.size(); ++step) {
      if (!is_absent(row[step])) state[step].add(row[step]);
    }
  }
  out.cells.reserve(states.size());
  for (const State& state : states) {
    out.cells.push_back(state.any() ? state.value() : absent_value());
  }
  return out;
}

struct SumState {
  KahanSum total;
  bool seen = false;
  void add(double value) {
    if (seen) {
      total.add(value);
    } else {
      total.sum = value;
    }
    seen = true;
  }
  bool any() const { return seen; }
  double value() const { return total.value(); }
};

struct AvgState {
  KahanMean mean;
  void add(double value) { mean.add(value); }
  bool any() const { return mean.count() > 0; }
  double value() const { return mean.value(); }
};

template <bool kMax>
struct ExtremeState {
  double best = absent_value();
  void add(double value) {
    if (is_absent(best) || std::isnan(best) || (kMax ? value > best : value < best)) best = value;
  }
  bool any() const { return !is_absent(best); }
  double value() const { return best; }
};

struct CountState {
  double count = 0;
  void add(double) { count += 1; }
  bool any() const { return count > 0; }
  double value() const { return count; }
};

struct GroupState {
  bool seen = false;
  void add(double) { seen = true; }
  bool any() const { return seen; }
  double value() const { return 1; }
};

// Welford's method; values that are not finite make it NaN.
template <bool kRoot>
struct DeviationState {
  double count = 0;
  double mean = 0;
  double squares = 0;
  void add(double value) {
    count += 1;
    if (count == 1) {
      mean = value;
      if (!std::isfinite(value)) squares = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const double delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  bool any() const { return count > 0; }
  double value() const { return kRoot ? std::sqrt(squares / count) : squares / count; }
};

struct Candidate {
  double value = 0;
  std::uint32_t row = 0;
};

// A binary heap that moves equal elements exactly as Go's container/heap does, so that topk keeps
// the same series as Prometheus when values tie.
class CandidateHeap {
 public:
  explicit CandidateHeap(bool top) : top_(top) {}

  void offer(const Candidate& candidate, std::size_t k) {
    if (items_.size() < k) {
      items_.push_back(candidate);
      up(items_.size() - 1);
      return;
    }
    const double root = items_[0].value;
    const bool better = top_ ? root < candidate.value : root > candidate.value;
    if (!better && !(std::isnan(root) && !std::isnan(candidate.value))) return;
    items_[0] = candidate;
    down(0);
  }

  /// Best first.
  std::vector<Candidate> take_sorted() {
    std::ranges::stable_sort(items_,
                             [&](const Candidate& a, const Candidate& b) { return less(b, a); });
    return std::exchange(items_, {});
  }

 private:
  bool less(const Candidate& a, const Candidate& b) const {
    if (std::isnan(a.value)) return !std::isnan(b.value);
    if (std::isnan(b.value)) return false;
    return top_ ? a.value < b.value : a.value > b.value;
  }
  void up(std::size_t at) {
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (!less(items_[at], items_[parent])) return;
      std::swap(items_[at], items_[parent]);
      at = parent;
    }
  }
  void down(std::size_t at) {
    while (2 * at + 1 < items_.size()) {
      std::size_t child = 2 * at + 1;
      if (child + 1 < items_.size() && less(items_[child + 1], items_[child])) ++child;
      if (!less(items_[child], items_[at])) return;
      std::swap(items_[child], items_[at]);
      at = child;
    }
  }

  bool top_;
  std::vector<Candidate> items_;
};

// The cells chosen by topk and its kin: rows of the input, emptied elsewhere.
class Chosen {
 public:
  explicit Chosen(const Table& input) : input_(input), row_of_(input.series.size(), kNone) {
    out_.steps = input.steps;
    out_.distinct_without_name = input.distinct_without_name;
  }
  void keep(std::uint32_t row, std::size_t step) {
    if (row_of_[row] == kNone) {
      row_of_[row] = static_cast<std::uint32_t>(out_.series.size());
      out_.add_row(input_.series[row]);
    }
    out_.row(row_of_[row])[step] = input_.row(row)[step];
  }
  Table take() { return std::move(out_); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  const Table& input_;
  std::vector<std::uint32_t> row_of_;
  Table out_;
};

// k of topk, bottomk and limitk at one step; 0 keeps nothing.
base::Result<std::size_t> parameter_k(double value) {
  if (std::isnan(value)) return plain_error("Parameter value is NaN");
  if (value >= 0x1p63) return plain_error(fmt::format("Scalar value {} overflows int64", value));
  if (value <= -0x1p63) return plain_error(fmt::format("Scalar value {} underflows int64", value));
  return value < 1 ? std::size_t{0} : static_cast<std::size_t>(value);
}

base::Result<Table> choose_k(const Aggregation& node, const Table& input, const Groups& groups,
                             const std::vector<double>& parameter) {
  Chosen chosen(input);
  const bool top = node.op == AggregateOp::TopK;
  std::vector<CandidateHeap> heaps(groups.refs.size(), CandidateHeap(top));
  std::vector<std::size_t> taken(groups.refs.size());
  for (std::size_t step = 0; step < input.steps; ++step) {
    TC_TRY(const std::size_t wanted, parameter_k(parameter[step]));
    const std::size_t k = std::min(wanted, input.series.size());
    if (k == 0) continue;
    std::ranges::fill(taken, 0);
    for (std::uint32_t row = 0; row < input.series.size(); ++row) {
      const double value = input.row(row)[step];
      if (is_absent(value)) continue;
      if (node.op == AggregateOp::LimitK) {
        if (taken[groups.of[row]]++ < k) chosen.keep(row, step);
      } else {
        heaps[groups.of[row]].offer({value, row}, k);
      }
    }
    for (CandidateHeap& heap : heaps) {
      for (const Candidate& candidate : heap.take_sorted()) chosen.keep(candidate.row, step);
    }
  }
  return chosen.take();
}

// A stable part of all series by the hash of their labels; ratios r and r-1 complement each other.
base::Result<Table> choose_ratio(Evaluator& evaluator, const Aggregation& node, const Table& input,
                                 const std::vector<double>& parameter) {
  Chosen chosen(input);
  std::vector<double> offsets;
  for (const SeriesRef& series : input.series) {
    offsets.push_back(ratio_offset(series, evaluator.delayed()));
  }
  for (std::size_t step = 0; step < input.steps; ++step) {
    double ratio = parameter[step];
    if (std::isnan(ratio)) return plain_error("Ratio value is NaN");
    if (ratio < -1 || ratio > 1) {
      const double capped = ratio < 0 ? -1 : 1;
      evaluator.annotations().warning(
          node.parameter->location,
          fmt::format("ratio value should be between -1 and 1, got {}, capping to {}",
                      base::format_double(ratio), capped));
      ratio = capped;
    }
    for (std::uint32_t row = 0; row < input.series.size(); ++row) {
      if (is_absent(input.row(row)[step])) continue;
      const bool inside = ratio >= 0 ? offsets[row] < ratio : offsets[row] >= 1 + ratio;
      if (inside) chosen.keep(row, step);
    }
  }
  return chosen.take();
}

Table quantiles(Evaluator& evaluator, const Aggregation& node, const Table& input,
                const Groups& groups, const std::vector<double>& parameter) {
  Table out;
  out.steps = input.steps;
  out.distinct_without_name = groups.distinct_without_name;
  for (const SeriesRef& ref : groups.refs) out.add_row(ref);
  std::vector<std::vector<double>> values(groups.refs.size());
  for (std::size_t step = 0; step < input.steps; ++step) {
    const double q = parameter[step];
    if (std::isnan(q) || q < 0 || q > 1) {
      evaluator.annotations().warning(
          node.parameter->location,
          fmt::format("quantile value should be between 0 and 1, got {}", base::format_double(q)));
    }
    for (std::size_t row = 0; row < input.series.size(); ++row) {
      const double value = input.row(row)[step];
      if (!is_absent(value)) values[groups.of[row]].push_back(value);
    }
    for (std::size_t group = 0; group < values.size(); ++group) {
      if (!values[group].empty()) out.row(group)[step] = quantile(q, values[group]);
      values[group].clear();
    }
  }
  return out;
}

base::Result<Table> count_values(Evaluator& evaluator, const Aggregation& node, const Table& input,
                                 const Groups& groups) {
  const std::string& label = Evaluator::text(*node.parameter);
  if (label.empty() || !base::is_utf8(label)) {
    return plain_error(fmt::format("invalid label name {}", label));
  }
  // The value takes part in the grouping: it may overwrite a label of `by`, and `without` may drop
  // it.
  const bool dropped = node.without && std::ranges::count(node.grouping, label) != 0;
  Table out;
  out.steps = input.steps;
  std::map<std::pair<std::uint32_t, std::string>, std::size_t> rows;
  std::map<model::Labels, std::size_t> rows_by_labels;
  for (std::size_t i = 0; i < input.series.size(); ++i) {
    const std::span<const double> cells = input.row(i);
    for (std::size_t step = 0; step < cells.size(); ++step) {
      if (is_absent(cells[step])) continue;
      std::string text = plain_number(cells[step]);
      const auto [at, added] = rows.try_emplace({groups.of[i], std::move(text)}, 0);
      if (added) {
        model::LabelsBuilder builder(*groups.refs[groups.of[i]].labels);
        if (!dropped) builder.set(label, at->first.second);
        const auto [row, fresh] = rows_by_labels.try_emplace(builder.build(), out.series.size());
        at->second = row->second;
        if (fresh) {
          out.add_row({evaluator.keep(row->first), NameState::Keep});
          TC_TRY(out.charge.grow(evaluator.budget(), out.steps));
        }
      }
      double& cell = out.row(at->second)[step];
      cell = is_absent(cell) ? 1 : cell + 1;
    }
  }
  out.distinct_without_name = false;
  return out;
}

Table fold_by(AggregateOp op, const Table& input, const Groups& groups) {
  switch (op) {
    case AggregateOp::Sum:
      return fold<SumState>(input, groups);
    case AggregateOp::Avg:
      return fold<AvgState>(input, groups);
    case AggregateOp::Min:
      return fold<ExtremeState<false>>(input, groups);
    case AggregateOp::Max:
      return fold<ExtremeState<true>>(input, groups);
    case AggregateOp::Count:
      return fold<CountState>(input, groups);
    case AggregateOp::Group:
      return fold<GroupState>(input, groups);
    case AggregateOp::Stddev:
      return fold<DeviationState<true>>(input, groups);
    default:
      return fold<DeviationState<false>>(input, groups);
  }
}

}  // namespace

base::Result<Table> evaluate_aggregation(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const auto& node = std::get<Aggregation>(expr.node);
  std::vector<double> parameter;
  if (node.parameter && node.op != AggregateOp::CountValues) {
    TC_TRY(parameter, evaluator.scalar(*node.parameter, grid));
  }
  TC_TRY(const Table input, evaluator.evaluate(*node.expr, grid));
  if (node.op == AggregateOp::LimitRatio) {
    return choose_ratio(evaluator, node, input, parameter);
  }
  const Groups groups = find_groups(evaluator, expr, grid, input);
  switch (node.op) {
    case AggregateOp::TopK:
    case AggregateOp::BottomK:
    case AggregateOp::LimitK:
      return choose_k(node, input, groups, parameter);
    case AggregateOp::CountValues:
      return count_values(evaluator, node, input, groups);
    case AggregateOp::Quantile: {
      Table out = quantiles(evaluator, node, input, groups, parameter);
      TC_TRY(evaluator.charge(out));
      return out;
    }
    default: {
      Table out = fold_by(node.op, input, groups);
      TC_TRY(evaluator.charge(out));
      return out;
    }
  }
}

}  // namespace tocsin::promql
