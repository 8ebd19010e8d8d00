// Functions over what they are not made for.

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "alertd/promql/functions.h"
#include "cli/lint/expr_checks.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

constexpr std::array<std::string_view, 3> kCounterFunctions{"rate", "increase", "irate"};
constexpr std::array<std::string_view, 4> kGaugeFunctions{"delta", "idelta", "deriv",
                                                          "predict_linear"};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What the name alone says, by the conventions of exporters; Unknown unless it is plain.
model::MetricType type_by_name(std::string_view name) {
  for (const std::string_view end : {"_total", "_bucket"}) {
    if (name.ends_with(end)) return model::MetricType::Counter;
  }
  static constexpr std::array<std::string_view, 14> kGauges{
      "_ratio",       "_celsius",     "_percent",     "_percentage", "_timestamp_seconds",
      "_info",        "_avail_bytes", "_free_bytes",  "_used_bytes", "_size_bytes",
      "_usage_bytes", "_limit_bytes", "_temperature", "_utilization"};
  for (const std::string_view end : kGauges) {
    if (name.ends_with(end)) return model::MetricType::Gauge;
  }
  return model::MetricType::Unknown;
}

struct KnownType {
  model::MetricType type = model::MetricType::Unknown;
  bool told = false;  ///< By the exporter, not guessed from the name.
};

class FunctionCheck {
 public:
  FunctionCheck(const Subject& subject, ExprWorld& world) : subject_(subject), world_(world) {}

  void visit(const Expr& expr) {
    const auto* call = std::get_if<Call>(&expr.node);
    if (call == nullptr) return;
    const std::string_view name = call->function->name;
    if (name == "histogram_quantile") check_quantile(expr, *call);
    const Expr* range = nullptr;
    for (const ExprBox& arg : call->args) {
      if (arg->type == ValueType::RangeVector) range = &without_parens(*arg);
    }
    if (range == nullptr) return;
    const auto* matrix = std::get_if<MatrixSelector>(&range->node);
    const bool counter_function = is_one_of(name, kCounterFunctions);
    if (matrix != nullptr) {
      if (counter_function) check_counter(expr, name, *matrix);
      if (is_one_of(name, kGaugeFunctions)) check_gauge(expr, name, *matrix);
      if (counter_function || is_one_of(name, kGaugeFunctions)) {
        check_range(*range, name, *matrix);
      }
    }
    if (const auto* subquery = std::get_if<Subquery>(&range->node)) {
      if (counter_function) check_aggregate(expr, name, *subquery);
    }
  }

 private:
  KnownType type_of(const VectorSelector& selector) const {
    std::string name = selector.name;
    for (const model::Matcher& matcher : selector.matchers) {
      if (matcher.name() != model::kMetricName) continue;
      if (matcher.op() != model::MatchOp::Equal) return {};
      name = matcher.value();
    }
    if (!world_.reporter.corpus().recordings(name).empty()) return {};
    const MetricStock* metric =
        world_.inventory == nullptr ? nullptr : world_.inventory->find(name);
    if (metric != nullptr && metric->type != model::MetricType::Unknown) {
      return {metric->type, true};
    }
    return {type_by_name(name), false};
  }

  void say(const Location& where, Remark remark) {
    world_.reporter.at_expr(subject_, where, std::move(remark));
  }

  void check_counter(const Expr& expr, std::string_view function, const MatrixSelector& matrix) {
    const KnownType known = type_of(matrix.selector);
    if (known.type != model::MetricType::Gauge && known.type != model::MetricType::Info &&
        known.type != model::MetricType::StateSet) {
      return;
    }
    const std::string& metric = matrix.selector.name;
    const std::string_view instead = function == "irate"  ? "idelta"
                                     : function == "rate" ? "deriv"
                                                          : "delta";
    say(expr.location,
        {"gauge-under-counter-function", known.told ? Level::Error : Level::Warning,
         fmt::format("{}() of '{}', which {} a gauge: every fall of its value is taken for a "
                     "restart and added",
                     function, metric, known.told ? "is" : "looks like"),
         fmt::format("{}() for gauges, or max_over_time() - min_over_time()", instead)});
  }

  void check_gauge(const Expr& expr, std::string_view function, const MatrixSelector& matrix) {
    const KnownType known = type_of(matrix.selector);
    if (known.type != model::MetricType::Counter) return;
    say(expr.location,
        {"counter-under-gauge-function", Level::Warning,
         fmt::format("{}() of '{}', which {} a counter: after a restart its value falls to zero",
                     function, matrix.selector.name, known.told ? "is" : "looks like"),
         function == "delta" || function == "idelta" ? "increase() copes with restarts"
                                                     : "rate() copes with restarts"});
  }

  void check_range(const Expr& range, std::string_view function, const MatrixSelector& matrix) {
    if (!matrix.range || matrix.range->kind != DurationExpr::Kind::Constant) return;
    const base::Duration window{static_cast<std::int64_t>(matrix.range->seconds * 1000)};
    const base::Duration interval = world_.scrape_interval;
    if (window < 2 * interval) {
      say(range.location,
          {"range-short", Level::Warning,
           fmt::format("{}() needs two samples, and {} holds one at an interval of {}: often there "
                       "is no result",
                       function, base::format_duration(window), base::format_duration(interval)),
           fmt::format("use [{}] or more: four intervals also survive a lost sample",
                       base::format_duration(4 * interval))});
    } else if (has_interval() && window < subject_.group->interval &&
               function == std::string_view("increase")) {
      say(range.location,
          {"range-short", Level::Warning,
           fmt::format("the group runs every {} and looks at {} of it: what happens in between is "
                       "never seen",
                       base::format_duration(subject_.group->interval),
                       base::format_duration(window)),
           fmt::format("use [{}] or more, or a shorter interval",
                       base::format_duration(subject_.group->interval))});
    }
  }

  bool has_interval() const {
    return subject_.group_node != nullptr && subject_.group_node->find("interval") != nullptr;
  }

  void check_aggregate(const Expr& expr, std::string_view function, const Subquery& subquery) {
    const auto* aggregation = std::get_if<Aggregation>(&without_parens(*subquery.expr).node);
    if (aggregation == nullptr || aggregation->op != AggregateOp::Sum) return;
    const auto* selector = std::get_if<VectorSelector>(&without_parens(*aggregation->expr).node);
    if (selector == nullptr) return;
    say(expr.location,
        {"rate-of-aggregate", Level::Warning,
         fmt::format("{}() over sum(): when one instance restarts, the sum falls and all of it is "
                     "counted again",
                     function),
         fmt::format("sum({}({}[...])): the function first, then the sum", function,
                     selector->name)});
  }

  void check_quantile(const Expr& expr, const Call& call) {
    const Expr& buckets = *call.args[1];
    const auto selectors = selectors_of(buckets);
    const bool classic = std::any_of(selectors.begin(), selectors.end(), [](const auto* one) {
      return one->name.ends_with("_bucket") || one->name.ends_with(":bucket");
    });
    const LabelSet& labels = world_.flow.of(buckets);
    if (!classic || labels.can_have("le")) return;
    const std::string why = dropped_by(labels);
    say(expr.location, {"histogram-le", Level::Error,
                        "histogram_quantile() needs the label 'le' of the buckets" +
                            (why.empty() ? std::string() : ", which is " + why),
                        "add le: sum by (le, ...) (rate(..._bucket[5m]))"});
  }

  const Subject& subject_;
  ExprWorld& world_;
};

}  // namespace

void check_functions(const Subject& subject, ExprWorld& world) {
  FunctionCheck check(subject, world);
  walk(*subject.rule->expr, [&](const Expr& expr) { check.visit(expr); });
}

}  // namespace tocsin::lint
