// Alerts, groups and incidents as the records that the state store keeps. Layout of the bodies:
// record_codec.cc.
#pragma once

#include "alertd/incident/incident.h"
#include "alertd/routing/group.h"

namespace tocsin::incident {

/// Returns the store's key of an alert: 16 hexadecimal digits.
std::string alert_key(routing::Fingerprint fingerprint);

/// `fingerprint` is the alert's, which its owner knows.
Record alert_record(const model::Alert& alert, routing::Fingerprint fingerprint);
Record group_record(const routing::Group& group);
IncidentRecord incident_record(const Incident& incident);

/// Bodies of older releases (JSON) are read too. Errors of all: Corruption.
base::Result<model::Alert> alert_from_record(const Record& record);
base::Result<routing::Group> group_from_record(const Record& record);
base::Result<Incident> incident_from_record(const IncidentRecord& record);

}  // namespace tocsin::incident
