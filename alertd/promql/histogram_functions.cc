// Classic histograms: series named *_bucket whose label `le` is the bucket's upper bound.
#include <fmt/core.h>

#include <cmath>
#include <map>

#include "alertd/promql/quantile.h"
#include "alertd/promql/special_functions.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

constexpr std::string_view kBound = "le";

const Call& call_of(const Expr& expr) {
  return std::get<Call>(expr.node);
}

// The input's series put together into histograms; found once for all steps.
struct Histograms {
  struct Member {
    std::uint32_t row = 0;
    double bound = 0;
  };
  Table input;
  std::vector<std::vector<Member>> members;
  std::vector<SeriesRef> refs;  ///< Labels without `le`.
  std::vector<std::string> names;

  std::vector<Bucket> buckets(std::size_t histogram, std::size_t step) const {
    std::vector<Bucket> out;
    for (const Member& member : members[histogram]) {
      const double count = input.row(member.row)[step];
      if (!is_absent(count)) out.push_back({member.bound, count});
    }
    return out;
  }
};

base::Result<Histograms> histograms_of(Evaluator& evaluator, const Expr& arg, const Grid& grid) {
  Histograms result;
  TC_TRY(result.input, evaluator.evaluate(arg, grid));
  Grouper grouper({Grouping::Kind::Without, {std::string(kBound)}}, true);
  for (std::uint32_t row = 0; row < result.input.series.size(); ++row) {
    const SeriesRef& series = result.input.series[row];
    const std::string_view text = series.labels->get(kBound);
    const auto bound = base::parse_double(text);
    const std::string name(visible_label(series, model::kMetricName, true));
    if (!bound) {
      evaluator.annotations().warning(
          arg.location,
          fmt::format(
              "bucket label \"le\" is missing or has a malformed value of \"{}\" for metric "
              "name \"{}\"",
              text, name));
      continue;
    }
    const std::uint32_t group = grouper.group_of(series);
    if (group >= result.members.size()) {
      result.members.resize(group + 1);
      const NameState state = std::max(series.name, NameState::Drop);
      result.refs.push_back({evaluator.keep(grouper.labels_of(group)), state});
      result.names.push_back(name);
    }
    result.members[group].push_back({row, *bound});
  }
  return result;
}

base::Result<Table> finished(Evaluator& evaluator, Table table) {
  table.distinct_without_name = false;
  TC_TRY(evaluator.drop_names(table));
  TC_TRY(evaluator.charge(table));
  return table;
}

/// What is asked of a histogram: which quantile, at which step, and who asks.
struct QuantileStep {
  std::size_t step = 0;
  double q = 0;
  const Location& at;
};

/// Returns the quantile of one histogram at one step; absent if it has no buckets there.
double quantile_at(Evaluator& evaluator, const Histograms& histograms, std::size_t index,
                   const QuantileStep& wanted) {
  std::vector<Bucket> buckets = histograms.buckets(index, wanted.step);
  if (buckets.empty()) return absent_value();
  BucketRepair repair;
  const double value = bucket_quantile(wanted.q, buckets, repair);
  if (repair.forced_monotonic) {
    evaluator.annotations().info(
        wanted.at,
        fmt::format("input to histogram_quantile needed to be fixed for monotonicity (see "
                    "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                    "#histogram_quantile) for metric name \"{}\"",
                    histograms.names[index]));
  }
  return value;
}

// As OpenMetrics writes numbers: whole ones keep a ".0".
std::string label_number(double value) {
  std::string text = base::format_double(value);
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// The table of histogram_quantiles(): a histogram has a row for each quantile that it was asked
/// for, because the quantile is in a label and may be another one at each step.
class LabelledQuantiles {
 public:
  LabelledQuantiles(Evaluator& evaluator, const std::string& label, std::size_t steps)
      : evaluator_(evaluator), label_(label) {
    out_.steps = steps;
  }

  /// The next values are of this histogram, for one argument.
  void begin(const SeriesRef& histogram) {
    histogram_ = histogram;
    rows_.clear();
  }

  /// Errors: LimitExceeded. A row is charged before the next one is made: there may be as many as
  /// steps.
  base::Result<void> set(std::size_t step, double q, double value) {
    const auto [at, added] = rows_.try_emplace(label_number(q), out_.series.size());
    if (added) {
      TC_TRY(out_.charge.grow(evaluator_.budget(), out_.steps));
      model::LabelsBuilder builder(*histogram_.labels);
      builder.set(label_, at->first);
      out_.add_row({evaluator_.keep(builder.build()), histogram_.name});
    }
    out_.row(at->second)[step] = value;
    return base::ok();
  }

  /// Errors: InvalidArgument (two arguments ask for the same quantile at a step).
  base::Result<Table> finish() {
    out_.distinct_without_name = false;
    TC_TRY(evaluator_.drop_names(out_));
    return std::move(out_);
  }

 private:
  Evaluator& evaluator_;
  const std::string& label_;
  Table out_;
  SeriesRef histogram_;
  std::map<std::string, std::size_t> rows_;
};

}  // namespace

base::Result<Table> histogram_quantile(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  TC_TRY(const std::vector<double> q, evaluator.scalar(*call.args[0], grid));
  TC_TRY(check_quantile(evaluator, *call.args[0], q));
  TC_TRY(const Histograms histograms, histograms_of(evaluator, *call.args[1], grid));
  Table out;
  out.steps = grid.count;
  for (std::size_t i = 0; i < histograms.members.size(); ++i) {
    const std::span<double> row = out.add_row(histograms.refs[i]);
    for (std::size_t step = 0; step < grid.count; ++step) {
      row[step] = quantile_at(evaluator, histograms, i, {step, q[step], call.args[1]->location});
    }
  }
  return finished(evaluator, std::move(out));
}

base::Result<Table> histogram_quantiles(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  const std::string& label = Evaluator::text(*call.args[1]);
  if (label.empty() || !base::is_utf8(label)) {
    return error_at(call.args[1]->location, "the quantile label's name must be non-empty UTF-8");
  }
  TC_TRY(const Histograms histograms, histograms_of(evaluator, *call.args[0], grid));
  LabelledQuantiles out(evaluator, label, grid.count);
  for (std::size_t arg = 2; arg < call.args.size(); ++arg) {
    TC_TRY(const std::vector<double> q, evaluator.scalar(*call.args[arg], grid));
    TC_TRY(check_quantile(evaluator, *call.args[arg], q));
    for (std::size_t i = 0; i < histograms.members.size(); ++i) {
      out.begin(histograms.refs[i]);
      for (std::size_t step = 0; step < grid.count; ++step) {
        const double value =
            quantile_at(evaluator, histograms, i, {step, q[step], call.args[0]->location});
        if (!is_absent(value)) TC_TRY(out.set(step, q[step], value));
      }
    }
  }
  return out.finish();
}

base::Result<Table> histogram_fraction(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  TC_TRY(const std::vector<double> lower, evaluator.scalar(*call.args[0], grid));
  TC_TRY(const std::vector<double> upper, evaluator.scalar(*call.args[1], grid));
  TC_TRY(const Histograms histograms, histograms_of(evaluator, *call.args[2], grid));
  Table out;
  out.steps = grid.count;
  for (std::size_t i = 0; i < histograms.members.size(); ++i) {
    const std::span<double> row = out.add_row(histograms.refs[i]);
    for (std::size_t step = 0; step < grid.count; ++step) {
      std::vector<Bucket> buckets = histograms.buckets(i, step);
      if (!buckets.empty()) row[step] = bucket_fraction(lower[step], upper[step], buckets);
    }
  }
  return finished(evaluator, std::move(out));
}

}  // namespace tocsin::promql
