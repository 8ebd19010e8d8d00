#include "alertd/api/query_handlers.h"

#include <fmt/core.h>

#include <variant>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "alertd/api/query_stats.h"
#include "alertd/api/selectors.h"
#include "alertd/promql/ast.h"
#include "common/base/strings.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

/// Cuts the result down to `limit` series (0: all) and says so.
void truncate(promql::QueryResult& result, std::size_t limit) {
  if (limit == 0) return;
  const auto cut = [&](auto& elements) {
    if (elements.size() <= limit) return;
    elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(limit), elements.end());
    result.warnings.emplace_back("results truncated due to limit");
  };
  if (auto* vector = std::get_if<promql::Vector>(&result.value)) cut(*vector);
  if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) cut(*matrix);
}

/// 11000 -> "11,000"
std::string grouped(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

struct Range {
  base::WallTime begin;
  base::WallTime end;
  base::Duration step{0};
};

base::Result<Range> read_range(const net::ServerRequest& request, std::size_t points_max) {
  for (const char* name : {"start", "end", "step"}) {
    if (request.parameter(name).empty()) {
      return bad(fmt::format("parameter '{}' is missing", name));
    }
  }
  TC_TRY(const auto begin, time_parameter(request, "start", {}));
  TC_TRY(const auto end, time_parameter(request, "end", {}));
  TC_TRY(const auto step, duration_parameter(request, "step"));
  if (end < begin) return bad("parameter 'end' is before 'start'");
  if (static_cast<std::size_t>((end - begin) / *step) > points_max) {
    // Prometheus's words: clients that choose the step look for them.
    return bad(
        fmt::format("exceeded maximum resolution of {} points per timeseries. Try decreasing the "
                    "query resolution (?step=XX)",
                    grouped(points_max)));
  }
  return Range{begin, end, *step};
}

}  // namespace

/// What instant and range queries have in common.
struct QueryHandlers::Request {
  promql::ExprPtr expr;
  promql::EngineOptions engine;
  std::optional<base::Duration> timeout;
  std::size_t limit = 0;
  bool stats = false;
};

base::Result<QueryHandlers::Request> QueryHandlers::read(const net::ServerRequest& request) const {
  Request read{nullptr, engine_, {}, 0, false};
  const std::string_view text = request.parameter("query");
  if (text.empty()) return bad("parameter 'query' is missing");
  TC_TRY(read.expr, parse_parameter("query", text, parse_));
  TC_TRY(read.timeout, duration_parameter(request, "timeout"));
  TC_TRY(const auto lookback, duration_parameter(request, "lookback_delta"));
  if (lookback) read.engine.lookback = *lookback;
  TC_TRY(read.limit, count_parameter(request, "limit"));
  read.stats = !request.parameter("stats").empty();
  return read;
}

void QueryHandlers::run(ApiCall call, Request request, Evaluate evaluate) const {
  const auto work = [this, request = std::move(request), evaluate = std::move(evaluate),
                     arrived = clock_.monotonic()](const QueryRunner::Cancelled& cancelled) {
    const base::MonotonicTime begun = clock_.monotonic();
    const promql::Engine engine(request.engine);
    const CountingSource counting(source_);
    const model::SeriesSource& source =
        request.stats ? static_cast<const model::SeriesSource&>(counting) : source_;
    auto result = evaluate(engine, source, *request.expr, cancelled);
    if (!result) return failure(result.error(), 422);
    truncate(*result, request.limit);
    std::string stats;
    if (request.stats) {
      stats = stats_text(begun - arrived, clock_.monotonic() - begun, counting.samples());
    }
    const auto data = query_data(*result, limits_.response_bytes_max, stats);
    if (!data) return failure(data.error(), 422);
    return success(*data, Notes{result->warnings, result->infos});
  };
  runner_.run(runner_.patience(call.request, request.timeout), std::move(call.respond), work);
}

void QueryHandlers::query(ApiCall call) const {
  const auto at = time_parameter(call.request, "time", clock_.wall());
  auto request = read(call.request);
  if (!at || !request) {
    call.respond(failure(at ? request.error() : at.error(), 400));
    return;
  }
  run(std::move(call), std::move(*request),
      [at = *at](const promql::Engine& engine, const model::SeriesSource& source,
                 const promql::Expr& expr, const QueryRunner::Cancelled& cancelled) {
        return engine.instant(source, expr, at, cancelled);
      });
}

void QueryHandlers::query_range(ApiCall call) const {
  const auto range = read_range(call.request, engine_.points_max);
  auto request = read(call.request);
  if (!range || !request) {
    call.respond(failure(range ? request.error() : range.error(), 400));
    return;
  }
  const promql::ValueType type = request->expr->type;
  if (type != promql::ValueType::Scalar && type != promql::ValueType::InstantVector) {
    call.respond(bad_data(fmt::format(
        "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
        promql::to_string(type))));
    return;
  }
  run(std::move(call), std::move(*request),
      [range = *range](const promql::Engine& engine, const model::SeriesSource& source,
                       const promql::Expr& expr, const QueryRunner::Cancelled& cancelled) {
        return engine.range(source, expr, range.begin, range.end, range.step, cancelled);
      });
}

void QueryHandlers::query_exemplars(ApiCall call) const {
  const auto begin = time_parameter(call.request, "start", {});
  const auto end = time_parameter(call.request, "end", {});
  const auto expr = parse_parameter("query", call.request.parameter("query"), parse_);
  if (!begin || !end || !expr) {
    call.respond(failure(!begin ? begin.error() : !end ? end.error() : expr.error(), 400));
  } else if (*end < *begin) {
    call.respond(bad_data("parameter 'end' is before 'start'"));
  } else {
    call.respond(success("[]"));
  }
}

void QueryHandlers::format_query(ApiCall call) const {
  const auto expr = parse_parameter("query", call.request.parameter("query"), parse_);
  call.respond(expr ? success(net::json_string(promql::print(**expr)))
                    : failure(expr.error(), 400));
}

}  // namespace tocsin::api
