// The engine's state: back from the store, into the store, and under a new configuration.
#include <algorithm>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"
#include "alertd/incident/routing_codec.h"

namespace tocsin::incident {

using base::WallTime;

void Engine::write_records() {
  const routing::Dirty dirty = pipeline_.take_dirty();
  StateChange& change = result_.change;
  write_routing_records(dirty);
  change.alerts_upsert.reserve(dirty.alerts.size());
  change.groups_upsert.reserve(dirty.groups.size());
  change.incidents_upsert.reserve(changed_.in_order().size());
  for (const routing::AlertEntry* entry : dirty.alerts) {
    change.alerts_upsert.push_back(alert_record(entry->alert, entry->fingerprint));
  }
  for (const routing::Fingerprint fingerprint : dirty.alerts_gone) {
    change.alerts_delete.push_back(alert_key(fingerprint));
  }
  for (const routing::Group* group : dirty.groups) {
    change.groups_upsert.push_back(group_record(*group));
  }
  for (const std::string& key : dirty.groups_gone) {
    change.groups_delete.push_back(key);
    keeper_.forget(key);
    if (Incident* incident = incidents_.of_group(key)) incident->group = nullptr;
  }
  for (const std::int64_t number : changed_.in_order()) {
    Incident& incident = incidents_.at(number);
    incident.events_stored =
        std::max(incident.events_stored, incident.events + incident.reports_awaited);
    change.incidents_upsert.push_back(incident_record(incident));
  }
}

std::vector<base::Error> Engine::restore(const LoadedState& state, WallTime now) {
  std::vector<base::Error> errors;
  const auto read = [&errors](const auto& records, auto decode, auto keep) {
    for (const auto& record : records) {
      auto value = decode(record);
      if (value) {
        keep(std::move(*value));
      } else {
        errors.push_back(value.error());
      }
    }
  };
  routing::StoredRouting stored;
  read(state.alerts, alert_from_record,
       [&](auto alert) { stored.alerts.push_back(std::move(alert)); });
  read(state.groups, group_from_record,
       [&](auto group) { stored.groups.push_back(std::move(group)); });
  read_routing_records(state.records, stored, errors);
  read(state.incidents, incident_from_record, [&](Incident incident) {
    const std::int64_t number = incident.number;
    if (incidents_.find(number)) return;
    if (incident.merged_into != 0) parts_[incident.merged_into].insert(number);
    incidents_.add(std::move(incident));
  });
  last_number_ = std::max(last_number_, state.last_incident_number);
  if (!incidents_.empty()) last_number_ = std::max(last_number_, incidents_.rbegin()->number);
  grace_until_ = now + settings_.startup_grace;
  pipeline_.restore(std::move(stored), now, grace_until_);
  restore_kept(state, errors);
  follow_receivers();
  for (const Incident& incident : incidents_) plan(incident.number);
  look_at_all_ = true;
  return errors;
}

void Engine::clock_jumped(WallTime now) {
  grace_until_ = now + settings_.startup_grace;
  pipeline_.hold_timeouts(grace_until_);
  look_at_all_ = true;
}

void Engine::reload(routing::Routing routing, IncidentSettings settings, WallTime now) {
  settings_ = std::move(settings);
  addresses_ = AddressBook(settings_.receivers);
  for (const oncall::Override& over : overrides_) settings_.directory.put_override(over);
  handovers_looked_at_ = false;
  maintenance_looked_at_ = false;
  pipeline_.set_routing(std::move(routing), now);
  follow_receivers();
  look_at_all_ = true;
}

void Engine::follow_receivers() {
  for (Incident& incident : incidents_) {
    incident.group = nullptr;  // the configuration may have made other groups
    const routing::Group* group = group_of(incident);
    if (group) incident.receiver = group->receiver;
  }
}

}  // namespace tocsin::incident
