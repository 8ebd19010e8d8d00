// The semantics of `promtool test rules`: the groups' own intervals do not count, all groups are
// evaluated every evaluation_interval; an alert case is compared with the evaluation at or before
// its time, and with firing alerts only; a rule that fails ends its test; expressions come last.

#include "cli/ruletest/promtool_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "alertd/promql/ast.h"
#include "alertd/promql/parser.h"
#include "alertd/promql/series_notation.h"
#include "cli/ruletest/input.h"
#include "cli/ruletest/player.h"
#include "cli/ruletest/promtool_file.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

constexpr std::string_view kNoHistograms = "native histograms are not supported";
constexpr std::int64_t kEvaluationsMax = 50'000'000;

bool is_histogram(std::string_view values) {
  return values.find("{{") != std::string_view::npos;
}

/// What the unsupported part of the input touches: the series left out, and what rules make of
/// them.
class Tainted {
 public:
  void add(model::Labels labels) { series_.push_back(std::move(labels)); }
  bool empty() const { return series_.empty(); }

  /// Rules that read tainted series give tainted ones; until nothing new is found.
  void follow(const std::vector<ruler::RuleGroup>& groups) {
    for (std::size_t before = 0; before != names_.size() + 1;) {
      before = names_.size() + 1;
      for (const ruler::RuleGroup& group : groups) {
        for (const ruler::Rule& rule : group.rules) {
          if (reads(*rule.expr)) names_.insert(rule.name);
        }
      }
    }
  }

  bool reads(const promql::Expr& expr) const {
    for (const promql::VectorSelector* selector : promql::selectors_of(expr)) {
      for (const model::Labels& labels : series_) {
        if (model::matches_all(selector->matchers, labels)) return true;
      }
      for (const std::string& name : names_) {
        const model::Matcher* metric = nullptr;
        for (const model::Matcher& matcher : selector->matchers) {
          if (matcher.name() == model::kMetricName) metric = &matcher;
        }
        if (metric == nullptr || metric->matches(name)) return true;
      }
    }
    return false;
  }
  /// Returns whether the alert's rule reads such series.
  bool alert(const std::string& name) const { return names_.contains(name); }

 private:
  std::vector<model::Labels> series_;
  std::set<std::string> names_;
};

std::string alert_line(const model::Labels& labels, const model::Labels& annotations) {
  std::string text = std::string(labels.get(model::kAlertName)) +
                     model::LabelsBuilder(labels).remove(model::kAlertName).build().to_string();
  for (const auto& annotation : annotations) {
    text += fmt::format(" {}=\"{}\"", annotation.name, base::escape_control(annotation.value));
  }
  return text;
}

using Sample = std::pair<model::Labels, double>;

std::string sample_line(const Sample& sample) {
  return sample.first.to_string() + " " + base::format_double(sample.second);
}

class GroupRun {
 public:
  GroupRun(const PromtoolFile& file, const PromtoolGroup& group,
           const std::vector<ruler::RuleGroup>& rules, CaseResult& result)
      : file_(file), group_(group), rules_(rules), result_(result) {}

  void run() {
    result_.assertions = group_.alerts.size() + group_.exprs.size();
    if (!check_alert_names() || !read_input()) return;
    tainted_.follow(rules_);
    PlayerOptions options;
    options.engine.subquery_step_default = file_.evaluation_interval;
    options.external_labels = group_.external_labels;
    options.external_url = group_.external_url;
    auto player = Player::make(rules_, options);
    if (!player) return fail(group_.place, player.error().message);
    player_ = std::move(*player);
    if (group_.last_time() / file_.evaluation_interval > kEvaluationsMax) {
      return fail(group_.place, fmt::format("more than {} evaluations", kEvaluationsMax));
    }
    if (evaluate_all()) check_exprs();
    result_.traces = history_.take_traces();
  }

  /// Warns of what passes, or fails, for another reason than the author thinks.
  void warn(base::Diagnostics& diagnostics) const {
    for (const PromtoolAlertCase& one : group_.alerts) {
      warn_short_input(one.place, one.eval_time, diagnostics);
      warn_unknown_alert(one, diagnostics);
    }
    for (const PromtoolExprCase& one : group_.exprs) {
      warn_short_input(one.place, one.eval_time, diagnostics);
    }
  }

 private:
  void fail(base::Position place, std::string message) {
    result_.failures.push_back({place, std::move(message), {}, {}, {}});
  }

  void warn_at(base::Position place, std::string message, std::string hint,
               base::Diagnostics& diagnostics) const {
    diagnostics.push_back({base::DiagnosticSeverity::Warning, file_.source.file, place.line,
                           place.column, std::move(message), std::move(hint)});
  }

  /// See prometheus#14500. Up to the time of the next sample the input is long enough.
  void warn_short_input(base::Position place, base::Duration at,
                        base::Diagnostics& diagnostics) const {
    if (input_.empty() || at < input_end_ + group_.interval) return;
    warn_at(place,
            fmt::format("eval_time {} is after the input's end, {}", base::format_duration(at),
                        base::format_duration(input_end_)),
            "lengthen the values; leave it only if the end of all series is what you test",
            diagnostics);
  }

  /// "No such alert fires" holds of every name that is misspelt.
  void warn_unknown_alert(const PromtoolAlertCase& one, base::Diagnostics& diagnostics) const {
    std::vector<std::string> names;
    for (const ruler::RuleGroup& group : rules_) {
      for (const ruler::Rule& rule : group.rules) {
        if (rule.kind != ruler::RuleKind::Alerting) continue;
        if (rule.name == one.alertname) return;
        names.push_back(rule.name);
      }
    }
    const auto near = base::closest(one.alertname, names);
    warn_at(one.place, fmt::format("rule_files have no alert '{}'", one.alertname),
            near ? fmt::format("did you mean '{}'?", *near) : "", diagnostics);
  }

  bool check_alert_names() {
    for (const PromtoolAlertCase& one : group_.alerts) {
      if (!one.alertname.empty()) continue;
      fail(one.place,
           fmt::format("the case at {} has no alertname", base::format_duration(one.eval_time)));
      return false;
    }
    return true;
  }

  bool read_input() {
    for (const PromtoolSeries& series : group_.input) {
      std::size_t length = 0;
      const std::string_view text = base::trim(series.series);
      auto labels = promql::parse_series(text, length);
      if (labels && !base::trim(text.substr(length)).empty()) {
        labels = base::error(base::ErrorCode::InvalidArgument,
                             fmt::format("bad series: '{}' follows", text.substr(length)));
      }
      if (labels && is_histogram(series.values)) {
        tainted_.add(*labels);
        continue;
      }
      const auto values = promql::parse_values(series.values);
      if (!labels || !values) {
        fail(series.place, fmt::format("input series {}: {}", series.series,
                                       labels ? values.error().message : labels.error().message));
        return false;
      }
      add_input(std::move(*labels), *values);
    }
    feed_ = make_feed(input_);
    return true;
  }

  /// A label set that comes again replaces the one before.
  void add_input(model::Labels labels, const std::vector<std::optional<double>>& values) {
    InputSeries series{std::move(labels), {}, base::Duration{0}};
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i) * group_.interval;
      input_end_ = std::max(input_end_, at);
      if (values[i]) series.samples.push_back({at.count(), *values[i]});
    }
    const auto [place, fresh] = input_index_.try_emplace(series.labels, input_.size());
    if (fresh) {
      input_.push_back(std::move(series));
    } else {
      input_[place->second] = std::move(series);
    }
  }

  std::vector<std::size_t> group_order() const {
    std::vector<std::size_t> order;
    for (const std::string& name : file_.group_eval_order) {
      for (std::size_t i = 0; i < rules_.size(); ++i) {
        if (rules_[i].name == name) order.push_back(i);
      }
    }
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    }
    return order;
  }

  /// Returns whether all rules were healthy all the time.
  bool evaluate_all() {
    const std::vector<std::size_t> order = group_order();
    const base::Duration step = file_.evaluation_interval;
    const base::Duration end = group_.last_time();
    for (base::Duration at{0}; at <= end; at += step) {
      feed_to(at);
      std::vector<RuleError> errors;
      for (const std::size_t group : order) {
        player_->evaluate(group, group_.start + at, errors, &history_, group_.start);
      }
      for (const RuleError& error : errors) {
        result_.failures.push_back(
            {group_.place,
             fmt::format("at {}: the rule {} ({}:{}) fails: {}", base::format_duration(at),
                         error.rule->name, error.rule->place.file, error.rule->place.line,
                         error.message),
             {},
             {},
             {}});
      }
      if (!errors.empty()) return false;
      for (const PromtoolAlertCase& one : group_.alerts) {
        if (at <= one.eval_time && one.eval_time < at + step) check_alerts(one);
      }
    }
    return true;
  }

  void feed_to(base::Duration at) {
    for (; fed_ < feed_.size() && feed_[fed_].at_ms <= at.count(); ++fed_) {
      const FeedSample& sample = feed_[fed_];
      player_->add(input_[sample.series].labels,
                   {base::to_ms(group_.start) + sample.at_ms, sample.value});
    }
  }

  void check_alerts(const PromtoolAlertCase& one) {
    const std::string time = base::format_duration(one.eval_time);
    if (tainted_.alert(one.alertname)) {
      result_.unsupported.push_back(
          {one.place,
           fmt::format("alert {} at {}: {}", one.alertname, time, kNoHistograms),
           {},
           {},
           {}});
      return;
    }
    result_.asserted.insert(one.alertname);
    using Alert = std::pair<model::Labels, model::Labels>;
    std::vector<Alert> got;
    std::vector<std::string> pending;
    player_->for_each_alert([&](const ruler::Rule& rule, const ruler::ActiveAlert& alert) {
      if (rule.name != one.alertname) return;
      if (alert.phase == ruler::AlertPhase::Firing) {
        got.emplace_back(alert.labels, alert.annotations);
      } else if (alert.phase == ruler::AlertPhase::Pending) {
        pending.push_back(pending_line(alert));
      }
    });
    std::vector<Alert> wanted;
    for (const auto& alert : one.expected) wanted.emplace_back(alert.labels, alert.annotations);
    std::sort(got.begin(), got.end());
    std::sort(wanted.begin(), wanted.end());
    if (got == wanted) return;
    Finding finding{
        one.place,
        fmt::format("at {}: the firing alerts {} are not as expected", time, one.alertname),
        {},
        {},
        std::move(pending)};
    for (const auto& [labels, texts] : wanted) {
      finding.expected.push_back(alert_line(labels, texts));
    }
    for (const auto& [labels, texts] : got) finding.got.push_back(alert_line(labels, texts));
    if (got.empty()) finding.details.emplace_back("none of them fires");
    result_.failures.push_back(std::move(finding));
  }

  std::string pending_line(const ruler::ActiveAlert& alert) const {
    return fmt::format("pending since {}: {} value={}",
                       base::format_duration(alert.active_at - group_.start),
                       alert_line(alert.labels, {}), base::format_double(alert.value));
  }

  void check_exprs() {
    for (const PromtoolExprCase& one : group_.exprs) check_expr(one);
  }

  void check_expr(const PromtoolExprCase& one) {
    const std::string time = base::format_duration(one.eval_time);
    const bool histogram = std::any_of(one.expected.begin(), one.expected.end(),
                                       [](const auto& sample) { return sample.histogram; });
    const promql::Parsed parsed = promql::parse(one.expr);
    if (histogram || (parsed.expr && tainted_.reads(*parsed.expr))) {
      result_.unsupported.push_back(
          {one.place,
           fmt::format("expression {} at {}: {}", one.expr, time, kNoHistograms),
           {},
           {},
           {}});
      return;
    }
    if (!parsed.expr) {
      return fail(one.place, fmt::format("expression {}: {}", one.expr,
                                         parsed.errors.empty() ? "no expression"
                                                               : parsed.errors.front().message));
    }
    std::vector<Sample> wanted;
    for (const auto& sample : one.expected) {
      std::size_t length = 0;
      const std::string_view text = base::trim(sample.labels);
      auto labels = text.empty() ? base::Result<model::Labels>(model::Labels())
                                 : promql::parse_series(text, length);
      if (!labels) {
        return fail(sample.place,
                    fmt::format("labels {}: {}", sample.labels, labels.error().message));
      }
      wanted.emplace_back(std::move(*labels), sample.value);
    }
    const auto result = player_->query(*parsed.expr, group_.start + one.eval_time);
    if (!result) {
      return fail(one.place,
                  fmt::format("expression {} at {}: {}", one.expr, time, result.error().message));
    }
    std::vector<Sample> got;
    if (const auto* scalar = std::get_if<promql::Scalar>(&result->value)) {
      got.emplace_back(model::Labels(), scalar->sample.value);
    } else if (const auto* vector = std::get_if<promql::Vector>(&result->value)) {
      for (const auto& element : *vector) got.emplace_back(element.labels, element.sample.value);
    } else {
      return fail(
          one.place,
          fmt::format("expression {}: the result is neither a vector nor a scalar", one.expr));
    }
    compare(one, std::move(wanted), std::move(got));
  }

  void compare(const PromtoolExprCase& one, std::vector<Sample> wanted, std::vector<Sample> got) {
    const auto by_labels = [](const Sample& a, const Sample& b) { return a.first < b.first; };
    std::stable_sort(wanted.begin(), wanted.end(), by_labels);
    std::stable_sort(got.begin(), got.end(), by_labels);
    if (got.size() == wanted.size() &&
        std::equal(got.begin(), got.end(), wanted.begin(), [&](const Sample& a, const Sample& b) {
          return a.first == b.first && equal_values(a.second, b.second);
        })) {
      return;
    }
    Finding finding{one.place,
                    fmt::format("at {}: the result of {} is not as expected",
                                base::format_duration(one.eval_time), one.expr),
                    {},
                    {},
                    {}};
    for (const Sample& sample : wanted) finding.expected.push_back(sample_line(sample));
    for (const Sample& sample : got) finding.got.push_back(sample_line(sample));
    result_.failures.push_back(std::move(finding));
  }

  /// As promtool: equal, or with fuzzy_compare neighbouring doubles; NaN equals nothing.
  bool equal_values(double a, double b) const {
    if (a == b) return true;
    return file_.fuzzy_compare &&
           (std::nextafter(a, -HUGE_VAL) == b || std::nextafter(a, HUGE_VAL) == b);
  }

  const PromtoolFile& file_;
  const PromtoolGroup& group_;
  const std::vector<ruler::RuleGroup>& rules_;
  CaseResult& result_;
  Tainted tainted_;
  std::vector<InputSeries> input_;
  std::map<model::Labels, std::size_t> input_index_;
  base::Duration input_end_{0};
  std::vector<FeedSample> feed_;
  std::size_t fed_ = 0;
  std::unique_ptr<Player> player_;
  History history_;
};

/// The files that the patterns of rule_files name.
std::vector<std::string> rule_paths(const PromtoolFile& file, const base::FileSystem& files,
                                    base::Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  for (const auto& [place, pattern] : file.rule_files) {
    auto found = expand_pattern(pattern, file.source.file, files);
    if (found.empty()) {
      diagnostics.push_back({base::DiagnosticSeverity::Warning, file.source.file, place.line,
                             place.column, fmt::format("no file matches '{}'", pattern),
                             "rule_files are relative to the test file"});
    }
    for (std::string& path : found) {
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
        paths.push_back(std::move(path));
      }
    }
  }
  return paths;
}

}  // namespace

FileResult run_promtool_file(config::Source source, const RunWorld& world) {
  FileResult result;
  result.file = source.file;
  const PromtoolFile file = read_promtool_file(
      std::move(source), world.files, world.options.ignore_unknown_fields, result.diagnostics);
  result.sources.push_back(file.source);
  if (base::has_errors(result.diagnostics)) return result;
  const auto paths = rule_paths(file, world.files, result.diagnostics);
  for (const PromtoolGroup& group : file.groups) {
    if (!wanted(world.options, group.name)) {
      ++result.left_out;
      continue;
    }
    const ruler::RuleSet& set = world.rules.load(paths, std::chrono::minutes(1));
    if (!take_diagnostics(set, result)) return result;
    CaseResult one;
    one.name = group.name;
    one.at = group.place;
    const base::MonotonicTime begin = world.clock.monotonic();
    GroupRun run(file, group, set.groups, one);
    run.run();
    run.warn(result.diagnostics);
    one.took = std::chrono::duration_cast<base::Duration>(world.clock.monotonic() - begin);
    result.cases.push_back(std::move(one));
  }
  return result;
}

}  // namespace tocsin::ruletest
