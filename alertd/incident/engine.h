// The incident engine: pure steps from alerts, commands and time to one durable change.
//
//   alerts -> routing::Pipeline -> decisions -> incidents -> outbox rows, one for each channel
//
// Same inputs, same clock, same start: same change, with the same delivery keys. So a crash before
// the commit is harmless: the step is made again. dispatcher.h owns queue, timer and store.
#pragma once

#include <deque>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "alertd/incident/address_book.h"
#include "alertd/incident/command.h"
#include "alertd/incident/decision_keeper.h"
#include "alertd/incident/incident_table.h"
#include "alertd/incident/news_text.h"
#include "alertd/incident/notification_builder.h"
#include "alertd/incident/snapshot.h"
#include "alertd/incident/step.h"
#include "alertd/incident/step_looks.h"
#include "alertd/incident/timer_plan.h"
#include "alertd/routing/pipeline.h"

namespace tocsin::incident {

/// Owner: one thread.
class Engine {
 public:
  Engine(routing::Routing routing, routing::PipelineLimits limits, IncidentSettings settings);

  /// Takes stored state back; once, before the first step. Bodies that cannot be read are left out
  /// and returned: better one incident missing than no daemon.
  std::vector<base::Error> restore(const LoadedState& state, base::WallTime now);

  StepResult step(base::WallTime now, const StepInput& input);

  /// Returns when step() has something to do without input; nullopt: never.
  std::optional<base::WallTime> next_due() const;

  /// The clock was set: senders get startup_grace again before alerts time out.
  void clock_jumped(base::WallTime now);

  /// New configuration; takes effect with the next step.
  void reload(routing::Routing routing, IncidentSettings settings, base::WallTime now);

  /// See routing::Pipeline::set_peer_wait.
  void set_peer_wait(base::Duration wait) { pipeline_.set_peer_wait(wait); }

  const routing::Pipeline& pipeline() const { return pipeline_; }
  /// Incidents that are not resolved, or may still be reopened; by number.
  const IncidentTable& incidents() const { return incidents_; }
  const IncidentSettings& settings() const { return settings_; }
  const std::deque<Change>& changes() const { return changes_; }
  const Reviews& reviews() const { return reviews_; }

 private:
  struct Message {
    NotificationKind kind = NotificationKind::Update;
    Reason reason = Reason::Unchanged;
    AlertSet alerts;
    Addresses also;  ///< Of a step's message: told besides those of the step.
  };

  void on_send(routing::Action action);
  void on_send_to_integration(routing::Action action);
  void apply_edits(std::span<const routing::Edit> edits);
  void write_routing_records(const routing::Dirty& dirty);
  void on_all_resolved(routing::Action action, Incident* incident);
  void on_firing(routing::Action action, Incident* incident);
  static Message message_of(routing::Action& action);
  Incident& open(const routing::Action& action, const Incident* previous);
  base::Result<IncidentRecord> on_command(const Command& command);
  base::Result<IncidentRecord> run_command(const Command& command);
  base::Result<void> apply(const Command& command, Incident& incident);
  base::Result<void> apply_acknowledge(const Command& command, Incident& incident);
  base::Result<void> apply_resolve(const Command& command, Incident& incident);
  void closed_by_person(Incident& incident, bool firing);
  base::Result<void> apply_unacknowledge(const Command& command, Incident& incident);

  // engine_people.cc
  base::Result<void> apply_snooze(const Command& command, Incident& incident);
  base::Result<void> apply_severity(const Command& command, Incident& incident);
  base::Result<void> apply_owner(const Command& command, Incident& incident);
  base::Result<void> apply_mitigate(const Command& command, Incident& incident);
  base::Result<void> apply_review(const Command& command, Incident& incident);
  base::Result<IncidentRecord> create(const Command& command);
  Incident& add_manual(std::string title, model::Severity severity, const std::string& receiver);
  void end_snooze(Incident& incident, std::string_view why);

  // engine_parts.cc
  base::Result<void> apply_merge(const Command& command, Incident& incident);
  base::Result<void> apply_unmerge(const Command& command, Incident& incident);
  void merge(Incident& incident, Incident& into, const std::string& actor);
  void release_parts(Incident& incident);
  template <typename Predicate>
  const Incident* find_part(const Incident& whole, const Predicate& is) const;
  bool has_open_parts(const Incident& whole) const;
  bool fires_itself(const Incident& incident) const;
  bool alive(const Incident& incident) const;
  bool suppressed(const Incident& incident) const;
  model::Severity with_parts(const Incident& whole, model::Severity own) const;
  AlertSet alerts_of_parts(const Incident& whole) const;
  bool raise_whole(Incident& whole, const Incident& part);
  void tell_whole(const Incident& part, Reason reason);

  // engine_digest.cc
  bool in_digest(const Incident& incident) const;
  void put_into_digest(Incident& incident);
  void send_digests();
  void send_digest(const std::string& policy, const Address& address,
                   const std::vector<Incident*>& incidents);

  // engine_handover.cc
  std::optional<base::WallTime> next_handover(const oncall::Schedule& schedule) const;
  void run_handovers();
  void tell_handover(const oncall::Schedule& schedule, base::WallTime at);
  void tell_person(const oncall::Schedule& schedule, base::WallTime at, const std::string& name,
                   const std::string& text);

  // engine_context.cc
  void look_around(Incident& incident, const std::vector<model::Alert>& firing);
  void find_root(Incident& incident);
  void find_related(Incident& incident);
  void remember_labels(const Incident& incident);
  void forget(std::int64_t number);
  bool hold_for_root(Incident& incident);
  void release_held(Incident& incident);
  bool join_storm(Incident& incident);
  void run_storm(Incident& storm);
  base::Result<IncidentRecord> add_change(const Command& command);
  base::Result<IncidentRecord> put_override(const Command& command);
  base::Result<IncidentRecord> remove_override(const Command& command);
  void restore_kept(const LoadedState& state, std::vector<base::Error>& errors);

  // engine_news.cc
  base::Result<IncidentRecord> edit_review(const Command& command);
  base::Result<IncidentRecord> tell_news(const Command& command);
  Review review_of(std::int64_t number) const;
  void put_review(Review review);
  void write_news(Incident& incident, News news, const std::vector<const Audience*>& audiences);
  std::vector<const Audience*> audiences_of(const Incident& incident) const;
  std::optional<NewsState> automatic_news(const Incident& incident, const Audience& audience) const;
  std::optional<std::int64_t> known_number(const std::string& id) const;
  void tell_audience(const Audience& audience, NewsWords words, Notification message);
  void inform_stakeholders(Incident& incident);
  std::optional<base::WallTime> news_due(const Incident& incident) const;
  void remind_of_news(Incident& incident);
  void run_maintenance_news();
  void tell_maintenance(const routing::Maintenance& maintenance, MaintenanceStage stage,
                        const routing::Window& window);
  void take_severity(Incident& incident, model::Severity of_alerts);
  void on_report(const DeliveryReport& report);
  void on_step_report(Incident& incident, const DeliveryReport& report);

  // When; engine_timers.cc.
  void run_timers();
  void run_timer(Incident& incident);
  void look_at_dependents(const Incident& incident);
  void drop_over();
  void plan();
  void plan(std::int64_t number);
  TimerPlan::Entry planned(const Incident& incident) const;
  bool is_planned() const;

  // Who is told what; engine_escalation.cc.
  void tell_begin(Incident& incident, Message message);
  void tell_update(Incident& incident, Message message);
  void tell_told(Incident& incident, Message message);
  void tell_when_heard(Incident& incident, Reason reason);
  void tell_resolved(Incident& incident, Reason reason, AlertSet alerts);
  Message update_message(const Incident& incident, Reason reason) const;
  Reason step_reason(const Incident& incident) const;
  const Policy* policy_for(const Incident& incident) const;
  bool begin_escalation(Incident& incident);
  bool raise_escalation(Incident& incident, bool was_acknowledged);
  bool escalates(const Incident& incident) const;
  void pause(Incident& incident);
  void escalate(Incident& incident);
  void run_due(Incident& incident);
  void run_step(Incident& incident, Message message);
  void tell_waiting(Incident& incident);
  void alarm_fallback(Incident& incident, Reason reason);
  void set_due(Incident& incident);
  void stop_escalation(Incident& incident);
  void resume(Incident& incident, Reason reason, bool news);
  void tell_again(Incident& incident, Reason reason);

  Addresses route_addresses(const Incident& incident) const;
  Addresses told(const Incident& incident) const;
  void notify(Incident& incident, Message message, const Addresses& addresses);
  Addresses not_told_now(const Incident& incident, Addresses addresses) const;
  AlertSet alerts_of(const Incident& incident) const;
  // engine_decisions.cc: counted, and kept for `explain`.
  void decided(Reason reason, bool sent) { result_.decisions.push_back({reason, sent}); }
  void decided(const Incident& incident, Reason reason, bool sent, std::string text = {});
  void held(const routing::Action& action);
  void write_down(const Incident& incident, Reason reason, bool sent, std::string text = {});
  void write_down(const routing::Aside& aside);
  void write_down(DecisionRecord record, const std::string& part = {});
  std::string why(const Incident& incident, Reason reason) const;
  std::string why(const routing::Action& action, const routing::Group* group,
                  const Incident* incident) const;
  void write_records();
  void follow_receivers();
  std::optional<base::WallTime> due(const Incident& incident) const;
  Incident* find(const std::string& id);
  const routing::Group* group_of(const Incident& incident) const;
  void follow_groups();

  IncidentSettings settings_;
  AddressBook addresses_;
  routing::Pipeline pipeline_;
  IncidentTable incidents_;
  std::unordered_map<std::int64_t, std::set<std::int64_t>> parts_;  ///< What is merged into it.
  /// By the hash of a label ("host", "db1"): the newest of those that have it, oldest first.
  std::unordered_map<std::uint64_t, std::vector<std::int64_t>> by_label_;
  std::unordered_map<std::string, std::deque<base::WallTime>> openings_;  ///< By receiver.
  std::unordered_map<std::string, std::int64_t> storms_;                  ///< By receiver.
  std::deque<Change> changes_;                                            ///< Oldest first.
  std::uint64_t changes_added_ = 0;
  std::vector<oncall::Override> overrides_;          ///< Not those of the configuration.
  std::map<std::string, base::WallTime> handovers_;  ///< Told last, by schedule.
  std::optional<base::WallTime> handovers_due_;
  bool handovers_looked_at_ = false;
  Reviews reviews_;
  std::map<std::string, MaintenanceTold> maintenance_told_;  ///< By name.
  std::optional<base::WallTime> maintenance_due_;
  bool maintenance_looked_at_ = false;
  std::int64_t last_number_ = 1000;
  DecisionKeeper keeper_;
  base::WallTime grace_until_{};

  TimerPlan timers_;
  bool look_at_all_ = false;  ///< In the next step: more changed than single incidents.

  // Of the step that runs.
  base::WallTime now_{};
  StepResult result_;
  NumberSet changed_;
  StepLooks looks_;
  std::set<std::int64_t> alarmed_;                        ///< Incidents whose fallback was told.
  std::unordered_map<std::int64_t, Addresses> told_now_;  ///< Who was told of an incident.
};

}  // namespace tocsin::incident
