// Who sends us samples, in the shape of Prometheus's targets.
//
// Nothing is scraped here: agents push, and say of what they scraped whether it was up. Two kinds
// of target follow: each agent (pool "agents"; up while it is heard of), and each series `up`
// (pool: its job), whoever wrote it.
#pragma once

#include "alertd/api/federate_handlers.h"
#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/api/views.h"
#include "common/model/series_source.h"

namespace tocsin::api {

class TargetHandlers {
 public:
  TargetHandlers(const model::SeriesSource& source, AgentDirectory& agents,
                 const base::Clock& clock, QueryRunner& runner, const ExportOptions& options)
      : source_(source),
        agents_(agents),
        clock_(clock),
        runner_(runner),
        lookback_(options.lookback) {}

  /// /api/v1/targets. Parameters: `state` (active, dropped, any), `scrapePool`. None is ever
  /// dropped.
  void targets(ApiCall call) const;
  /// /api/v1/scrape_pools.
  void scrape_pools(ApiCall call) const;

 private:
  struct Target;
  /// Calls `answer` on a query thread with all targets, by pool and labels.
  void collect(ApiCall call,
               std::function<net::ServerResponse(const std::vector<Target>&)> answer) const;
  base::Result<std::vector<Target>> scraped(base::WallTime now,
                                            const QueryRunner::Cancelled& cancelled) const;
  Target target_of(const AgentInfo& agent, base::WallTime now) const;

  const model::SeriesSource& source_;
  AgentDirectory& agents_;
  const base::Clock& clock_;
  QueryRunner& runner_;
  const base::Duration lookback_;
};

}  // namespace tocsin::api
