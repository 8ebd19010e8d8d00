// The query API of a Prometheus-compatible server, with typed answers.
//
// Answers of a backtest run to hundreds of megabytes, so they are read by events straight from the
// body into samples, never as a tree of JSON values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/engine.h"
#include "cli/api_client.h"
#include "common/base/result.h"

namespace tocsin::backtest {

/// A good answer. A scalar is one element without labels; a text has no elements.
struct QueryAnswer {
  std::string type;       ///< "vector", "matrix", "scalar" or "string".
  promql::Matrix series;  ///< A vector's elements have one sample each.
  std::vector<std::string> warnings;

  promql::Vector vector() const;
  std::size_t points() const;
};

/// Reads the body of a good answer. Errors: Corruption (not what the API answers; says where).
base::Result<QueryAnswer> read_query_answer(std::string_view body);

/// Thread: one. `api` outlives it.
class QueryApi {
 public:
  explicit QueryApi(cli::ApiClient& api) : api_(api) {}

  /// Errors: Unavailable (no answer), Timeout, LimitExceeded (the server says it is too much),
  /// InvalidArgument (it does not take the expression, or evaluating failed).
  base::Result<QueryAnswer> instant(const std::string& expr, base::WallTime at);
  base::Result<QueryAnswer> range(const std::string& expr, base::WallTime begin, base::WallTime end,
                                  base::Duration step);

  std::size_t queries() const { return queries_; }

 private:
  base::Result<QueryAnswer> ask(cli::ApiRequest request);

  cli::ApiClient& api_;
  std::size_t queries_ = 0;
};

/// Seconds since 1970 with milliseconds, as the API takes them.
std::string api_time(base::WallTime time);

}  // namespace tocsin::backtest
