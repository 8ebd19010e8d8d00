// Queries and look-ups over series, in the formats of Prometheus's HTTP API.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// /api/v1/query, query_range, format_query, labels, label/<name>/values, series.
///
/// Labels and their values are those of the whole retention, or with `start` or `end` those of
/// series that may have a sample in between; series are those of the last day if neither is given.
class QueryHandlers {
 public:
  QueryHandlers(const model::SeriesSource& source, const base::Clock& clock, QueryRunner& runner,
                const promql::EngineOptions& engine, const promql::ParseOptions& parse)
      : source_(source), clock_(clock), runner_(runner), engine_(engine), parse_(parse) {}

  void query(ApiCall call) const;
  void query_range(ApiCall call) const;
  void format_query(ApiCall call) const;
  void labels(ApiCall call) const;
  void label_values(ApiCall call) const;
  void series(ApiCall call) const;

 private:
  struct Request;
  base::Result<Request> read(const net::ServerRequest& request) const;
  base::Result<promql::ExprPtr> parse(std::string_view name, std::string_view text) const;
  base::Result<std::vector<std::vector<model::Matcher>>> selectors(
      const net::ServerRequest& request) const;
  /// What labels() and label_values() ask for: all names, or the values of one label.
  struct LookUp {
    std::optional<std::string> label;
    std::optional<std::pair<base::WallTime, base::WallTime>> range;
  };
  void look_up(ApiCall call, LookUp wanted) const;
  base::Result<std::vector<std::string>> find_texts(const LookUp& wanted,
                                                    std::span<const model::Matcher> matchers) const;

  const model::SeriesSource& source_;
  const base::Clock& clock_;
  QueryRunner& runner_;
  const promql::EngineOptions engine_;
  const promql::ParseOptions parse_;
};

}  // namespace tocsin::api
