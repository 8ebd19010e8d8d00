// One rule with its state: query, state machine, the series it writes, the alerts it hands over.
//
// Synchronous and without threads or timers, so that the daemon's groups, `tocsin test`, a backtest
// and the data-driven tests run the same code. The caller appends the samples and posts the alerts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alertd/promql/plan.h"
#include "alertd/ruler/alert_state.h"
#include "alertd/ruler/rule_model.h"
#include "alertd/ruler/rule_template.h"
#include "common/model/alert.h"
#include "common/model/series_source.h"
#include "common/relabel/relabel.h"

namespace tocsin::ruler {

/// What a rule needs to know besides itself.
struct RunnerSettings {
  base::Duration interval{60'000};
  base::Duration query_offset{0};
  std::size_t limit = 0;
  base::Duration resend_delay{60'000};
  model::Severity severity_default = model::Severity::Medium;
  AlertStateOptions state;  ///< `limit` is taken from above.
  /// Applied to alerts when they leave, after external labels; null is none. The same pointer means
  /// the same rules.
  std::shared_ptr<const std::vector<relabel::Rule>> relabel;
  /// A backtest wants firings, not every refreshed text and series: annotations are then expanded
  /// when an alert begins, and the series of alerts are written only if a rule reads them.
  bool annotate_once = false;
  bool alert_series = true;
};

/// Where a rule reads. Both outlive every call.
struct QueryWorld {
  const promql::Engine& engine;
  const model::SeriesSource& source;
  promql::Plan* plan = nullptr;  ///< If given: the rule's expressions were added to it.
  /// If given: asked instead of the engine, for results that another engine gave.
  std::function<base::Result<promql::QueryResult>(const promql::Expr&, base::WallTime)> elsewhere =
      nullptr;

  base::Result<promql::QueryResult> instant(const promql::Expr& expr, base::WallTime at,
                                            const std::function<bool()>& cancelled) const {
    if (elsewhere) return elsewhere(expr, at);
    return plan != nullptr ? plan->instant(expr, at, cancelled)
                           : engine.instant(source, expr, at, cancelled);
  }
};

/// Gives the result of Rule::input at the evaluation's time; asked only when it is needed.
using InputQuery = std::function<base::Result<promql::Vector>()>;

/// Returns the result as rules take it: a scalar is one element without labels.
/// Errors: InvalidArgument (a matrix or a string).
base::Result<promql::Vector> to_vector(promql::QueryResult result);

/// What one evaluation gave.
struct RuleOutcome {
  std::string error;                          ///< Empty: the rule is healthy.
  std::vector<promql::VectorSample> samples;  ///< To append, stale markers included.
  std::vector<AlertEvent> events;
  std::vector<model::Alert> alerts;   ///< To hand over now.
  std::vector<std::string> warnings;  ///< Of the query.
  std::size_t template_failures = 0;
  std::size_t alerts_dropped = 0;  ///< By relabelling, instead of being handed over.
  std::size_t alerts_merged = 0;   ///< Relabelled to the labels of another that was handed over.
};

/// Owner: the rule group's strand, which may lend it to a worker for one run(); run() of different
/// rules may happen at once. Not copyable: its parsed templates refer to the context.
class RuleRunner {
 public:
  /// `context` outlives this object; the caller sets its `now` and `query` before each run().
  /// Errors: InvalidArgument (a template that does not parse; the readers have refused those).
  static base::Result<std::unique_ptr<RuleRunner>> make(const Rule& rule,
                                                        const RunnerSettings& settings,
                                                        const TemplateContext& context);

  /// Evaluates the rule at `ts`; the query and the samples are at ts - query_offset.
  ///
  /// A failed query or two results with the same labels change no state and write nothing; firing
  /// alerts are handed over all the same, because an error is no reason for them to end at the
  /// receiver.
  RuleOutcome run(base::WallTime ts, const QueryWorld& world,
                  const std::function<bool()>& cancelled = {});

  /// As run(), with what the query at ts - query_offset gave: a backtest evaluates many slots in
  /// one range query.
  ///
  /// Without `input` a plain alert's no_data is as good as "ok".
  RuleOutcome run_on(base::WallTime ts, base::Result<promql::Vector> result,
                     const InputQuery& input = {});

  /// Returns whether run_on() at `ts` with this result would ask for Rule::input.
  bool wants_input(base::WallTime ts, const promql::Vector& result) const;

  /// Expands every text of the result's elements for nothing: so that TemplateContext::query is
  /// asked what run_on() would ask it.
  void try_texts(const promql::Vector& result) const;

  /// Returns the labels that an element of an alerting rule's result gives its alert. Templates are
  /// expanded as at context.now.
  model::Labels identity(promql::VectorSample element) const;

  /// Returns whether identity() depends on the element's labels only.
  bool constant_labels() const;

  /// Reads ALERTS and ALERTS_FOR_STATE of the time before `now` back, at most `tolerance` old, so
  /// that the first run() continues where the last process ended. Before the first run().
  ///
  /// `told` are alerts that receivers believe to fire, of any rule. Those of this rule that do not
  /// fire any more are handed over as resolved as soon as the state is settled: the last process
  /// may have died between the end of an alert and saying it. Label sets that the rule looked at
  /// when it was evaluated last, at `seen_at`, count as seen. Errors: those of the source.
  base::Result<void> restore(base::WallTime now, base::Duration tolerance, const QueryWorld& world,
                             std::span<const model::Alert> told = {},
                             std::optional<base::WallTime> seen_at = {});

  /// Returns what of `told` is of this rule, as firing on at `ts`: for as long as nobody can tell
  /// whether it does.
  std::vector<model::Alert> still_told(base::WallTime ts, std::span<const model::Alert> told) const;

  /// Takes over alerts and written series of the same rule before a reload, at `now`. Alerts that
  /// are relabelled otherwise now end under their old labels with the next run().
  void take_over(RuleRunner& old, base::WallTime now);

  /// Goes on with the alerts that the same rule had in another process.
  void resume(const AlertState& before) {
    if (state_) state_->take_over(before);
  }

  /// Returns stale markers for every series the last run() wrote: the rule is gone.
  std::vector<promql::VectorSample> end_series(base::WallTime ts);

  /// Returns the firing alerts as resolved at `ts`, with the annotation `resolved_because`.
  std::vector<model::Alert> end_alerts(base::WallTime ts, const std::string& because);

  void shift(base::Duration by);

  /// Forgets label sets that do not come back, see AlertState; returns the alerts that end thereby,
  /// with the annotation `resolved_because`. Alerts' labels are those of AlertSink, external ones
  /// and relabelling included.
  std::vector<model::Alert> forget_owner(base::WallTime ts, const model::LabelView& owner,
                                         const std::string& because);
  std::vector<model::Alert> forget_alert(base::WallTime ts, const model::Labels& alert,
                                         const std::string& because);
  void welcome(const model::LabelView& owner);

  /// Returns whether the last good run() wrote this series.
  bool writes(const model::Labels& series) const;

  const Rule& rule() const { return rule_; }
  const AlertState* state() const { return state_ ? &*state_ : nullptr; }

 private:
  struct Text {
    std::string name;
    RuleText text;
  };
  using Samples = std::vector<promql::VectorSample>;

  RuleRunner(const Rule& rule, const RunnerSettings& settings, const TemplateContext& context);

  std::string expand(const RuleText& text, const TemplateData& data, RuleOutcome& outcome) const;
  void run_recording(base::WallTime ts, promql::Vector vector, RuleOutcome& outcome);
  void run_alerting(base::WallTime ts, promql::Vector vector, const InputQuery& input,
                    RuleOutcome& outcome);
  std::vector<InputElement> input_elements(promql::Vector vector) const;
  base::Result<void> restore_input(base::WallTime now, const QueryWorld& world,
                                   std::span<const Vanished> vanished,
                                   std::optional<base::WallTime> seen_at);
  std::vector<model::Alert> ended(base::WallTime ts, const std::vector<AlertEvent>& events,
                                  const std::string& because);
  Observation observe(promql::VectorSample& element, RuleOutcome& outcome) const;
  void annotate(base::WallTime ts, RuleOutcome& outcome);
  void write_alert_series(base::WallTime ts, RuleOutcome& outcome) const;
  void track_series(base::WallTime ts, RuleOutcome& outcome);
  void hand_over(base::WallTime ts, RuleOutcome& outcome);
  void say_unsaid(base::WallTime ts, RuleOutcome& outcome);
  /// How an alert leaves: with external labels, where it has no such label itself, and relabelled.
  struct Leaving {
    model::Labels labels;
    std::optional<model::Severity> severity;  ///< If relabelling changed the label.
  };
  bool relabels() const { return settings_.relabel && !settings_.relabel->empty(); }
  std::optional<Leaving> leave(const model::Labels& alert) const;
  std::optional<model::Alert> to_alert(const ActiveAlert& alert, base::WallTime ts) const;
  std::map<model::Labels, const ActiveAlert*> speakers() const;
  bool is_ours(const model::Alert& told) const;
  std::string source() const;

  Rule rule_;
  RunnerSettings settings_;
  const TemplateContext& context_;
  std::vector<Text> labels_;
  std::vector<Text> annotations_;
  std::optional<AlertState> state_;  // alerting rules
  /// Receivers believe that these fire; what of them does not is said once the restart is over.
  std::vector<model::Alert> maybe_unsaid_;
  std::vector<model::Labels> written_;  // series of the last good run, sorted
};

}  // namespace tocsin::ruler
