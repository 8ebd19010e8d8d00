// The answers of a Prometheus-compatible query API, as typed values.
//
// Answers run to hundreds of megabytes (a backtest's), so they are read by events straight from the
// body into samples, never as a tree of JSON values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/engine.h"
#include "common/base/result.h"

namespace tocsin::datasource {

/// A good answer. A scalar is one element without labels; a text has no elements.
struct QueryAnswer {
  std::string type;       ///< "vector", "matrix", "scalar" or "string".
  promql::Matrix series;  ///< A vector's elements have one sample each.
  std::vector<std::string> warnings;
  bool partial = false;  ///< VictoriaMetrics' isPartial: some storage nodes did not answer.

  promql::Vector vector() const;
  std::size_t points() const;
};

/// Reads the body of a good answer. Errors: Corruption (not what the API answers; says where).
base::Result<QueryAnswer> read_query_answer(std::string_view body);

/// Returns "errorType: error" of the body of a bad answer, at most 300 bytes; "" if it is none.
std::string read_query_error(std::string_view body);

/// Seconds since 1970 with milliseconds, as the API takes them.
std::string api_time(base::WallTime time);

}  // namespace tocsin::datasource
