// The query API of a Prometheus-compatible server, asked through the command line's client.
#pragma once

#include <string>

#include "alertd/datasource/query_answer.h"
#include "cli/api_client.h"
#include "common/base/result.h"

namespace tocsin::backtest {

using datasource::api_time;
using datasource::QueryAnswer;
using datasource::read_query_answer;

/// Thread: one. `api` outlives it.
class QueryApi {
 public:
  explicit QueryApi(cli::ApiClient& api) : api_(api) {}

  /// Returns one whose instant queries the server passes on to its datasource of that name; "" is
  /// the server itself.
  QueryApi of_datasource(const std::string& name) const;

  /// Errors: Unavailable (no answer), Timeout, LimitExceeded (the server says it is too much),
  /// InvalidArgument (it does not take the expression, or evaluating failed).
  base::Result<QueryAnswer> instant(const std::string& expr, base::WallTime at);
  base::Result<QueryAnswer> range(const std::string& expr, base::WallTime begin, base::WallTime end,
                                  base::Duration step);

  std::size_t queries() const { return queries_; }

 private:
  base::Result<QueryAnswer> ask(cli::ApiRequest request);

  cli::ApiClient& api_;
  std::string instant_path_ = "/api/v1/query";
  std::size_t queries_ = 0;
};

}  // namespace tocsin::backtest
