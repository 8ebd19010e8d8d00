// Rules and their alerts, in the formats of Prometheus's HTTP API.
#pragma once

#include "alertd/api/router.h"
#include "alertd/api/views.h"
#include "alertd/promql/engine.h"

namespace tocsin::api {

/// /api/v1/rules (with type, rule_name[], rule_group[], file[], match[], exclude_alerts,
/// group_limit and group_next_token) and /api/v1/alerts.
class RuleHandlers {
 public:
  RuleHandlers(const RuleView& rules, const promql::ParseOptions& parse)
      : rules_(rules), parse_(parse) {}

  void rules(ApiCall call) const;
  void alerts(ApiCall call) const;

 private:
  const RuleView& rules_;
  const promql::ParseOptions parse_;
};

}  // namespace tocsin::api
