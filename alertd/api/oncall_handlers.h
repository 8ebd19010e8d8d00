// On-call schedules and announced changes over HTTP.
#pragma once

#include "alertd/api/oncall_views.h"
#include "alertd/api/router.h"

namespace tocsin::api {

/// /api/v1/oncall, /api/v1/oncall/shifts, /api/v1/oncall/overrides, /api/v1/changes.
class OnCallHandlers {
 public:
  OnCallHandlers(OnCallView& view, const base::Clock& clock) : view_(view), clock_(clock) {}

  /// Returns the routes; this object outlives them.
  std::vector<Route> routes() const;

 private:
  void on_call(ApiCall call) const;
  void shifts(ApiCall call) const;
  void put_override(ApiCall call) const;
  void remove_override(ApiCall call) const;
  void add_change(ApiCall call) const;
  void changes(ApiCall call) const;

  OnCallView& view_;
  const base::Clock& clock_;
};

}  // namespace tocsin::api
