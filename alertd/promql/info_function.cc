// info(v, {selector}): adds to each series the labels of the info series with the same `instance`
// and `job`.
//
// Info series (by default target_info) are looked up at the time the samples of `v` are from: its @
// and offsets count for them too. Of several series of one info metric the one with the newest
// sample wins.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "alertd/promql/special_functions.h"

namespace tocsin::promql {
namespace {

constexpr std::array<std::string_view, 2> kIdentifying{"instance", "job"};
constexpr std::string_view kDefaultMetric = "target_info";

struct Selection {
  std::vector<model::Matcher> names;
  std::vector<model::Matcher> data;
  bool data_required = false;  // a matcher that the empty value does not satisfy

  bool wants(std::string_view label) const {
    return data.empty() || std::ranges::any_of(data, [&](const model::Matcher& matcher) {
             return matcher.name() == label;
           });
  }
};

Selection selection_of(const Call& call) {
  Selection selection;
  if (call.args.size() > 1) {
    const auto* selector = std::get_if<VectorSelector>(&without_parens(*call.args[1]).node);
    for (const model::Matcher& matcher :
         selector != nullptr ? selector->matchers : std::vector<model::Matcher>{}) {
      const bool name = matcher.name() == model::kMetricName;
      (name ? selection.names : selection.data).push_back(matcher);
      selection.data_required = selection.data_required || (!name && !matcher.matches_empty());
    }
  }
  if (selection.names.empty()) {
    selection.names.push_back(
        model::Matcher::equal(std::string(model::kMetricName), std::string(kDefaultMetric)));
  }
  return selection;
}

// Follows the first way down to a selector and adds up the shifts on it.
base::Result<Evaluator::Shift> shift_of_samples(Evaluator& evaluator, const Expr& expr) {
  Evaluator::Shift total;
  std::vector<const TimeShift*> shifts;
  bool found = false;
  walk(expr, [&](const Expr& node) {
    if (found) return;
    if (const auto* subquery = std::get_if<Subquery>(&node.node)) {
      shifts.push_back(&subquery->shift);
    } else if (const auto* matrix = std::get_if<MatrixSelector>(&node.node)) {
      shifts.push_back(&matrix->selector.shift);
      found = true;
    } else if (const auto* vector = std::get_if<VectorSelector>(&node.node)) {
      shifts.push_back(&vector->shift);
      found = true;
    }
  });
  for (const TimeShift* shift : shifts) {
    Evaluator::Shift one;
    TC_TRY(evaluator.apply(*shift, one));
    if (one.fixed) {
      total = one;
    } else {
      total.offset_ms += one.offset_ms;
    }
  }
  return total;
}

class Enrichment {
 public:
  Enrichment(Evaluator& evaluator, const Expr& expr, Selection selection, Table input, Table infos)
      : evaluator_(evaluator),
        expr_(expr),
        selection_(std::move(selection)),
        input_(std::move(input)),
        infos_(std::move(infos)),
        grouper_({Grouping::Kind::By, {"instance", "job"}}, true) {}

  base::Result<Table> run() {
    out_.steps = input_.steps;
    for (std::uint32_t row = 0; row < infos_.series.size(); ++row) {
      rows_of_[grouper_.group_of(infos_.series[row])].push_back(row);
    }
    for (std::size_t i = 0; i < input_.series.size(); ++i) TC_TRY(enrich(i));
    TC_TRY(merge_equal_series(out_, evaluator_.delayed(), false));
    TC_TRY(evaluator_.charge(out_));
    return std::move(out_);
  }

 private:
  // Info series themselves, and series that nothing identifies, stay as they are.
  bool is_plain(const SeriesRef& series) const {
    const bool info = model::matches_all(selection_.names, *series.labels);
    const bool identified = std::ranges::any_of(
        kIdentifying, [&](std::string_view label) { return series.labels->has(label); });
    return info || !identified;
  }

  base::Result<void> enrich(std::size_t index) {
    const SeriesRef& series = input_.series[index];
    const std::span<const double> from = input_.row(index);
    if (is_plain(series)) {
      std::ranges::copy(from, out_.add_row(series).begin());
      return base::ok();
    }
    const auto found = rows_of_.find(grouper_.group_of(series));
    std::map<std::vector<std::uint32_t>, std::size_t> targets;
    for (std::size_t step = 0; step < from.size(); ++step) {
      if (is_absent(from[step])) continue;
      std::vector<std::uint32_t> chosen;
      if (found != rows_of_.end()) {
        TC_TRY(chosen, newest(found->second, step));
      }
      if (chosen.empty() && selection_.data_required) continue;
      auto target = targets.find(chosen);
      if (target == targets.end()) {
        TC_TRY(const SeriesRef ref, labels_with(series, chosen));
        out_.add_row(ref);
        target = targets.emplace(chosen, out_.series.size() - 1).first;
      }
      out_.row(target->second)[step] = from[step];
    }
    return base::ok();
  }

  // Per info metric the row with the newest sample at this step; cells hold the samples' times.
  base::Result<std::vector<std::uint32_t>> newest(const std::vector<std::uint32_t>& rows,
                                                  std::size_t step) const {
    std::map<std::string_view, std::uint32_t> best;
    for (const std::uint32_t row : rows) {
      const double time = infos_.row(row)[step];
      if (is_absent(time)) continue;
      const auto [at, added] = best.try_emplace(infos_.series[row].labels->metric_name(), row);
      if (added) continue;
      const double known = infos_.row(at->second)[step];
      if (time == known) {
        return error_at(expr_.location,
                        fmt::format("found duplicate series for info metric: {} and {}",
                                    infos_.series[at->second].labels->to_string(),
                                    infos_.series[row].labels->to_string()));
      }
      if (time > known) at->second = row;
    }
    std::vector<std::uint32_t> chosen;
    for (const auto& [name, row] : best) chosen.push_back(row);
    return chosen;
  }

  base::Result<SeriesRef> labels_with(const SeriesRef& series,
                                      const std::vector<std::uint32_t>& chosen) {
    if (chosen.empty()) return series;
    model::LabelsBuilder builder(*series.labels);
    std::map<std::string_view, std::string_view> added;
    for (const std::uint32_t row : chosen) {
      for (const model::LabelView label : *infos_.series[row].labels) {
        if (label.name == model::kMetricName || !selection_.wants(label.name)) continue;
        if (std::ranges::count(kIdentifying, label.name) != 0) continue;
        if (series.labels->has(label.name)) continue;  // the series' own labels win
        const auto [at, fresh] = added.try_emplace(label.name, label.value);
        if (!fresh && at->second != label.value) {
          return error_at(expr_.location, fmt::format("conflicting label: {}", label.name));
        }
        builder.set(label.name, label.value);
      }
    }
    return SeriesRef{evaluator_.keep(builder.build()), series.name};
  }

  Evaluator& evaluator_;
  const Expr& expr_;
  Selection selection_;
  Table input_;
  Table infos_;
  Grouper grouper_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> rows_of_;
  Table out_;
};

}  // namespace

base::Result<Table> info(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const auto& call = std::get<Call>(expr.node);
  Selection selection = selection_of(call);
  TC_TRY(Table input, evaluator.evaluate(*call.args[0], grid));
  TC_TRY(const Evaluator::Shift shift, shift_of_samples(evaluator, *call.args[0]));
  std::vector<model::Matcher> matchers = selection.names;
  matchers.insert(matchers.end(), selection.data.begin(), selection.data.end());
  TC_TRY(Table infos, evaluator.evaluate_matchers(matchers, shift, grid, true));
  return Enrichment(evaluator, expr, std::move(selection), std::move(input), std::move(infos))
      .run();
}

}  // namespace tocsin::promql
