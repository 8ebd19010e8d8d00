// Incidents: the list, one with its timeline, and what a person does to it.
#pragma once

#include "alertd/api/router.h"
#include "alertd/api/views.h"

namespace tocsin::api {

/// Answers with the incident and all that is known of it, or with the error.
Done<IncidentInfo> answer_with_incident(net::Respond respond);

/// /api/v1/incidents, /api/v1/incidents/<id>, .../ack and .../resolve.
class IncidentHandlers {
 public:
  IncidentHandlers(IncidentView& view, IncidentCommands& commands)
      : view_(view), commands_(commands) {}

  void list(ApiCall call) const;
  void find(ApiCall call) const;
  void acknowledge(ApiCall call) const;
  void resolve(ApiCall call) const;

 private:
  IncidentView& view_;
  IncidentCommands& commands_;
};

}  // namespace tocsin::api
