// Matching two vectors, one-to-one or many-to-one, with fill values for missing partners.
//
// Groups are found once per series; a "one" side with several series in a group is fine as long as
// no step has two of them. Most groups have one series on each side, and then a row is computed in
// one loop.
#include "alertd/promql/matching.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

namespace tocsin::promql {
namespace {

constexpr std::uint32_t kNobody = 0xffffffff;

std::string braces(const model::Labels& labels) {
  std::string out = "{";
  for (const model::LabelView label : labels) {
    if (out.size() > 1) out += ", ";
    out += fmt::format("{}=\"{}\"", label.name, label.value);
  }
  return out + "}";
}

// The "one" side of a group: its only series, or several that take turns.
struct OneSide {
  std::uint32_t row = kNobody;
  std::uint32_t shared = kNobody;  // index of a SharedSide if there is more than one row
};

struct SharedSide {
  std::uint32_t group = 0;
  std::vector<std::uint32_t> rows;
  std::vector<double> merged;        // one value per step
  std::vector<std::uint32_t> owner;  // whose it is
};

class Matcher {
 public:
  Matcher(Evaluator& evaluator, PlanNode* memory, const Expr& expr, Table left, Table right)
      : evaluator_(evaluator),
        node_(std::get<Binary>(expr.node)),
        swapped_(node_.matching.group == Group::Right),
        many_(swapped_ ? std::move(right) : std::move(left)),
        one_(swapped_ ? std::move(left) : std::move(right)),
        many_fill_(node_.matching.fill_left),
        one_fill_(node_.matching.fill_right),
        pairs_(evaluator, memory, node_.matching, many_, one_),
        one_groups_(pairs_.of(PairGroups::kRight)),
        many_groups_(pairs_.of(PairGroups::kLeft)) {}

  base::Result<Table> run() {
    out_.steps = many_.steps;
    out_.distinct_without_name = true;
    if (many_.series.empty() && !many_fill_) return std::move(out_);
    if (one_.series.empty() && !one_fill_) return std::move(out_);
    TC_TRY(group_sides());
    for (std::size_t i = 0; i < many_.series.size(); ++i) {
      if (i % 1024 == 1023) TC_TRY(evaluator_.check_cancelled());
      TC_TRY(match_row(i));
    }
    settle_origin();
    if (many_fill_) TC_TRY(fill_many_side());
    TC_TRY(evaluator_.charge(out_));
    if (keeps_name()) out_.distinct_without_name = false;
    return std::move(out_);
  }

 private:
  bool one_to_one() const { return node_.matching.group == Group::None; }
  bool keeps_name() const { return is_comparison(node_.op) && !node_.return_bool; }

  base::Result<void> group_sides() {
    groups_.resize(pairs_.size());
    for (std::uint32_t i = 0; i < one_.series.size(); ++i) {
      OneSide& side = groups_[one_groups_[i]];
      if (side.row == kNobody) {
        side.row = i;
        continue;
      }
      if (side.shared == kNobody) {
        side.shared = static_cast<std::uint32_t>(shared_.size());
        shared_.push_back({one_groups_[i], {side.row}, {}, {}});
      }
      shared_[side.shared].rows.push_back(i);
    }
    many_count_.assign(pairs_.size(), 0);
    for (const std::uint32_t group : many_groups_) ++many_count_[group];
    group_row_.assign(pairs_.size(), kNobody);
    // The error, if there is one, is about the group that comes first.
    std::vector<SharedSide*> in_order;
    for (SharedSide& side : shared_) in_order.push_back(&side);
    std::ranges::sort(in_order, {}, [](const SharedSide* side) { return side->rows[0]; });
    for (SharedSide* side : in_order) TC_TRY(merge_one_side(*side));
    return base::ok();
  }

  base::Result<void> merge_one_side(SharedSide& side) {
    side.merged.assign(one_.steps, absent_value());
    side.owner.assign(one_.steps, kNobody);
    for (const std::uint32_t row : side.rows) {
      const std::span<const double> cells = one_.row(row);
      for (std::size_t step = 0; step < one_.steps; ++step) {
        if (is_absent(cells[step])) continue;
        if (side.owner[step] != kNobody) {
          if (!many_side_has_any(step)) continue;  // nothing to match with: not an error
          return duplicate_error(side.group, side.owner[step], row);
        }
        side.merged[step] = cells[step];
        side.owner[step] = row;
      }
    }
    return base::ok();
  }

  bool many_side_has_any(std::size_t step) {
    if (many_fill_) return true;
    if (many_any_.empty()) {
      many_any_.assign(many_.steps, 0);
      for (std::size_t i = 0; i < many_.cells.size(); ++i) {
        if (!is_absent(many_.cells[i])) many_any_[i % many_.steps] = 1;
      }
    }
    return many_any_[step] != 0;
  }

  base::Error duplicate_error(std::uint32_t group, std::uint32_t first, std::uint32_t second) {
    std::vector<std::string> names{braces(visible(one_.series[first])),
                                   braces(visible(one_.series[second]))};
    std::ranges::sort(names);
    return base::error(
        base::ErrorCode::InvalidArgument,
        fmt::format("found duplicate series for the match group {} on the {} hand-side of the "
                    "operation: [{}, {}];many-to-many matching not allowed: matching labels must "
                    "be unique on one side",
                    braces(*pairs_.labels_of(group)), swapped_ ? "left" : "right", names[0],
                    names[1]));
  }

  model::Labels visible(const SeriesRef& series) const {
    std::vector<model::LabelView> labels;
    for_each_label(series, evaluator_.delayed(),
                   [&](const model::LabelView& label) { labels.push_back(label); });
    return model::Labels::from_sorted(labels);
  }

  // The result's rows are those of the "many" side, or one for each group; or labels made anew.
  bool rows_of_many() const {
    return one_to_one() && !node_.matching.on && node_.matching.labels.empty();
  }
  bool rows_of_groups() const {
    return one_to_one() && (!keeps_name() || node_.matching.on) && !rows_of_many();
  }
  void settle_origin() {
    if (entries_.size() != out_.series.size()) return;
    if (rows_of_many())
      out_.origin = {many_.origin.of, many_.origin.list, many_.origin.entries, {}};
    if (rows_of_groups()) out_.origin = pairs_.origin();
    if (out_.origin.known()) out_.origin.rows = std::move(entries_);
  }

  double apply(double many, double one) const {
    const double left = swapped_ ? one : many;
    const double right = swapped_ ? many : one;
    return apply_operator(node_, left, right, left);
  }

  // Two series of the "many" side may not meet the same partner at one step unless group_left says
  // so.
  base::Result<void> claim(std::uint32_t group, std::size_t step) {
    if (!one_to_one() || (many_count_[group] < 2 && !many_fill_)) return base::ok();
    auto& used = used_[group];
    if (used.empty()) used.assign(many_.steps, 0);
    if (used[step] != 0) {
      if (many_count_[group] < 2) return base::ok();
      return plain_error(
          "multiple matches for labels: many-to-one matching must be explicit "
          "(group_left/group_right)");
    }
    used[step] = 1;
    return base::ok();
  }

  base::Result<void> match_row(std::size_t index) {
    const std::uint32_t group = many_groups_[index];
    const OneSide& side = groups_[group];
    if (side.row == kNobody && !one_fill_) return base::ok();
    const std::span<const double> many = many_.row(index);
    const SharedSide* shared = side.shared == kNobody ? nullptr : &shared_[side.shared];
    const double* one = nullptr;
    if (side.row != kNobody) one = shared ? shared->merged.data() : one_.row(side.row).data();
    std::uint32_t target = kNobody;
    std::uint32_t target_owner = kNobody;
    for (std::size_t step = 0; step < many.size(); ++step) {
      if (is_absent(many[step])) continue;
      const bool partner = one != nullptr && !is_absent(one[step]);
      if (!partner && !one_fill_) continue;
      TC_TRY(claim(group, step));
      const double value = apply(many[step], partner ? one[step] : *one_fill_);
      if (is_absent(value)) continue;
      const std::uint32_t owner = !partner ? kNobody : shared ? shared->owner[step] : side.row;
      if (target == kNobody || owner != target_owner) {
        target = row_for(index, owner, group);
        target_owner = owner;
      }
      double& cell = out_.row(target)[step];
      if (!is_absent(cell)) {
        return plain_error(
            "multiple matches for labels: grouping labels must ensure unique matches");
      }
      cell = value;
    }
    return base::ok();
  }

  // Partners of the "one" side that nobody met, with the fill value for the "many" side.
  base::Result<void> fill_many_side() {
    std::vector<std::uint8_t> taken(groups_.size() * many_.steps, 0);
    for (std::size_t i = 0; i < many_groups_.size(); ++i) {
      const std::span<const double> cells = many_.row(i);
      for (std::size_t step = 0; step < cells.size(); ++step) {
        if (!is_absent(cells[step])) taken[many_groups_[i] * many_.steps + step] = 1;
      }
    }
    for (std::uint32_t row = 0; row < one_.series.size(); ++row) {
      const std::uint32_t group = one_groups_[row];
      const std::span<const double> cells = one_.row(row);
      for (std::size_t step = 0; step < cells.size(); ++step) {
        if (taken[group * many_.steps + step] != 0 || is_absent(cells[step])) continue;
        const double value = apply(*many_fill_, cells[step]);
        if (!is_absent(value)) out_.row(filled_row(row, group))[step] = value;
      }
    }
    // The filled rows may have the labels of rows that exist for other steps.
    return merge_equal_series(out_, evaluator_.delayed(), false);
  }

  std::uint32_t add_row(const SeriesRef& series) {
    out_.add_row(series);
    return static_cast<std::uint32_t>(out_.series.size() - 1);
  }

  std::uint32_t row_of_labels(model::Labels labels) {
    const auto found = by_labels_.find(labels);
    if (found != by_labels_.end()) return found->second;
    const std::uint32_t row = add_row({evaluator_.keep(labels), NameState::Keep});
    by_labels_.emplace(std::move(labels), row);
    return row;
  }

  // The result's row for a pair; `owner` is kNobody if the "one" side is filled.
  std::uint32_t row_for(std::size_t index, std::uint32_t owner, std::uint32_t group) {
    const SeriesRef& series = many_.series[index];
    const Matching& matching = node_.matching;
    if (one_to_one() && (!keeps_name() || matching.on)) return group_row(group, index);
    if (one_to_one() && matching.labels.empty()) {
      entries_.push_back(many_.origin.entry(index));
      return add_row(series);
    }
    model::LabelsBuilder builder(visible(series));
    if (!keeps_name()) remove_name(builder);
    if (one_to_one()) {
      for (const std::string& label : matching.labels) builder.remove(label);
    }
    for (const std::string& label : matching.include) {
      if (owner == kNobody) continue;
      builder.set(label, visible_label(one_.series[owner], label, evaluator_.delayed()));
    }
    return row_of_labels(builder.build());
  }

  // One-to-one results that lose the name have exactly the labels of the group.
  std::uint32_t group_row(std::uint32_t group, std::size_t index) {
    std::uint32_t& row = group_row_[group];
    if (row != kNobody) return row;
    if (!node_.matching.on && node_.matching.labels.empty()) {
      row = add_row({many_.series[index].labels, NameState::Gone});
      entries_.push_back(many_.origin.entry(index));
      return row;
    }
    const model::Labels* labels = pairs_.labels_of(group);
    if (!keeps_name() && labels->has(model::kMetricName)) {
      model::LabelsBuilder builder(*labels);
      remove_name(builder);
      row = add_row({evaluator_.keep(builder.build()), NameState::Keep});
      return row;  // labels of the query's own: no entry, so the origin is not known
    }
    row = add_row({labels, NameState::Keep});
    entries_.push_back(group);
    return row;
  }

  std::uint32_t filled_row(std::uint32_t one_row, std::uint32_t group) {
    model::LabelsBuilder builder(*pairs_.labels_of(group));
    for (const std::string& label : node_.matching.include) {
      builder.set(label, visible_label(one_.series[one_row], label, evaluator_.delayed()));
    }
    if (!keeps_name()) remove_name(builder);
    return row_of_labels(builder.build());
  }

  static void remove_name(model::LabelsBuilder& builder) {
    for (const std::string_view label : {"__name__", "__type__", "__unit__"}) {
      builder.remove(label);
    }
  }

  Evaluator& evaluator_;
  const Binary& node_;
  const bool swapped_;
  Table many_;
  Table one_;
  // As in Prometheus, group_right swaps the sides but not the fills: fill_left is for the many.
  const std::optional<double> many_fill_;
  const std::optional<double> one_fill_;
  PairGroups pairs_;
  std::vector<OneSide> groups_;
  std::vector<SharedSide> shared_;
  const std::vector<std::uint32_t>& one_groups_;   // per row
  const std::vector<std::uint32_t>& many_groups_;  // per row
  std::vector<std::uint32_t> many_count_;
  std::vector<std::uint32_t> group_row_;
  std::vector<std::uint8_t> many_any_;  // per step; made when first asked for
  std::unordered_map<std::uint32_t, std::vector<std::uint8_t>> used_;
  std::unordered_map<model::Labels, std::uint32_t> by_labels_;
  std::vector<std::uint32_t> entries_;  // of the result's rows, while it is clear whose
  Table out_;
};

}  // namespace

base::Result<Table> match_vectors(Evaluator& evaluator, PlanNode* memory, const Expr& expr,
                                  Table left, Table right) {
  return Matcher(evaluator, memory, expr, std::move(left), std::move(right)).run();
}

}  // namespace tocsin::promql
