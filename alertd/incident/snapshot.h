// What is durable, at one moment, as values: for the API, peers, and whoever shows it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/audience.h"
#include "alertd/incident/change.h"
#include "alertd/incident/incident.h"
#include "alertd/incident/review.h"
#include "alertd/oncall/schedule.h"
#include "alertd/routing/pipeline.h"

namespace tocsin::incident {

/// By the incident's number; shared, because only a few change at a time.
using Reviews = std::map<std::int64_t, std::shared_ptr<const Review>>;

/// An alert as the API shows it.
struct AlertView {
  model::Alert alert;
  bool resolved = false;
  struct InGroup {
    std::string group_key;
    std::string receiver;
    std::string incident_id;  ///< Empty while nothing was sent.
    routing::Mute mute;       ///< The group's route is quiet now.
  };
  std::vector<InGroup> groups;
  routing::Suppression suppression;  ///< Why it is not told of although it fires.
};

/// An incident as the API shows it; history and deliveries come from the store.
struct IncidentView {
  Incident incident;
  std::size_t firing = 0;
  std::size_t resolved = 0;
};

/// A group as the API shows it; its alerts name it by its key.
struct GroupView {
  std::string key;
  std::string route;
  std::string receiver;
  model::Labels labels;
};

/// What people wrote and planned.
struct Written {
  std::vector<routing::Maintenance> maintenances;       ///< By name.
  Reviews reviews;                                      ///< Of incidents, by number.
  std::shared_ptr<const Communication> communication =  ///< Never null.
      std::make_shared<const Communication>();
};

/// What is durable, at one moment.
struct Snapshot : Written {
  base::WallTime at;
  bool deciding = false;                   ///< Else this daemon stands by, or is starting.
  std::vector<IncidentView> incidents;     ///< By number; unresolved and recently resolved ones.
  std::vector<AlertView> alerts;           ///< By labels.
  std::vector<routing::Silence> silences;  ///< By id; those that are over too.
  std::vector<GroupView> groups;           ///< By labels, then receiver.
  std::map<std::string, oncall::Schedule> schedules;  ///< With the overrides of persons.
  std::vector<Change> changes;                        ///< Oldest first.
};

}  // namespace tocsin::incident
