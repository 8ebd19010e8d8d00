// The engine's half that serves routing: edits of silences and maintenance, what routing keeps, and
// messages for one integration as Alertmanager's configuration wants them.
#include <fmt/format.h>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"
#include "alertd/incident/routing_codec.h"

namespace tocsin::incident {

using base::Result;
using base::WallTime;

namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

/// Returns the line of the audit trail; nullopt for what peers tell.
std::optional<AuditRecord> audit_of(const routing::Edit& edit, const std::string& answer) {
  AuditRecord line;
  const bool by_person = std::visit(
      Overloaded{
          [&](const routing::SetSilence& set) {
            line = {
                {},
                set.silence.created_by,
                "api",
                "silence.set",
                "silence:" + answer,
                fmt::format("{} until {}: {}", routing::describe_matchers(set.silence.matcher_sets),
                            base::format_rfc3339(set.silence.ends_at), set.silence.comment)};
            return true;
          },
          [&](const routing::ExpireSilence& expire) {
            line = {{}, expire.actor, "api", "silence.expire", "silence:" + answer, ""};
            return true;
          },
          [&](const routing::SetMaintenance& set) {
            line = {{},
                    set.maintenance.created_by,
                    "api",
                    "maintenance.set",
                    "maintenance:" + answer,
                    fmt::format("{}: {}", routing::describe_matchers(set.maintenance.matcher_sets),
                                set.maintenance.comment)};
            return true;
          },
          [&](const routing::EndMaintenance& end) {
            line = {{}, end.actor, "api", "maintenance.end", "maintenance:" + answer, ""};
            return true;
          },
          [](const routing::MergeSilences&) { return false; },
          [](const routing::MergeNotifyLog&) { return false; }},
      edit);
  return by_person ? std::optional(std::move(line)) : std::nullopt;
}

template <class Keys, class Find, class Encode>
void keep(StateChange& change, const Keys& keys, std::string_view kind, Find find, Encode encode) {
  for (const std::string& key : keys) {
    if (const auto* value = find(key)) {
      change.records_upsert.push_back(encode(*value));
    } else {
      change.records_delete.push_back({std::string(kind), key});
    }
  }
}

}  // namespace

void Engine::apply_edits(std::span<const routing::Edit> edits) {
  if (!edits.empty()) maintenance_looked_at_ = false;
  for (const routing::Edit& edit : edits) {
    Result<std::string> answer = pipeline_.apply(edit, now_);
    if (answer) {
      if (auto line = audit_of(edit, *answer)) {
        line->at = now_;
        result_.change.audit.push_back(std::move(*line));
      }
    }
    result_.edit_replies.push_back(std::move(answer));
  }
}

void Engine::write_routing_records(const routing::Dirty& dirty) {
  StateChange& change = result_.change;
  keep(
      change, dirty.silences, kSilenceKind,
      [this](const std::string& id) { return pipeline_.silences().find(id); }, silence_record);
  keep(
      change, dirty.maintenances, kMaintenanceKind,
      [this](const std::string& name) { return pipeline_.maintenances().find(name); },
      maintenance_record);
  const auto& logs = pipeline_.notify_logs().all();
  keep(
      change, dirty.logs, kNotifyLogKind,
      [&logs](const std::string& key) {
        const auto found = logs.find(key);
        return found == logs.end() ? nullptr : &found->second;
      },
      notify_log_record);
}

/// One integration's message. The incident goes along: it opens with the first message, and is over
/// with the first that says so.
void Engine::on_send_to_integration(routing::Action action) {
  Incident* incident = incidents_.of_group(action.group_key());
  NotificationKind kind = NotificationKind::Update;
  if (action.reason == Reason::AllResolved) {
    kind = NotificationKind::Resolved;
    // Nobody knows of an incident if it was told before the mode was changed.
    if (!incident) incident = &open(action, nullptr);
    if (!incident->resolved()) {
      static_cast<void>(resolve(*incident, now_, "", "", result_.change.events));
    }
  } else {
    const bool old = incident && incident->resolved() &&
                     *incident->resolved_at + settings_.reopen_window <= now_;
    if (!incident || old) {
      incident = &open(action, incident);
    } else if (incident->resolved()) {
      reopen(*incident, now_, std::string(routing::describe(action.reason)), result_.change.events);
    }
    set_severity(*incident, action.severity, now_, result_.change.events);
    if (action.reason == Reason::FirstNotification) kind = NotificationKind::Firing;
  }
  incident->route = action.group->route;
  incident->receiver = action.group->receiver;
  Message message = message_of(action);
  message.kind = kind;
  notify(*incident, std::move(message), {{incident->receiver, action.integration}});
}

}  // namespace tocsin::incident
