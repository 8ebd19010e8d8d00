// The shell around the engine: a bounded queue, one timer, and the store.
//
//   Dispatcher dispatcher(options, executor, store, metrics);
//   dispatcher.start([](auto result) { ... });   // loads; alerts posted meanwhile wait
//   ruler.set_sink(dispatcher);
//
// One step at a time: queue -> Engine::step -> StateStore::commit -> replies and outbox_changed.
// While a commit runs, or fails and is tried again, nothing of the step is visible and new input
// waits; beyond the bound it is refused and counted, which loses nothing, because alerts are sent
// again. Owner thread: the executor's (one thread). Lifecycle: construct, start, stop, destroy
// after `done`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/engine.h"
#include "alertd/incident/snapshot.h"
#include "alertd/incident/state_store.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"

namespace tocsin::incident {

struct DispatcherOptions {
  routing::Routing routing;
  routing::PipelineLimits limits;
  IncidentSettings settings;
  /// Alerts waiting for a step; as many reports, a tenth of commands and of edits.
  std::size_t queue_max = 50'000;
  /// Returns the path of the link that acknowledges, for a message that asks for it; may be empty.
  std::function<std::string(const Notification&)> ack_path;
  /// Called on the executor after a commit that put rows into the outbox, and after start().
  std::function<void()> outbox_changed;
  /// Called on the executor after each commit, with what is durable now: for peers.
  std::function<void(const StateChange&)> committed;
  /// Called on the executor, once for each change, with the messages of a change that cannot be
  /// committed for a while: the urgent ones should not wait for the disk.
  std::function<void(const std::vector<Notification>&)> commit_failing;
  /// Called on the executor when a commit was refused because another daemon has the lease; this
  /// one stands by already then.
  std::function<void()> lease_lost;
};

/// Thread: start, stop, post, command, report, snapshot, explain, reload from any.
class Dispatcher final : public model::AlertSink {
 public:
  Dispatcher(DispatcherOptions options, base::Executor& executor, StateStore& store,
             base::Metrics& metrics);
  ~Dispatcher() override;
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Loads the stored state, then begins to work, also after stand_by(). `done` runs on the
  /// executor.
  /// Errors in `done`: those of StateStore::load; nothing runs then, start again later.
  void start(Done<void> done);

  /// Stops stepping at once and forgets what is in memory: another daemon works on the stored
  /// state. Alerts that are posted meanwhile wait, the last word of each, for the next start();
  /// commands are refused. On the executor.
  void stand_by();

  /// Ends after the commit that is under way; `done` runs on the executor, nothing after it.
  void stop(base::Task done);

  void post(std::vector<model::Alert> alerts) override {
    static_cast<void>(offer(std::move(alerts)));
  }
  /// As post(), and returns whether they were taken.
  bool offer(std::vector<model::Alert> alerts) EXCLUDES(mutex_);

  /// `done` is posted to `reply_on` after the effect is durable.
  /// Errors in `done`: NotFound, InvalidArgument, LimitExceeded (comment), Unavailable (queue
  /// full).
  void command(Command command, base::Executor& reply_on, Done<IncidentRecord> done);

  /// Changes silences or maintenance; the kinds of edits and their answers are in routing/edit.h.
  /// `done` is posted to `reply_on` after the effect is durable, with the id or name.
  /// Errors in `done`: those of the edit; Unavailable (queue full).
  void edit(routing::Edit edit, base::Executor& reply_on, Done<std::string> done);
  void set_silence(routing::SetSilence edit, base::Executor& reply_on, Done<std::string> done) {
    this->edit(std::move(edit), reply_on, std::move(done));
  }
  void expire_silence(routing::ExpireSilence edit, base::Executor& reply_on,
                      Done<std::string> done) {
    this->edit(std::move(edit), reply_on, std::move(done));
  }
  /// What a silence with these matchers would hide now.
  void preview_silence(std::vector<routing::MatcherSet> sets, base::Executor& reply_on,
                       std::function<void(routing::SilencePreview)> done);
  /// The whole notification log (Alertmanager's mode), for a peer that joins.
  void notify_log(base::Executor& reply_on,
                  std::function<void(std::vector<routing::LoggedNotification>)> done);

  /// How a delivery ended; into the timeline. Of what was delivered others are gathered for a
  /// moment.
  void report(DeliveryReport report);

  using SnapshotDone = std::function<void(std::shared_ptr<const Snapshot>)>;
  /// The last durable state: waits for a commit under way, unless that fails and is tried again.
  /// Cost: built on the owner thread when something changed since the last call.
  void snapshot(base::Executor& reply_on, SnapshotDone done);

  using WrittenDone = std::function<void(std::shared_ptr<const Written>)>;
  /// Of a snapshot only what people wrote: for whoever asks often, however much fires.
  void written(base::Executor& reply_on, WrittenDone done);

  /// Why an alert with these labels goes where it goes; it need not exist.
  void explain(model::Alert alert, base::Executor& reply_on,
               std::function<void(routing::Explanation)> done);

  /// Alertmanager's mode, with peers: see routing::Pipeline::set_peer_wait.
  void set_peer_wait(base::Duration wait);

  /// New configuration, whole.
  void reload(routing::Routing routing, IncidentSettings settings);

 private:
  struct WaitingCommand {
    Command command;
    base::Executor* reply_on;
    Done<IncidentRecord> done;
  };
  struct WaitingEdit {
    routing::Edit edit;
    base::Executor* reply_on;
    Done<std::string> done;
  };
  struct Queue {
    std::vector<model::Alert> alerts;
    std::vector<WaitingCommand> commands;
    std::vector<DeliveryReport> reports;
    std::vector<WaitingEdit> edits;
    bool report_now = false;  ///< Some report is to be told at once, or has waited.
    /// Whether a step should run now; reports alone may gather.
    bool ready() const {
      return !alerts.empty() || !commands.empty() || !edits.empty() || report_now;
    }
  };
  struct PendingReply {
    base::Executor* reply_on;
    Done<IncidentRecord> done;
    base::Result<IncidentRecord> result;
  };
  struct PendingEdit {
    base::Executor* reply_on;
    Done<std::string> done;
    base::Result<std::string> result;
  };

  void loaded(base::Result<LoadedState> state, const Done<void>& done);
  /// Puts it into one of the queue's lines, or answers that it is refused; `what` names the line.
  template <class Waiting>
  void enqueue(std::vector<Waiting> Queue::*line, Waiting waiting, const char* what)
      EXCLUDES(mutex_);
  void wake() EXCLUDES(mutex_);
  void pump() EXCLUDES(mutex_);
  void run_step(Queue input);
  std::shared_ptr<const StateChange> decide(Queue input);
  void add_ack_paths(StateChange& change) const;
  void check_clock(base::WallTime now);
  void commit();
  void committed(base::Result<void> result);
  void tell_of_failing();
  void run_ahead();
  void step_ahead() EXCLUDES(mutex_);
  void finish_step();
  void schedule();
  void prune();
  void count(const std::vector<Decided>& decisions);
  /// Counts alerts refused for that reason. Thread: any.
  void refused(const char* reason, double alerts);
  void set_gauges();
  void set_gauges_soon();
  void finish_stop();
  void refuse_waiting(const base::Error& why) EXCLUDES(mutex_);
  void write_down(Written& written) const;
  std::shared_ptr<const Snapshot> build_snapshot() const;
  void answer_snapshots();

  DispatcherOptions options_;
  base::Executor& executor_;
  StateStore& store_;
  base::Metrics& metrics_;
  std::optional<Engine> engine_;  ///< Never empty; made anew when this daemon stands by.
  base::FailureLog failures_{"alertd/incident"};

  base::Mutex mutex_;
  Queue queue_ GUARDED_BY(mutex_);
  bool pump_posted_ GUARDED_BY(mutex_) = false;
  bool reports_timed_ GUARDED_BY(mutex_) = false;  ///< A timer is set for reports that gather.
  bool stopped_for_good_ GUARDED_BY(mutex_) = false;
  bool standing_by_ GUARDED_BY(mutex_) = false;

  // Owned by the executor's thread.
  bool running_ = false;
  bool committing_ = false;         ///< A change is not durable yet.
  bool waiting_for_store_ = false;  ///< The store owes an answer about it.
  std::uint64_t generation_ = 0;    ///< Of starts; answers to calls of an older one are dropped.
  std::shared_ptr<const StateChange> change_;  ///< Being committed; kept to be tried again.
  /// Decided after `change_` while that could not be committed; become durable after it.
  std::deque<std::shared_ptr<const StateChange>> ahead_;
  std::vector<PendingReply> replies_;
  std::vector<PendingEdit> edit_replies_;
  base::Duration retry_delay_{0};
  std::optional<base::MonotonicTime> failing_since_;  ///< Of the change, if a commit failed.
  bool told_of_failing_ = false;
  base::TimerId timer_ = 0, prune_timer_ = 0, gauges_timer_ = 0, ahead_timer_ = 0;
  base::MonotonicTime gauges_set_{};
  base::Duration gauges_interval_{0};  ///< At least so long from one count to the next.
  base::Task stopped_;
  base::WallTime last_wall_{};
  base::MonotonicTime last_monotonic_{};
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<Snapshot>();
  bool snapshot_stale_ = true;
  std::vector<std::pair<base::Executor*, SnapshotDone>> snapshots_asked_;
  std::vector<std::pair<base::Executor*, WrittenDone>> written_asked_;
  /// Tasks posted by this object that come too late find it gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tocsin::incident
