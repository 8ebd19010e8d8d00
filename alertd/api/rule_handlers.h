// Rules and their alerts, in the formats of Prometheus's HTTP API.
#pragma once

#include "alertd/api/router.h"
#include "alertd/api/views.h"

namespace tocsin::api {

/// /api/v1/rules (with type, rule_name[], rule_group[], file[], exclude_alerts) and /api/v1/alerts.
class RuleHandlers {
 public:
  explicit RuleHandlers(const RuleView& rules) : rules_(rules) {}

  void rules(ApiCall call) const;
  void alerts(ApiCall call) const;

 private:
  const RuleView& rules_;
};

}  // namespace tocsin::api
