// What people do to incidents beyond acknowledging and resolving; one row of a table an action.
#pragma once

#include <string_view>

#include "alertd/api/router.h"
#include "alertd/api/views.h"

namespace tocsin::api {

/// POST /api/v1/incidents (made by hand) and POST /api/v1/incidents/<id>/<action>.
class IncidentCommandHandlers {
 public:
  explicit IncidentCommandHandlers(IncidentCommands& commands) : commands_(commands) {}

  /// Returns the routes; this object outlives them.
  std::vector<Route> routes() const;

 private:
  struct Action;
  void run(const Action& action, ApiCall call) const;

  IncidentCommands& commands_;
};

}  // namespace tocsin::api
