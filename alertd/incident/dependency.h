// Which incident is probably the cause of another: by what services are declared to need.
//
//   [[dependency]]
//   service = "web"
//   needs = ["postgres", "redis"]
//
// An alert belongs to a service by its label service, app or job, or by the matchers of the
// service. The probable root of an incident is the incident of what it needs, directly or through
// others; of several, the one farthest down, then the one that began first. Pure.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/config/table.h"
#include "common/model/matcher.h"

namespace tocsin::incident {

struct Dependency {
  std::string service;
  std::vector<std::string> needs;
  std::vector<model::Matcher> matchers;  ///< Alerts of the service; none: by its labels.
};

/// What is declared. Value type.
class Dependencies {
 public:
  void add(Dependency dependency);
  bool empty() const { return by_service_.empty(); }

  /// Returns the declared services that alerts with these labels belong to.
  std::set<std::string> services_of(const model::Labels& labels) const;

  /// Returns what the services need, directly or not -> over how many steps at least.
  std::map<std::string, int> needs_of(const std::set<std::string>& services) const;

 private:
  std::map<std::string, Dependency> by_service_;
};

/// An open incident, as far as this question goes.
struct Suspect {
  std::int64_t number = 0;
  std::set<std::string> services;
  base::WallTime opened_at;
};

/// Returns the number of the probable root among `suspects`; 0: none.
std::int64_t probable_root(const Dependencies& dependencies, const std::set<std::string>& services,
                           std::span<const Suspect> suspects);

/// Reads all [[dependency]] of alertd.toml; a circle is an error.
Dependencies read_dependencies(config::Table& root);

}  // namespace tocsin::incident
