// What this server is and runs with, in the shapes of Prometheus's status endpoints: clients decide
// by them what they may ask.
#pragma once

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/api/views.h"

namespace tocsin::api {

/// /api/v1/status/{buildinfo,runtimeinfo,config,flags} and /api/v1/alertmanagers.
class ServerHandlers {
 public:
  ServerHandlers(const StatusView& status, const base::Clock& clock, QueryRunner& runner)
      : status_(status), clock_(clock), runner_(runner) {}

  void build_info(ApiCall call) const;
  void runtime_info(ApiCall call) const;
  /// The configuration as YAML, because the key says so, and without secrets.
  void config(ApiCall call) const;
  void flags(ApiCall call) const;
  void alertmanagers(ApiCall call) const;

 private:
  const StatusView& status_;
  const base::Clock& clock_;
  QueryRunner& runner_;
};

}  // namespace tocsin::api
