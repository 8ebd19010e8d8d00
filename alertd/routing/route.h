// The route tree: which receiver an alert goes to, and in which group.
//
// Walked depth first as Alertmanager does: a node matches, then its children are tried in order,
// stopping after the first that matches unless it says `continue`; if no child matched, the node
// itself is the result. So `continue` acts among siblings, and a parent with a matching child gets
// nothing itself. Source: shared/reference/routing.md, section 1, "Routing" and "Group timing".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/routing/alert_labels.h"
#include "common/base/time.h"
#include "common/model/alert.h"
#include "common/model/matcher.h"

namespace tocsin::routing {

/// When a group speaks.
struct Timing {
  base::Duration group_wait{0};  ///< How long a new group waits for company.
  base::Duration group_interval{
      0};  ///< How long a change waits after a notification; at least 1 s.
  base::Duration repeat_interval{0};  ///< When to say the same again; 0: never.
};

/// What applies where the route does not say: the worse, the sooner.
Timing default_timing(model::Severity severity);

/// What a route says about timing; children inherit what they do not say.
struct TimingOverrides {
  std::optional<base::Duration> group_wait;
  std::optional<base::Duration> group_interval;
  std::optional<base::Duration> repeat_interval;
};

/// A node of the tree, with inheritance already applied (route_config.h). Times and `continue` are
/// not inherited.
struct Route {
  std::string
      name;  ///< Stable and unique: part of the group key. Configured, or the path of matchers.
  std::vector<model::Matcher> matchers;
  std::string receiver;
  std::string policy;                 ///< Escalation policy; empty: by severity. Inherited.
  std::vector<std::string> group_by;  ///< Sorted, unique.
  bool group_by_all = false;          ///< group_by = ["..."]
  TimingOverrides timing;
  std::vector<std::string> mute_time_intervals;    ///< Quiet in any of them.
  std::vector<std::string> active_time_intervals;  ///< Speaks in at least one; none: always.
  std::map<std::string, std::string> labels;       ///< For texts; templates in Go's language.
  /// Alertmanager's: the path of matchers, which twins share; its notification log goes by it.
  std::string path;
  bool continues = false;
  std::vector<Route> children;

  /// Returns the timing for a group of this severity.
  Timing timing_for(model::Severity severity) const;
};

/// What one matcher of a node says about the alert.
struct MatcherVerdict {
  std::string matcher;
  std::string value;  ///< Of the label that it looks at; empty: the alert has none.
  bool matched = false;
};

/// One node visited on the way; for `explain`.
struct RouteStep {
  std::string route;
  int depth = 0;
  bool matched = false;
  std::string failed_matcher;            ///< The first that did not match.
  std::vector<MatcherVerdict> matchers;  ///< All of the node's, in order.
};

/// Returns the routes that take the alert, in order; at least the root. `trace` (may be null) gets
/// every node that was looked at.
std::vector<const Route*> walk(const Route& root, const AlertLabels& alert,
                               std::vector<RouteStep>* trace);

/// Returns the route of that name or nullptr.
const Route* find_route(const Route& root, std::string_view name);

/// Returns the labels that name the alert's group under this route.
model::Labels group_labels(const Route& route, const AlertLabels& alert);

/// Returns the identity of a group: "<route name>:<labels>", which is Alertmanager's group key
/// where the name is the path.
std::string group_key(const Route& route, const model::Labels& labels);

/// Returns the identity of the group in which the alerts of a route gather when there are too many.
std::string overflow_key(const std::string& route_name);

}  // namespace tocsin::routing
