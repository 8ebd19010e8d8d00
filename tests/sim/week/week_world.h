// Lives a plan: dispatcher and notifier of the daemon, in one thread and simulated time, over the
// store that survives a crash, with channels that fail as the plan says.
//
//   Journal journal = WeekWorld(plan).run();
//
// Owner: one thread.
#pragma once

#include <functional>
#include <memory>

#include "alertd/app/settings.h"
#include "alertd/incident/dispatcher.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/notify/notifier.h"
#include "common/base/metrics.h"
#include "common/base/sim_executor.h"
#include "tests/sim/week/journal.h"

namespace tocsin::week {

/// What a world does wrong on purpose, to see that the checker finds it.
enum class Sabotage {
  None,
  LosesMessages,    ///< A channel says that it took a message, and has not.
  DoublesMessages,  ///< A message goes out twice.
  SwapsMessages,    ///< A message goes out after the one that follows it.
  ForgetsSilences,  ///< A person is told that it is silent, and it is not.
  HurriesSteps,     ///< Half of each delay between steps.
  DelaysSteps,      ///< Twice the delay.
  WrongPersons,     ///< The schedules have other turns.
  IgnoresAlerts,    ///< Alerts of one name never arrive.
  ForgetsReasons,   ///< Nothing is recorded about what is hidden.
};

class WeekWorld {
 public:
  explicit WeekWorld(const Plan& plan, Sabotage sabotage = Sabotage::None);
  ~WeekWorld();
  WeekWorld(const WeekWorld&) = delete;
  WeekWorld& operator=(const WeekWorld&) = delete;

  /// The week, and then two days in which nothing is wrong any more.
  Journal run();

 private:
  class Channel;
  struct NoHttp;
  struct NoMail;

  base::WallTime now() const { return clock_.wall(); }
  /// `task` runs at `at`, which may be over already.
  void at(base::WallTime at, base::Task task);
  void note(std::string text);

  // --- the process
  void boot();
  void crash(base::Duration down);
  void reload(std::size_t number);
  incident::FakeStateStore::Fate fate();
  bool up() const { return dispatcher_ != nullptr; }

  // --- who sends alerts
  void plan_alerts();
  void send_alerts();
  model::Alert alert_of(const Life& life) const;

  // --- what people do
  void act(const Event& event);
  void hide(const Event& event);
  void person(std::uint64_t pick);
  void override_schedule(const Event& event);
  void look_for_overrides();
  void command(incident::Command command);
  void close_what_is_left();

  // --- looking
  void probe();
  std::map<std::string, std::set<std::string>> reasons_of_groups() const;
  /// Takes finished rows out of the store: they are not needed there, only slow.
  void harvest(base::Duration older);
  void send(const std::string& channel, const incident::Notification& message,
            const notify::DeliveryKey& key, notify::SendDone done);

  void sabotage_settings();
  void keep(Send send);

  const Plan& plan_;
  const Sabotage sabotage_;
  Journal journal_;
  std::optional<Send> kept_back_;  ///< Of SwapsMessages.
  base::SimClock clock_;
  base::SimExecutor executor_{clock_};
  std::unique_ptr<base::Random> random_;
  std::vector<alertd::Settings> settings_;  ///< One for each configuration of the plan.
  std::size_t config_ = 0;
  std::unique_ptr<base::Metrics> metrics_;
  std::unique_ptr<NoHttp> http_;
  std::unique_ptr<NoMail> mail_;
  std::shared_ptr<incident::FakeStateStore::Disk> disk_;
  std::unique_ptr<incident::FakeStateStore> store_;
  std::unique_ptr<incident::Dispatcher> dispatcher_;
  std::unique_ptr<notify::Notifier> notifier_;
  std::size_t boots_ = 0;
  std::optional<std::pair<CrashMoment, base::Duration>> crash_at_;  ///< The next such moment.
  std::map<std::string, OverrideSpec> overrides_asked_;             ///< Not answered yet; by id.
  bool store_fails_ = false;
  bool store_writes_ = false;
  std::map<std::int64_t, incident::OutboxRow> archive_;
  std::uint64_t hash_ = 14'695'981'039'346'656'037U;
};

}  // namespace tocsin::week
