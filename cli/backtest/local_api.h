// A query API without a server, for tests: answers from series at hand, as alertd would.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "alertd/api/json.h"
#include "alertd/promql/test_source.h"
#include "cli/api_client.h"
#include "common/base/strings.h"

namespace tocsin::backtest {

class LocalApi final : public cli::ApiClient {
 public:
  promql::TestSource source;
  std::string rules = R"({"groups":[]})";       ///< What /api/v1/rules answers.
  std::map<std::string, std::string> failures;  ///< Query text -> the error it gives.
  std::size_t points_max = 11'000;              ///< A range query of more steps is refused.
  bool away = false;                            ///< Nobody answers.
  std::vector<std::string> asked;

  cli::ApiAnswer call(const cli::ApiRequest& request) override {
    if (away) return {cli::kUnreachable, "nobody there", "", {}, "unavailable"};
    if (request.path == "/api/v1/rules") return {cli::kOk, "", rules, {}};
    std::map<std::string, std::string> parameters(request.query.begin(), request.query.end());
    const std::string& text = parameters["query"];
    asked.push_back(text);
    if (failures.contains(text)) return refuse(failures[text], "execution");
    const promql::Parsed parsed = promql::parse(text);
    if (!parsed.expr) return refuse(parsed.errors.front().message, "bad_data");
    const promql::Engine engine;
    base::Result<promql::QueryResult> result =
        request.path == "/api/v1/query"
            ? engine.instant(source, *parsed.expr, time_of(parameters["time"]))
            : range(engine, *parsed.expr, parameters);
    if (!result) {
      const bool limit = result.error().code == base::ErrorCode::LimitExceeded;
      return refuse(result.error().message, limit ? "limit_exceeded" : "execution");
    }
    const auto data = api::query_data(*result, kAnswerBytesMax);
    if (!data) return refuse(data.error().message, "execution");
    return {cli::kOk, "", R"({"status":"success","data":)" + *data + "}", {}};
  }

 private:
  static constexpr std::size_t kAnswerBytesMax = 64U << 20U;

  static cli::ApiAnswer refuse(std::string error, std::string type) {
    return {cli::kNegative, std::move(error), "", {}, std::move(type)};
  }
  static base::WallTime time_of(const std::string& text) {
    return base::wall_time(std::llround(base::parse_double(text).value_or(0) * 1000));
  }
  base::Result<promql::QueryResult> range(const promql::Engine& engine, const promql::Expr& expr,
                                          std::map<std::string, std::string>& parameters) const {
    const base::WallTime begin = time_of(parameters["start"]);
    const base::WallTime end = time_of(parameters["end"]);
    const base::Duration step = time_of(parameters["step"]) - base::wall_time(0);
    if (static_cast<std::size_t>((end - begin) / step) + 1 > points_max) {
      return base::error(base::ErrorCode::LimitExceeded, "exceeded maximum resolution");
    }
    return engine.range(source, expr, begin, end, step);
  }
};

}  // namespace tocsin::backtest
