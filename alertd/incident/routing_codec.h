// What routing keeps beside alerts and groups, as records of the state store: silences, maintenance
// windows, Alertmanager's notification log.
#pragma once

#include "alertd/incident/state_change.h"
#include "alertd/routing/pipeline_values.h"

namespace tocsin::incident {

// Kinds of records.
inline constexpr std::string_view kSilenceKind = "silence";
inline constexpr std::string_view kMaintenanceKind = "maintenance";
inline constexpr std::string_view kNotifyLogKind = "notify_log";

KeptRecord silence_record(const routing::Silence& silence);
KeptRecord maintenance_record(const routing::Maintenance& maintenance);
KeptRecord notify_log_record(const routing::LoggedNotification& entry);

/// Errors of all: Corruption (names the field).
base::Result<routing::Silence> silence_from_record(const KeptRecord& record);
base::Result<routing::Maintenance> maintenance_from_record(const KeptRecord& record);
base::Result<routing::LoggedNotification> notify_log_from_record(const KeptRecord& record);

/// Takes those of `records` that are routing's; what cannot be read goes to `errors`.
void read_routing_records(const std::vector<KeptRecord>& records, routing::StoredRouting& stored,
                          std::vector<base::Error>& errors);

}  // namespace tocsin::incident
