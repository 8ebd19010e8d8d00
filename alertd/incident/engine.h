// The incident engine: pure steps from alerts, commands and time to one durable change.
//
//   alerts -> routing::Pipeline -> decisions -> incidents -> messages for each channel (outbox
//   rows)
//
// Same inputs, same clock, same start: same change, with the same delivery keys. That is what makes
// a crash before the commit harmless: the step is simply made again. The shell around it
// (dispatcher.h) owns queue, timer and store.
#pragma once

#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "alertd/incident/incident.h"
#include "alertd/incident/notification_builder.h"
#include "alertd/routing/pipeline.h"

namespace tocsin::incident {

/// What a person does to an incident.
struct Command {
  enum class Kind { Acknowledge, Unacknowledge, Resolve, Comment };
  Kind kind = Kind::Acknowledge;
  std::string incident_id;
  std::string actor;    ///< Never empty.
  std::string comment;  ///< At most 4 KiB.
  std::optional<base::Duration>
      expires_in;  ///< Acknowledge only; default by severity, at most 7 days.
};

/// How a delivery ended, as the notifier tells it.
struct DeliveryReport {
  std::string incident_id;
  std::string receiver;
  std::string channel;
  NotificationKind kind = NotificationKind::Firing;
  DeliveryState state = DeliveryState::Delivered;  ///< Delivered, Dead or Superseded.
  std::uint32_t attempts = 1;
  std::string text;
  std::uint64_t sequence = 0;  ///< Of the message.
};

struct StepInput {
  std::span<const model::Alert> alerts;
  std::span<const Command> commands;
  std::span<const DeliveryReport> reports;
  std::span<const routing::Edit> edits = {};
};

/// A decision, for counting.
struct Decided {
  Reason reason = Reason::Unchanged;
  bool sent = false;
};

struct StepResult {
  StateChange change;                                 ///< Commit it; empty: nothing to commit.
  std::vector<base::Result<IncidentRecord>> replies;  ///< One for each command, in order.
  std::vector<Decided> decisions;
  std::vector<base::Result<std::string>> edit_replies;  ///< One for each edit, in order.
};

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
  const std::map<std::int64_t, Incident>& incidents() const { return incidents_; }
  const IncidentSettings& settings() const { return settings_; }
  /// Returns the group's incident (also a resolved one that may be reopened) or nullptr.
  const Incident* incident_of(const std::string& group_key) const;

 private:
  struct Message {
    NotificationKind kind = NotificationKind::Update;
    Reason reason = Reason::Unchanged;
    AlertSet alerts;
    Addresses also;  ///< Of a step's message: told besides those of the step.
  };

  void on_send(const routing::Action& action);
  void on_send_to_integration(const routing::Action& action);
  void apply_edits(std::span<const routing::Edit> edits);
  void write_routing_records(const routing::Dirty& dirty);
  static void read_routing_records(const LoadedState& state, routing::StoredRouting& stored,
                                   std::vector<base::Error>& errors);
  void on_all_resolved(const routing::Action& action, Incident* incident);
  void on_firing(const routing::Action& action, Incident* incident);
  Incident& open(const routing::Action& action, const Incident* previous);
  base::Result<IncidentRecord> on_command(const Command& command);
  base::Result<void> apply(const Command& command, Incident& incident);
  base::Result<void> apply_acknowledge(const Command& command, Incident& incident);
  base::Result<void> apply_resolve(const Command& command, Incident& incident);
  void on_report(const DeliveryReport& report);
  void on_step_report(Incident& incident, const DeliveryReport& report);
  void run_timers();
  void run_timer(Incident& incident);

  // Who is told what; engine_escalation.cc.
  void tell_begin(Incident& incident, Message message);
  void tell_update(Incident& incident, Message message);
  void tell_told(Incident& incident, Message message);
  void tell_resolved(Incident& incident, Reason reason, AlertSet alerts);
  Message update_message(const Incident& incident, Reason reason) const;
  Reason step_reason(const Incident& incident) const;
  const Policy* policy_for(const Incident& incident) const;
  bool begin_escalation(Incident& incident);
  bool raise_escalation(Incident& incident, bool was_acknowledged);
  bool escalates(const Incident& incident) const;
  void escalate(Incident& incident);
  void run_due(Incident& incident);
  void run_step(Incident& incident, Message message);
  void tell_waiting(Incident& incident);
  void alarm_fallback(Incident& incident, Reason reason);
  void set_due(Incident& incident);
  void stop_escalation(Incident& incident);
  void resume(Incident& incident, Reason reason);

  Addresses route_addresses(const Incident& incident) const;
  Addresses told(const Incident& incident) const;
  std::vector<Address> in_order(const Addresses& addresses) const;
  void notify(Incident& incident, Message message, const Addresses& addresses);
  AlertSet alerts_of(const std::string& group_key) const;
  void decided(Reason reason, bool sent) { result_.decisions.push_back({reason, sent}); }
  void write_records();
  void follow_receivers();
  std::optional<base::WallTime> due(const Incident& incident) const;
  Incident* find(const std::string& id);

  IncidentSettings settings_;
  routing::Pipeline pipeline_;
  std::map<std::int64_t, Incident> incidents_;
  std::unordered_map<std::string, std::int64_t> by_group_;
  std::int64_t last_number_ = 1000;
  base::WallTime grace_until_{};

  // Of the step that runs.
  base::WallTime now_{};
  StepResult result_;
  std::set<std::int64_t> changed_;
  std::set<std::int64_t> alarmed_;  ///< Incidents whose fallback was told.
};

}  // namespace tocsin::incident
