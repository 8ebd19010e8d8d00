#include "alertd/incident/dispatcher.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "common/base/check.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::MutexLock;
using base::Result;
using base::WallTime;

namespace {

constexpr base::Duration kRetryMin{250};
constexpr base::Duration kRetryMax{15'000};
/// How long urgent messages wait for a store that cannot commit them.
constexpr base::Duration kFailingGrace{10'000};
/// Then decisions go on in memory, so often and so far.
constexpr base::Duration kAheadPause{5'000};
constexpr std::size_t kAheadMax = 2'000;
/// A difference between the two clocks that no slewing explains.
constexpr base::Duration kClockJump{30'000};
/// The timer is set in monotonic time for a wall time; look again at least so often, because the
/// wall clock may be set.
constexpr base::Duration kSleepMax{60'000};
/// Reports of messages that were delivered gather so long, or until there are so many.
constexpr base::Duration kReportsWait{50};
constexpr std::size_t kReportsAtOnce = 1'000;
constexpr base::Duration kPruneInterval = std::chrono::hours(6);
/// Alerts taken in at once: the commit of a step must not keep the next one waiting for long.
constexpr std::size_t kAlertsPerStep = 8'000;

base::Error stands_by() {
  return base::error(ErrorCode::Unavailable,
                     "this daemon stands by: another one has the lease and takes commands");
}

/// Keeps the last word about each alert, and leaves out what is no longer valid.
void keep_latest(std::vector<model::Alert>& alerts, WallTime now) {
  std::set<std::uint64_t> seen;
  std::vector<model::Alert> latest;
  for (auto alert = alerts.rbegin(); alert != alerts.rend(); ++alert) {
    if (!seen.insert(alert->fingerprint()).second) continue;
    if (!alert->ends_at && alert->valid_until < now) continue;
    latest.push_back(std::move(*alert));
  }
  std::reverse(latest.begin(), latest.end());
  alerts = std::move(latest);
}

/// Leaves what one step takes in, Critical alerts first, and returns the others. One that became
/// Critical overtakes what was said of it before; that is refused as outdated when it comes.
std::vector<model::Alert> leave_for_later(std::vector<model::Alert>& alerts) {
  if (alerts.size() <= kAlertsPerStep) return {};
  std::stable_partition(alerts.begin(), alerts.end(), [](const model::Alert& alert) {
    return alert.severity == model::Severity::Critical;
  });
  const auto bound = alerts.begin() + kAlertsPerStep;
  std::vector<model::Alert> later(std::make_move_iterator(bound),
                                  std::make_move_iterator(alerts.end()));
  alerts.erase(bound, alerts.end());
  return later;
}

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, base::Executor& executor, StateStore& store,
                       base::Metrics& metrics)
    : options_(std::move(options)),
      executor_(executor),
      store_(store),
      metrics_(metrics),
      engine_(std::in_place, options_.routing, options_.limits, options_.settings) {
  // Counters exist from the start, so that the first increment is a visible increase.
  refused("queue", 0);
  refused("limit", 0);
  metrics_.counter("tocsin_alertd_state_commit_failures_total",
                   "Commits of alert state that failed and were tried again.");
}

Dispatcher::~Dispatcher() {
  *alive_ = false;
}

void Dispatcher::start(Done<void> done) {
  executor_.post([this, alive = alive_, done = std::move(done)] {
    if (!*alive || running_) return;
    const WallTime now = executor_.clock().wall();
    store_.load(now - engine_->settings().look_back(), executor_,
                [this, alive, done, generation = ++generation_](Result<LoadedState> state) {
                  if (*alive && generation == generation_) loaded(std::move(state), done);
                });
  });
}

void Dispatcher::loaded(Result<LoadedState> state, const Done<void>& done) {
  if (!state) {
    done(with_context(state.error(), "loading alert state"));
    return;
  }
  const WallTime now = executor_.clock().wall();
  last_wall_ = now;
  last_monotonic_ = executor_.clock().monotonic();
  for (const base::Error& error : engine_->restore(*state, now)) {
    base::log_error("alertd/incident", "left out at start: {}", error.message);
    metrics_
        .counter("tocsin_alertd_state_unreadable_total", "Stored records that could not be read.")
        .increment();
  }
  base::log_info("alertd/incident", "loaded {} alerts, {} groups, {} incidents",
                 state->alerts.size(), state->groups.size(), state->incidents.size());
  running_ = true;
  {
    MutexLock lock(mutex_);
    if (std::exchange(standing_by_, false)) keep_latest(queue_.alerts, now);
  }
  snapshot_ = build_snapshot();  // durable, whatever becomes of the first commit
  snapshot_stale_ = false;
  prune();
  done(base::ok());
  if (options_.outbox_changed) options_.outbox_changed();  // rows of before the restart
  set_gauges();
  pump();
}

void Dispatcher::stand_by() {
  TC_DCHECK(executor_.running_here(), "dispatcher used from a foreign thread");
  ++generation_;
  running_ = false;
  committing_ = false;
  waiting_for_store_ = false;
  change_.reset();
  ahead_.clear();
  for (base::TimerId* timer : {&timer_, &prune_timer_, &gauges_timer_, &ahead_timer_}) {
    executor_.cancel(std::exchange(*timer, 0));
  }
  engine_.emplace(options_.routing, options_.limits, options_.settings);
  snapshot_stale_ = true;
  answer_snapshots();
  set_gauges();
  failing_since_.reset();
  told_of_failing_ = false;
  {
    MutexLock lock(mutex_);
    standing_by_ = true;
  }
  refuse_waiting(stands_by());
  if (stopped_) finish_stop();
}

// Alerts stay: they are the last word about what fires. Whether the commit under way passed is
// unknown to those who wait for it.
void Dispatcher::refuse_waiting(const base::Error& why) {
  const auto answer = [&why](auto& waiting) {
    for (auto& each : waiting) {
      each.reply_on->post([done = std::move(each.done), why] { done(why); });
    }
    waiting.clear();
  };
  Queue left;
  {
    MutexLock lock(mutex_);
    std::swap(left, queue_);
    std::swap(left.alerts, queue_.alerts);
  }
  answer(replies_);
  answer(edit_replies_);
  answer(left.commands);
  answer(left.edits);
}

void Dispatcher::stop(base::Task done) {
  executor_.post([this, alive = alive_, done = std::move(done)]() mutable {
    if (!*alive) return;
    stopped_ = std::move(done);
    if (!waiting_for_store_) finish_stop();
  });
}

void Dispatcher::finish_stop() {
  running_ = false;
  committing_ = false;
  for (base::TimerId* timer : {&timer_, &prune_timer_, &gauges_timer_, &ahead_timer_}) {
    executor_.cancel(std::exchange(*timer, 0));
  }
  {
    MutexLock lock(mutex_);
    stopped_for_good_ = true;
  }
  refuse_waiting(base::error(ErrorCode::Unavailable, "the daemon is stopping"));
  snapshot_stale_ = false;  // the engine may be ahead of the store for good
  answer_snapshots();
  if (stopped_) std::exchange(stopped_, nullptr)();
}

bool Dispatcher::offer(std::vector<model::Alert> alerts) {
  bool full = false;
  const auto given = static_cast<double>(alerts.size());
  {
    MutexLock lock(mutex_);
    if (standing_by_ && queue_.alerts.size() + alerts.size() > options_.queue_max) {
      keep_latest(queue_.alerts, executor_.clock().wall());
    }
    // One post larger than the bound must pass some time, or its alerts never would.
    full = stopped_for_good_ ||
           (!queue_.alerts.empty() && queue_.alerts.size() + alerts.size() > options_.queue_max);
    if (!full) {
      std::move(alerts.begin(), alerts.end(), std::back_inserter(queue_.alerts));
    }
  }
  if (full) {
    refused("queue", given);
    return false;
  }
  wake();
  return true;
}

template <class Waiting>
void Dispatcher::enqueue(std::vector<Waiting> Queue::*line, Waiting waiting, const char* what) {
  bool standing_by = false;
  {
    MutexLock lock(mutex_);
    standing_by = standing_by_;
    std::vector<Waiting>& queue = queue_.*line;
    if (!standing_by && !stopped_for_good_ && queue.size() < options_.queue_max / 10) {
      queue.push_back(std::move(waiting));
      waiting.done = nullptr;
    }
  }
  if (!waiting.done) return wake();
  const base::Error error =
      standing_by
          ? stands_by()
          : base::error(ErrorCode::Unavailable, std::string("too many ") + what +
                                                    " are waiting, or the daemon is stopping");
  waiting.reply_on->post([done = std::move(waiting.done), error] { done(error); });
}

void Dispatcher::command(Command command, base::Executor& reply_on, Done<IncidentRecord> done) {
  enqueue(&Queue::commands, WaitingCommand{std::move(command), &reply_on, std::move(done)},
          "commands");
}

void Dispatcher::edit(routing::Edit edit, base::Executor& reply_on, Done<std::string> done) {
  enqueue(&Queue::edits, WaitingEdit{std::move(edit), &reply_on, std::move(done)}, "edits");
}

void Dispatcher::preview_silence(std::vector<routing::MatcherSet> sets, base::Executor& reply_on,
                                 std::function<void(routing::SilencePreview)> done) {
  executor_.post([this, alive = alive_, sets = std::move(sets), &reply_on, done = std::move(done)] {
    if (!*alive) return;
    reply_on.post([done, preview = engine_->pipeline().preview(sets)] { done(preview); });
  });
}

void Dispatcher::notify_log(base::Executor& reply_on,
                            std::function<void(std::vector<routing::LoggedNotification>)> done) {
  executor_.post([this, alive = alive_, &reply_on, done = std::move(done)] {
    if (!*alive) return;
    std::vector<routing::LoggedNotification> entries;
    for (const auto& [key, entry] : engine_->pipeline().notify_logs().all()) {
      entries.push_back(entry);
    }
    reply_on.post([done, entries = std::move(entries)] { done(entries); });
  });
}

// In a storm messages end one after the other: a step, and a commit, for each of them would cost
// more than the alerts did. What fails may have to be told to others and does not wait.
void Dispatcher::report(DeliveryReport report) {
  bool now = report.state != DeliveryState::Delivered;
  {
    MutexLock lock(mutex_);
    if (queue_.reports.size() >= options_.queue_max) {
      metrics_
          .counter("tocsin_alertd_delivery_reports_refused_total",
                   "Delivery reports left out of the timeline because the queue was full.")
          .increment();
      return;
    }
    queue_.reports.push_back(std::move(report));
    now = now || queue_.reports.size() >= kReportsAtOnce;
    queue_.report_now = queue_.report_now || now;
    if (!now && std::exchange(reports_timed_, true)) return;
  }
  if (now) return wake();
  executor_.post_after(kReportsWait, [this, alive = alive_] {
    if (!*alive) return;
    {
      MutexLock lock(mutex_);
      reports_timed_ = false;
      if (queue_.reports.empty()) return;  // a step took them
      queue_.report_now = true;
    }
    wake();
  });
}

void Dispatcher::wake() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(pump_posted_, true)) return;
  }
  executor_.post([this, alive = alive_] {
    if (*alive) pump();
  });
}

void Dispatcher::pump() {
  TC_DCHECK(executor_.running_here(), "dispatcher used from a foreign thread");
  Queue input;
  {
    MutexLock lock(mutex_);
    pump_posted_ = false;
    if (!running_ || committing_) return;
    std::swap(input, queue_);
    queue_.alerts = leave_for_later(input.alerts);
  }
  run_step(std::move(input));
}

void Dispatcher::run_step(Queue input) {
  change_ = decide(std::move(input));
  if (change_->empty()) {
    finish_step();
    return;
  }
  committing_ = true;
  retry_delay_ = kRetryMin;
  failing_since_.reset();
  told_of_failing_ = false;
  commit();
}

std::shared_ptr<const StateChange> Dispatcher::decide(Queue input) {
  const WallTime now = executor_.clock().wall();
  check_clock(now);
  std::vector<Command> commands;
  for (WaitingCommand& waiting : input.commands) commands.push_back(std::move(waiting.command));
  std::vector<routing::Edit> edits;
  for (WaitingEdit& waiting : input.edits) edits.push_back(std::move(waiting.edit));
  StepResult result = engine_->step(now, {input.alerts, commands, input.reports, edits});
  count(result.decisions);
  for (std::size_t i = 0; i < input.commands.size(); ++i) {
    replies_.push_back({input.commands[i].reply_on, std::move(input.commands[i].done),
                        std::move(result.replies[i])});
  }
  for (std::size_t i = 0; i < input.edits.size(); ++i) {
    edit_replies_.push_back({input.edits[i].reply_on, std::move(input.edits[i].done),
                             std::move(result.edit_replies[i])});
  }
  add_ack_paths(result.change);
  return std::make_shared<const StateChange>(std::move(result.change));
}

void Dispatcher::add_ack_paths(StateChange& change) const {
  if (!options_.ack_path) return;
  for (Notification& notification : change.outbox) {
    if (notification.kind == NotificationKind::Firing ||
        notification.kind == NotificationKind::Update ||
        notification.kind == NotificationKind::Reopened) {
      notification.ack_path = options_.ack_path(notification);
    }
  }
}

void Dispatcher::check_clock(WallTime now) {
  const base::MonotonicTime monotonic = executor_.clock().monotonic();
  const auto elapsed = std::chrono::duration_cast<base::Duration>(monotonic - last_monotonic_);
  const base::Duration jump = (now - last_wall_) - elapsed;
  last_wall_ = now;
  last_monotonic_ = monotonic;
  if (std::chrono::abs(jump) < kClockJump) return;
  base::log_warning("alertd/incident", "the clock jumped by {} s; alerts time out later",
                    static_cast<double>(jump.count()) / 1000.0);
  metrics_.counter("tocsin_alertd_clock_jumps_total", "Jumps of the wall clock.").increment();
  engine_->clock_jumped(now);
}

void Dispatcher::commit() {
  waiting_for_store_ = true;
  store_.commit(change_, executor_,
                [this, alive = alive_, generation = generation_](Result<void> result) {
                  if (*alive && generation == generation_) committed(std::move(result));
                });
}

void Dispatcher::committed(Result<void> result) {
  waiting_for_store_ = false;
  if (!committing_) return;
  base::Gauge failing = metrics_.gauge("tocsin_alertd_state_commit_failing",
                                       "1 while alert state cannot be written, else 0.");
  const bool lost = !result && result.error().code == ErrorCode::Cancelled;
  failing.set(result || lost ? 0 : 1);
  if (lost) {
    stand_by();
    if (options_.lease_lost) options_.lease_lost();
    return;
  }
  if (!result) {
    metrics_
        .counter("tocsin_alertd_state_commit_failures_total",
                 "Commits of alert state that failed and were tried again.")
        .increment();
    failures_.report("commit", result.error().message);
    if (stopped_) {  // given up: the next start decides the same again
      finish_stop();
      return;
    }
    tell_of_failing();
    answer_snapshots();
    executor_.post_after(retry_delay_, [this, alive = alive_, generation = generation_] {
      if (*alive && committing_ && generation == generation_) commit();
    });
    retry_delay_ = std::min(retry_delay_ * 2, kRetryMax);
    return;
  }
  failures_.clear("commit");
  committing_ = false;
  finish_step();
}

void Dispatcher::tell_of_failing() {
  const base::MonotonicTime now = executor_.clock().monotonic();
  if (!failing_since_) failing_since_ = now;
  if (told_of_failing_ || now - *failing_since_ < kFailingGrace) return;
  told_of_failing_ = true;
  if (options_.commit_failing && !change_->outbox.empty()) options_.commit_failing(change_->outbox);
  run_ahead();
}

// A full disk must not keep what begins meanwhile from being told. Changes are decided one after
// the other as always, only seldom, and become durable in their order when the disk works again.
void Dispatcher::run_ahead() {
  ahead_timer_ = executor_.post_after(kAheadPause, [this, alive = alive_] {
    if (!*alive || !running_ || !committing_ || stopped_) return;
    if (ahead_.size() < kAheadMax) step_ahead();
    run_ahead();
  });
}

void Dispatcher::step_ahead() {
  Queue input;
  {
    MutexLock lock(mutex_);
    std::swap(input, queue_);
    queue_.alerts = leave_for_later(input.alerts);
  }
  const auto change = decide(std::move(input));
  if (change->empty()) return;
  ahead_.push_back(change);
  if (options_.commit_failing && !change->outbox.empty()) options_.commit_failing(change->outbox);
}

void Dispatcher::finish_step() {
  const bool rows = !change_->outbox.empty();
  if (!change_->empty()) set_gauges_soon();
  if (!change_->empty() && options_.committed) options_.committed(*change_);
  change_.reset();
  snapshot_stale_ = true;
  if (!ahead_.empty()) {
    change_ = std::move(ahead_.front());
    ahead_.pop_front();
    committing_ = true;
    retry_delay_ = kRetryMin;
    if (rows && options_.outbox_changed) options_.outbox_changed();
    return commit();
  }
  executor_.cancel(std::exchange(ahead_timer_, 0));
  answer_snapshots();
  const auto answer = [](auto& replies) {
    for (auto& reply : std::exchange(replies, {})) {
      reply.reply_on->post(
          [done = std::move(reply.done), result = std::move(reply.result)] { done(result); });
    }
  };
  answer(replies_);
  answer(edit_replies_);
  if (rows && options_.outbox_changed) options_.outbox_changed();
  if (stopped_) {
    finish_stop();
    return;
  }
  schedule();
  bool more = false;
  {
    MutexLock lock(mutex_);
    more = queue_.ready();
  }
  if (more) wake();
}

void Dispatcher::schedule() {
  executor_.cancel(timer_);
  timer_ = 0;
  const auto due = engine_->next_due();
  if (!due) return;
  const WallTime now = executor_.clock().wall();
  const base::Duration wait = std::clamp<base::Duration>(*due - now, base::Duration{0}, kSleepMax);
  timer_ = executor_.post_after(wait, [this, alive = alive_] {
    if (*alive) pump();
  });
}

void Dispatcher::prune() {
  const WallTime now = executor_.clock().wall();
  const IncidentSettings& settings = engine_->settings();
  store_.prune(now - settings.history, now - settings.decisions, executor_,
               [this, alive = alive_](Result<std::uint64_t> pruned) {
                 if (!*alive) return;
                 if (!pruned) {
                   failures_.report("prune", pruned.error().message);
                 } else {
                   failures_.clear("prune");
                 }
               });
  prune_timer_ = executor_.post_after(kPruneInterval, [this, alive = alive_] {
    if (*alive && running_) prune();
  });
}

void Dispatcher::count(const std::vector<Decided>& decisions) {
  std::map<std::pair<Reason, bool>, double> counts;  // finding a counter costs more than counting
  for (const Decided& decided : decisions) counts[{decided.reason, decided.sent}] += 1;
  for (const auto& [what, count] : counts) {
    metrics_
        .counter("tocsin_alertd_decisions_total", "Decisions to notify or to hold, by reason.",
                 {{"reason", std::string(routing::to_string(what.first))},
                  {"outcome", what.second ? "sent" : "held"}})
        .increment(count);
    if (what.first == Reason::LimitExceeded) refused("limit", count);
  }
}

void Dispatcher::refused(const char* reason, double alerts) {
  metrics_
      .counter("tocsin_alertd_alerts_refused_total",
               "Alerts refused: the dispatcher's queue was full, or it held as many as it may.",
               {{"reason", reason}})
      .increment(alerts);
}

void Dispatcher::explain(model::Alert alert, base::Executor& reply_on,
                         std::function<void(routing::Explanation)> done) {
  executor_.post([this, alive = alive_, alert = std::move(alert), &reply_on,
                  done = std::move(done)] {
    if (!*alive) return;
    reply_on.post([done, explanation = engine_->pipeline().explain(alert)] { done(explanation); });
  });
}

void Dispatcher::set_peer_wait(base::Duration wait) {
  executor_.post([this, alive = alive_, wait] {
    if (!*alive) return;
    engine_->set_peer_wait(wait);
    pump();
  });
}

void Dispatcher::reload(routing::Routing routing, IncidentSettings settings) {
  executor_.post([this, alive = alive_, routing = std::move(routing),
                  settings = std::move(settings)]() mutable {
    if (!*alive) return;
    options_.routing = routing;  // for the engine after a stand-by
    options_.settings = settings;
    engine_->reload(std::move(routing), std::move(settings), executor_.clock().wall());
    pump();
  });
}

}  // namespace tocsin::incident
