// Which metrics, labels, values, hosts and agents have most series.
#pragma once

#include <vector>

#include "alertd/api/router.h"
#include "alertd/api/views.h"
#include "common/model/cardinality.h"

namespace tocsin::api {

struct CardinalityReport {
  model::Cardinality store;
  std::vector<model::Counted> series_by_agent;  ///< Written since the start; the largest first.
};

class CardinalityView {
 public:
  virtual ~CardinalityView() = default;
  /// The `limit` largest of each kind; counted somewhere else than on the caller's thread.
  virtual void count(std::size_t limit, Done<CardinalityReport> done) = 0;
};

/// GET /api/v1/status/tsdb: Prometheus's shape with `seriesCountByHost` and `seriesCountByAgent`
/// besides; `limit` is 1 to 10000, 10 if it is not given. Source: Prometheus, HTTP API, "TSDB
/// Stats".
std::vector<Route> cardinality_routes(CardinalityView& view);

}  // namespace tocsin::api
