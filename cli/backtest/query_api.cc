#include "cli/backtest/query_api.h"

#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::backtest {
namespace {

/// What the server's words mean for the one who asked.
base::ErrorCode code_of(const cli::ApiAnswer& answer) {
  const auto says = [&](std::string_view part) {
    return answer.error.find(part) != std::string::npos;
  };
  if (answer.error_type == "timeout" || says("timed out")) return base::ErrorCode::Timeout;
  if (answer.error_type == "limit_exceeded") return base::ErrorCode::LimitExceeded;
  if (answer.exit_code == cli::kUnreachable) return base::ErrorCode::Unavailable;
  for (const char* limit : {"too many samples", "limit", "exceeded", "larger than"}) {
    if (says(limit)) return base::ErrorCode::LimitExceeded;
  }
  if (answer.error_type == "unavailable") return base::ErrorCode::Unavailable;
  return base::ErrorCode::InvalidArgument;
}

}  // namespace

QueryApi QueryApi::of_datasource(const std::string& name) const {
  QueryApi other(api_);
  if (!name.empty()) {
    other.instant_path_ = "/api/v1/datasource/" + net::percent_encode(name) + "/query";
  }
  return other;
}

base::Result<QueryAnswer> QueryApi::ask(cli::ApiRequest request) {
  ++queries_;
  request.method = "POST";  // an expression may be longer than a URL
  request.form = true;
  request.whole = true;
  const cli::ApiAnswer answer = api_.call(request);
  if (answer.exit_code != cli::kOk) return base::error(code_of(answer), answer.error);
  return read_query_answer(answer.data);
}

// nocache: without it VictoriaMetrics moves times to multiples of the step, and they would be no
// slot of ours. Others do not know it and pass it over.
base::Result<QueryAnswer> QueryApi::instant(const std::string& expr, base::WallTime at) {
  cli::ApiRequest request;
  request.path = instant_path_;
  request.query = {{"query", expr}, {"time", api_time(at)}, {"nocache", "1"}};
  return ask(std::move(request));
}

base::Result<QueryAnswer> QueryApi::range(const std::string& expr, base::WallTime begin,
                                          base::WallTime end, base::Duration step) {
  cli::ApiRequest request;
  request.path = "/api/v1/query_range";
  request.query = {{"query", expr},
                   {"start", api_time(begin)},
                   {"end", api_time(end)},
                   {"step", base::format_double(static_cast<double>(step.count()) / 1000)},
                   {"nocache", "1"}};
  return ask(std::move(request));
}

}  // namespace tocsin::backtest
