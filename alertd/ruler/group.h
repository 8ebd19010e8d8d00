// One rule group in the daemon: its slots in time, its chain of evaluations, its series and alerts.
//
// The group wakes at wall-clock slots (a fixed phase of its interval, from a hash of its name, so
// that groups do not all wake at once), evaluates its rules in order at the slot's time, and
// sleeps. It never catches up: slots that pass meanwhile are counted as missed. Nothing blocks: a
// rule that may read what an earlier rule of the group wrote is a continuation of that write's
// acknowledgement. Rules that do not read each other run at once, on the executor's threads.
//
// When the wall clock is stepped (seen by comparing it with the monotonic clock), every remembered
// time moves with it: a step is not a duration, so no `for` passes by it and none starts again.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/ruler/arrivals.h"
#include "alertd/ruler/rule_evaluator.h"
#include "alertd/ruler/rule_runner.h"
#include "alertd/ruler/sharing.h"
#include "alertd/ruler/snapshot.h"
#include "alertd/ruler/strand.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/model/alert.h"
#include "common/model/appender.h"

namespace tocsin::ruler {

/// What groups work with; all of it outlives the executor's last task.
struct RulerWorld {
  base::Executor& executor;  ///< The evaluation pool.
  const promql::Engine& engine;
  const model::SeriesSource& source;
  model::Appender& appender;
  model::AlertSink& sink;
  base::Metrics& metrics;
  Arrivals* arrivals = nullptr;  ///< Wakes on-data groups; without it they have only the fallback.
  EvaluatorMaker datasources =
      nullptr;  ///< For groups with a datasource; without it they have none.
  GroupRecords* records =
      nullptr;  ///< Groups with a datasource are shared; without it they are not.
};

struct GroupOptions {
  base::Duration resend_delay{60'000};
  base::Duration outage_tolerance{3'600'000};  ///< Older state is not restored.
  base::Duration query_timeout{30'000};        ///< Of one rule.
  std::size_t rules_at_once = 4;               ///< Of one group.
  model::Severity severity_default = model::Severity::Medium;
  AlertStateOptions state;
  model::Labels external_labels;
  std::string external_url;
  std::shared_ptr<const std::vector<relabel::Rule>> relabel;  ///< See RunnerSettings.
  promql::ParseOptions parse;                                 ///< Of queries in templates.
  /// What receivers believe to fire when the process starts; see RuleRunner::restore.
  std::shared_ptr<const std::vector<model::Alert>> told;
};

/// Returns the last slot of the group that is not after `time`: where backtest and daemon evaluate
/// alike. The phase comes from the names of group and file.
base::WallTime slot_before(const RuleGroup& group, base::WallTime time);

/// Owner of its state: its own strand. Held by shared_ptr, because an acknowledgement may come
/// late.
class Group : public std::enable_shared_from_this<Group> {
 public:
  /// Errors: InvalidArgument (a template does not parse).
  static base::Result<std::shared_ptr<Group>> make(const RuleGroup& spec, const RulerWorld& world,
                                                   const GroupOptions& options);

  /// Takes over the state of an old rule; before start(). `rule` is an index into spec().rules.
  void take_over(std::size_t rule, RuleRunner& old) {
    runners_[rule]->take_over(old, clock().wall());
    inherited_[rule] = true;
  }
  bool inherited(std::size_t rule) const { return inherited_[rule]; }

  enum class Restore { No, Yes };
  /// Ends the series of rules that the group no longer has: stale markers with the next evaluation,
  /// unless a rule of the group writes the series again. Before start().
  void end_series(std::vector<model::Labels> series) { orphans_ = std::move(series); }

  /// Forgets label sets that do not come back, see RuleRunner; resolved alerts are handed over.
  /// Thread: any.
  void forget_owner(const std::string& label, const std::string& value, const std::string& because);
  void forget_alert(const model::Labels& alert, const std::string& because);
  void welcome(const std::string& label, const std::string& value);
  /// One of the three above.
  void forget(const Forgetting& forgetting);

  /// Schedules the first slot. With Restore::Yes the first evaluation reads the state back.
  void start(Restore restore);

  /// Ends the group: no evaluation begins any more; `done` runs on the group's strand when the
  /// running one is over. After that the state may be read from anywhere.
  void retire(base::Task done);

  /// Takes the group's gauges out of the registry; after retire(), if no other group has its name.
  void forget_metrics();

  /// Ends at once, for shutdown: what runs is cancelled, nothing more is written. Thread: any.
  void abandon();

  /// Takes a shared group on from its last holder. Before start(), with the answer.
  Restore hold(std::string key, Tenure tenure);
  /// Takes the tenure over from a retired group with the same key, beside take_over().
  void succeed(Group& old);
  bool held() const { return tenure_.has_value(); }
  /// Another daemon evaluates it: what our own metrics say of it is no longer so. After retire().
  void stand_by();
  /// Hands alerts over as an evaluation would. After retire().
  void tell(std::vector<model::Alert> alerts);

  std::shared_ptr<const GroupView> view() const EXCLUDES(mutex_);
  const RuleGroup& spec() const { return spec_; }
  const GroupOptions& options() const { return options_; }
  /// Only before start() and after retire() is done.
  std::vector<std::unique_ptr<RuleRunner>>& runners() { return runners_; }

 private:
  /// One evaluation of all rules.
  struct Iteration {
    base::WallTime ts;
    base::MonotonicTime began;
    std::size_t next_wave = 0;
    std::shared_ptr<model::WriteBatch> batch;
    std::vector<bool> unflushed;  ///< By rule: its samples are in `batch`.
    std::vector<bool> rules;      ///< Those that are evaluated.
    Chain chain;                  ///< Groups whose recordings led to it, and this one.
  };
  /// Rules that run at once; shared by the threads that run them.
  struct Wave;
  struct Status {
    RuleHealth health = RuleHealth::Unknown;
    std::string error;
    std::vector<std::string> warnings;
    base::Duration took{0};
    std::optional<base::WallTime> at;
  };
  struct Instruments;
  /// Of a shared group.
  struct Held {
    std::string key;
    std::uint64_t epoch = 0;
    std::map<model::Labels, model::Alert> alerts;  ///< Told; what ended goes after a while.
    bool changed = false;                          ///< Since the last record.
  };

  Group(const RuleGroup& spec, const RulerWorld& world, const GroupOptions& options);

  base::WallTime slot_before(base::WallTime time) const { return ruler::slot_before(spec_, time); }
  void listen();
  void arrived(const Arrival& arrival) EXCLUDES(mutex_);
  void take_arrivals() EXCLUDES(mutex_);
  std::optional<base::WallTime> next_for() const;
  base::WallTime next_data_due(base::WallTime now) const;
  std::vector<bool> due_rules(base::WallTime now);
  void schedule();
  void wake();
  void begin(base::WallTime ts, std::vector<bool> rules);
  void follow_clock_step();
  void begin_with_past();
  void restore_rules(const QueryWorld& world, base::WallTime seen_at);
  void wait_for_past(const std::string& why);
  std::span<const model::Alert> told() const;
  std::optional<base::WallTime> last_evaluation_before(base::WallTime now) const;
  void run_rules();
  void run_wave(const std::vector<std::size_t>& rules);
  void run_next(const std::shared_ptr<Wave>& wave);
  void ran(const std::shared_ptr<Wave>& wave, std::size_t index, base::MonotonicTime began,
           RuleOutcome outcome);
  void take_wave(Wave& wave);
  void take_outcome(std::size_t index, RuleOutcome outcome, base::Duration took);
  void add_orphans();
  void between_evaluations(base::Task task);
  void for_runners(const std::function<std::vector<model::Alert>(RuleRunner&)>& change);
  void hand_over(std::vector<model::Alert> alerts);
  void keep_record();
  void flush(void (Group::*then)());
  void finish();
  void publish() EXCLUDES(mutex_);
  RuleView view_of(std::size_t index) const;
  const base::Clock& clock() const { return world_.executor.clock(); }

  RuleGroup spec_;
  RulerWorld world_;
  GroupOptions options_;
  TemplateContext context_;
  std::unique_ptr<RuleEvaluator> evaluator_;
  std::vector<std::unique_ptr<RuleRunner>> runners_;
  std::vector<bool> inherited_;
  std::vector<std::vector<std::size_t>> dependencies_;
  std::vector<std::vector<std::size_t>> waves_;
  std::vector<model::Labels> orphans_;
  std::optional<Held> tenure_;
  std::vector<Status> statuses_;
  std::shared_ptr<Instruments> instruments_;
  base::FailureLog failures_{"alertd/ruler"};
  Strand strand_;

  base::TimerId timer_ = 0;
  bool running_ = false;
  bool retiring_ = false;
  bool restore_ = false;
  base::Task retired_;
  std::vector<base::Task> waiting_;  ///< For the end of the running evaluation.
  Iteration iteration_;
  std::optional<base::WallTime> last_ts_;
  std::optional<base::WallTime> last_slot_;
  std::optional<base::MonotonicTime> last_began_;
  // On-data groups: rules that read something new, and why; rules that will see it later.
  ListenerId listener_ = 0;
  std::vector<bool> pending_;
  Chain pending_chain_;
  std::vector<bool> ahead_rules_;
  std::optional<base::WallTime> ahead_due_, ahead_until_;
  std::optional<std::pair<base::WallTime, base::MonotonicTime>> last_clocks_;
  std::uint64_t missed_ = 0;
  base::Duration took_{0};
  std::atomic<bool> abandoned_{false};

  mutable base::Mutex mutex_;
  std::shared_ptr<const GroupView> view_ GUARDED_BY(mutex_);
  // Arrivals that the strand has not taken yet.
  std::vector<bool> arrived_ GUARDED_BY(mutex_);
  Chain arrived_chain_ GUARDED_BY(mutex_);
  std::optional<base::WallTime> arrived_ahead_ GUARDED_BY(mutex_);
  bool arrived_posted_ GUARDED_BY(mutex_) = false;
};

}  // namespace tocsin::ruler
