// Queries in the formats of Prometheus's HTTP API.
#pragma once

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// /api/v1/query, query_range, query_exemplars, format_query.
class QueryHandlers {
 public:
  struct Limits {
    std::size_t response_bytes_max = 256 << 20;
  };

  QueryHandlers(const model::SeriesSource& source, const base::Clock& clock, QueryRunner& runner,
                const promql::EngineOptions& engine, const promql::ParseOptions& parse,
                const Limits& limits)
      : source_(source),
        clock_(clock),
        runner_(runner),
        engine_(engine),
        parse_(parse),
        limits_(limits) {}

  void query(ApiCall call) const;
  void query_range(ApiCall call) const;
  /// Exemplars are not kept: an expression and times that are right get an empty list.
  void query_exemplars(ApiCall call) const;
  void format_query(ApiCall call) const;

 private:
  struct Request;
  using Evaluate = std::function<base::Result<promql::QueryResult>(
      const promql::Engine& engine, const model::SeriesSource& source, const promql::Expr& expr,
      const QueryRunner::Cancelled& cancelled)>;
  base::Result<Request> read(const net::ServerRequest& request) const;
  void run(ApiCall call, Request request, Evaluate evaluate) const;

  const model::SeriesSource& source_;
  const base::Clock& clock_;
  QueryRunner& runner_;
  const promql::EngineOptions engine_;
  const promql::ParseOptions parse_;
  const Limits limits_;
};

}  // namespace tocsin::api
