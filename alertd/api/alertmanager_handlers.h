// Alertmanager's API v2: what Prometheus, vmalert, Grafana and amtool ask of an Alertmanager.
//
// Source of fields, filters and error shapes: shared/reference/routing.md, section 1, "API v2".
#pragma once

#include "alertd/api/alertmanager_ingest.h"
#include "alertd/api/alertmanager_views.h"
#include "alertd/api/router.h"
#include "common/base/clock.h"

namespace tocsin::api {

/// /api/v2/status, receivers, alerts, alerts/groups, silences and silence/{id}.
class AlertmanagerHandlers {
 public:
  struct Options {
    base::WallTime started_at;
    std::string revision;
    model::Severity severity_default = model::Severity::Medium;
    AlertLimits limits;
  };
  AlertmanagerHandlers(AlertmanagerView& view, const base::Clock& clock, base::Metrics& metrics,
                       Options options);

  /// The routes, `read` and `write` being who may use them.
  std::vector<Route> routes(Access read, Access write) const;

  void status(ApiCall call) const;
  void receivers(ApiCall call) const;
  void alerts(ApiCall call) const;
  void post_alerts(ApiCall call) const;
  void groups(ApiCall call) const;
  void silences(ApiCall call) const;
  void post_silence(ApiCall call) const;
  void silence(ApiCall call) const;
  void expire_silence(ApiCall call) const;

 private:
  AlertmanagerView& view_;
  const base::Clock& clock_;
  Options options_;
  mutable base::Counter received_;
  mutable base::Counter invalid_;
  mutable base::Counter refused_;
};

}  // namespace tocsin::api
