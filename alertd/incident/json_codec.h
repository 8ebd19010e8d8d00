// Bodies of alerts, groups and incidents as releases up to schema 5 wrote them: JSON texts, only
// read. record_codec.h is what everybody else uses.
#pragma once

#include "alertd/incident/incident.h"
#include "alertd/routing/group.h"

namespace tocsin::incident {

/// Errors of all: Corruption (names the field).
base::Result<model::Alert> alert_from_json(std::string_view body);
/// Without its key.
base::Result<routing::Group> group_from_json(std::string_view body);
/// Reads what has no column of its own.
base::Result<void> read_incident_json(std::string_view body, Incident& incident);

}  // namespace tocsin::incident
