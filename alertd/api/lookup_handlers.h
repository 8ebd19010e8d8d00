// Which series, labels and values there are, in the formats of Prometheus's HTTP API.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// /api/v1/labels, label/<name>/values, series.
///
/// Labels and their values are those of the whole retention, or with `start` or `end` those of
/// series that may have a sample in between; series are those of the last day if neither is given.
class LookUpHandlers {
 public:
  LookUpHandlers(const model::SeriesSource& source, const base::Clock& clock, QueryRunner& runner,
                 const promql::ParseOptions& parse)
      : source_(source), clock_(clock), runner_(runner), parse_(parse) {}

  void labels(ApiCall call) const;
  /// A name that begins with U__ is escaped: U__http_2e_status is `http.status`.
  void label_values(ApiCall call) const;
  void series(ApiCall call) const;

 private:
  /// What labels() and label_values() ask for: all names, or the values of one label.
  struct LookUp {
    std::optional<std::string> label;
    std::optional<std::pair<base::WallTime, base::WallTime>> range;
  };
  using Texts = std::set<std::string, std::less<>>;
  void look_up(ApiCall call, LookUp wanted) const;
  base::Result<void> find_texts(const LookUp& wanted, std::span<const model::Matcher> matchers,
                                const QueryRunner::Cancelled& cancelled, Texts& texts) const;

  const model::SeriesSource& source_;
  const base::Clock& clock_;
  QueryRunner& runner_;
  const promql::ParseOptions parse_;
};

/// Undoes the escaping of names that are not [a-zA-Z_][a-zA-Z0-9_]* for places where nothing else
/// may stand; a text that is not escaped stays. Source: Prometheus, "UTF-8 in Prometheus", values
/// escaping.
std::string unescape_name(std::string_view name);

}  // namespace tocsin::api
