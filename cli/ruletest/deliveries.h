// What people would have been told: incidents and deliveries, as the state store has them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/incident/fake_state_store.h"
#include "alertd/incident/incident.h"
#include "alertd/promql/engine.h"
#include "cli/ruletest/result.h"
#include "cli/ruletest/scenario.h"

namespace tocsin::ruletest {

/// An incident and every alert that a message of it named.
struct SeenIncident {
  incident::Incident incident;
  std::set<model::Labels> alerts;

  /// Returns whether it is about such an alert; before the first message its group's labels count.
  bool about(const AlertSelector& alert) const;
};

/// Returns all incidents, by number.
std::vector<SeenIncident> incidents(const incident::FakeStateStore::Disk& disk);
std::vector<std::string> describe(const std::vector<SeenIncident>& incidents, base::WallTime start);

/// A message that its receiver took.
struct Delivery {
  base::Duration at{0};  ///< Since the start.
  incident::Notification notification;
};

/// Returns all deliveries in order of time.
std::vector<Delivery> deliveries(const incident::FakeStateStore::Disk& disk, base::WallTime start);

void check_incident(const IncidentCheck& check, const std::vector<SeenIncident>& incidents,
                    base::WallTime start, std::vector<Finding>& failures);

/// Holds all of the test's assertions about notifications; what none of them is about is a failure
/// too, unless the test has no such assertion or allows it.
void check_notifications(const TestCase& test, const std::vector<Delivery>& deliveries,
                         std::vector<Finding>& failures);

/// Reads an answer of the query API. Errors: InvalidArgument (what the API says).
base::Result<promql::QueryResult> read_query_answer(const std::string& body);

}  // namespace tocsin::ruletest
