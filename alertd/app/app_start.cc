// The order of the start, with or without the lease of the state store, and of the end.
#include <fmt/core.h>

#include <utility>

#include "alertd/app/app.h"
#include "common/base/log.h"

namespace tocsin::alertd {
namespace {

constexpr std::string_view kComponent = "alertd/app";
constexpr base::Duration kSelfMetricsInterval{15'000};
constexpr base::Duration kLoadAgain{1'000};

}  // namespace

void App::start(std::function<void(base::Result<void>)> done) {
  started_ = std::move(done);
  LeaseKeeper::Hooks hooks;
  // What waits from a time in which we told people may be out of date for shared groups: their
  // last word comes before anything is taken in.
  hooks.taken = [this] {
    if (!sharing_) return take_over();
    sharing_->follow([this] {
      world_.core.post([this] {
        if (lease_->held()) take_over();
      });
    });
  };
  hooks.lost = [this] {
    if (sharing_) sharing_->unfollow();
    notifier_->stop();
    report_keeper_->stop();
    report_sender_->stop();
    audit_keeper_->stop();
    dispatcher_->stand_by();
  };
  hooks.not_first = [this] {
    dispatcher_->stand_by();
    told_ = true;  // who has the lease says what ended
    world_.background.post(
        [this] { start_rules([this](auto result) { answer_start(std::move(result)); }); });
  };
  lease_->start(std::move(hooks), [this](const base::Error& error) { answer_start(error); });
}

// The lease is had: what is stored is ours to go on with.
void App::take_over() {
  dispatcher_->start([this](base::Result<void> loaded) {
    if (!loaded && started_) return answer_start(loaded.error());
    if (!loaded) {
      base::log_error(kComponent, "{}", loaded.error().message);
      world_.core.post_after(kLoadAgain, [this] {
        if (lease_->held()) take_over();
      });
      return;
    }
    // The state of incidents is back: alerts may come, messages may leave.
    notifier_->start();
    report_keeper_->start();
    report_sender_->start();
    audit_keeper_->start();
    dispatcher_->snapshot(world_.background, [this](const auto& snapshot) {
      change_markers_.know(snapshot->changes, world_.clock.wall());
    });
    if (cluster_ && !std::exchange(cluster_started_, true)) cluster_->start();
    if (!std::exchange(told_, true)) first_start();
  });
}

void App::first_start() {
  dispatcher_->snapshot(world_.background,
                        [this](std::shared_ptr<const incident::Snapshot> snapshot) {
                          std::vector<model::Alert> told;
                          for (const incident::AlertView& view : snapshot->alerts) {
                            if (!view.resolved && !view.alert.rule_source.empty())
                              told.push_back(view.alert);
                          }
                          ruler_->set_told(std::move(told));
                          start_rules([this](auto result) { answer_start(std::move(result)); });
                        });
}

// Only core touches started_.
void App::answer_start(base::Result<void> result) {
  world_.core.post([this, result = std::move(result)] {
    if (started_) std::exchange(started_, nullptr)(result);
  });
}

void App::start_rules(const std::function<void(base::Result<void>)>& done) {
  const ruler::LoadOutcome outcome = ruler_->load();
  if (!outcome.ok) return done(refused(outcome.diagnostics, outcome.sources));
  if (sharing_) sharing_->start();
  if (rules_git_) rules_git_->start([this] { ruler_->load(); });
  if (mail_replies_) mail_replies_->start();
  // Not before: whoever asks a daemon that is ready for its rules must not be told that it has
  // none.
  ruler_->when_in_force([this, done] {
    world_.core.post([this, done] {
      Phase expected = Phase::Starting;
      if (!phase_.compare_exchange_strong(expected, Phase::Ready)) return;
      now_ready();
      done(base::ok());
    });
  });
}

void App::now_ready() {
  // Not before: the first of our own samples are to show the rule groups too.
  self_metrics_->start(kSelfMetricsInterval);
  forwarding_->start();
  task_keeper_->start();
  own_backup_->start();
  heartbeats_->start(settings_.heartbeats);
  const ruler::RulerView running = ruler_->view();
  std::size_t rules = 0;
  for (const auto& group : running.groups) rules += group->rules.size();
  audit_keeper_->note("", "start", "daemon.start", world_.host_name,
                      fmt::format("version {}, {} rules", TOCSIN_VERSION, rules));
  base::log_info(kComponent, "ready: {} rules in {} groups, {} receivers", rules,
                 running.groups.size(), settings_.notify.receivers.size());
  if (settings_.notify.receivers.empty()) {
    base::log_warning(kComponent, "no [[receiver]] is configured: nobody will be told");
  }
}

void App::stop() {
  phase_ = Phase::Stopped;
  heartbeats_->stop();
  self_metrics_->stop();
  task_keeper_->stop();
  if (mail_replies_) mail_replies_->stop();
  report_keeper_->stop();
  report_sender_->stop();
  audit_keeper_->stop();
  if (cluster_) cluster_->stop();
  if (rules_git_) rules_git_->stop();
  ruler_->stop();
  forwarding_->stop();
  if (sharing_) sharing_->stop();
  notifier_->stop();
  // Given back after the last commit, so that the other daemon need not wait for its end.
  dispatcher_->stop([this] { lease_->stop(); });
}

}  // namespace tocsin::alertd
