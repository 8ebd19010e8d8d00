#include "alertd/app/datasource_routes.h"

#include <cmath>

#include "alertd/api/json.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kExprBytesMax = 64 << 10;
/// Less than the command line waits for us (10 s): what it shows are the engine's own words.
constexpr base::Duration kPatience{8'000};

promql::QueryResult result_of(datasource::QueryAnswer answer) {
  promql::QueryResult result;
  if (answer.type == "matrix") {
    result.value = std::move(answer.series);
  } else if (answer.type == "scalar" && !answer.series.empty()) {
    result.value = promql::Scalar{answer.series.front().samples.back()};
  } else {
    result.value = answer.vector();
  }
  result.warnings = std::move(answer.warnings);
  return result;
}

void ask(const datasource::Datasources& datasources, api::ApiCall call) {
  const auto datasource = datasources.find(call.path.front());
  if (!datasource) {
    const auto message = "there is no datasource '" + call.path.front() + "'";
    return call.respond(api::failure(base::error(base::ErrorCode::NotFound, message), 400));
  }
  const std::string expr(call.request.parameter("query"));
  const auto seconds = base::parse_double(call.request.parameter("time"));
  const bool sound = seconds && std::isfinite(*seconds) && std::abs(*seconds) < 1e11;
  if (expr.empty() || expr.size() > kExprBytesMax || !sound) {
    return call.respond(api::bad_data("query and time (seconds since 1970) are needed"));
  }
  const std::size_t bytes_max = datasource->settings()->response_bytes_max;
  datasource->ask(
      {expr, base::wall_time(std::llround(*seconds * 1000)),
       datasource->clock().monotonic() + kPatience, nullptr},
      [respond = std::move(call.respond), bytes_max](base::Result<datasource::QueryAnswer> answer) {
        if (!answer) return respond(api::failure(answer.error(), 422));
        const promql::QueryResult result = result_of(std::move(*answer));
        const auto data = api::query_data(result, bytes_max);
        respond(data ? api::success(*data, api::Notes{result.warnings, {}})
                     : api::failure(data.error(), 422));
      });
}

}  // namespace

std::vector<api::Route> datasource_routes(const datasource::Datasources& datasources) {
  return {{"POST", "/api/v1/datasource/<name>/query", api::Access::Read,
           [&datasources](api::ApiCall call) { ask(datasources, std::move(call)); }}};
}

}  // namespace tocsin::alertd
