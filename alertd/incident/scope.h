// How much an incident concerns: hosts, services, environments, and how fast it grows.
//
// Pure; counted from the labels of the firing alerts. What a fleet is, the caller says.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::incident {

/// Labels that name a thing; the first that an alert has counts.
struct ScopeLabels {
  std::vector<std::string> host{"host", "instance", "nodename", "node"};
  std::vector<std::string> service{"service", "app", "job"};
  std::vector<std::string> environment{"environment", "env", "stage"};
};

/// Those of every fleet: the default of ScopeLabels.
const ScopeLabels& usual_labels();

/// A kind of things.
struct ScopePart {
  std::size_t count = 0;
  std::string only;  ///< Its name, if there is one.
};

struct Scope {
  std::size_t alerts = 0;
  ScopePart hosts;
  ScopePart services;
  ScopePart environments;
  std::optional<double> fleet_share;  ///< Of the hosts, 0 to 1; nullopt: the fleet is unknown.
  std::size_t recent = 0;             ///< Alerts that began within kGrowthWindow.
  static constexpr base::Duration kGrowthWindow = std::chrono::minutes(10);
};

/// Measures the firing alerts. `fleet_hosts`: how many hosts there are; 0: unknown.
Scope measure(std::span<const model::Alert> firing, const ScopeLabels& labels,
              std::size_t fleet_hosts, base::WallTime now);

/// Returns one line for people: "12 hosts (4 % of 300), 2 services, prod; 3 more within 10m".
std::string describe(const Scope& scope, std::size_t fleet_hosts);

/// Returns the value of the first label of `names` that the alert has; empty: none.
std::string_view first_label(const model::Labels& labels, const std::vector<std::string>& names);

}  // namespace tocsin::incident
