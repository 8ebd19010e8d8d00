#include "alertd/api/query_handlers.h"

#include <fmt/core.h>

#include <limits>
#include <set>
#include <variant>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"
#include "alertd/promql/ast.h"
#include "common/base/diagnostic.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kSeriesMax = 100'000;
// Before and after all samples; half the range of int64, so that nothing overflows on the way.
constexpr std::int64_t kLatestMs = std::numeric_limits<std::int64_t>::max() / 2;
constexpr std::int64_t kEarliestMs = -kLatestMs;
constexpr base::Duration kSeriesWindow = std::chrono::hours(24);

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

net::ServerResponse answer(base::Result<promql::QueryResult> result, std::size_t limit) {
  if (!result) return failure(result.error(), 422);
  truncate(*result, limit);
  return success(query_data(*result), Notes{result->warnings, result->infos});
}

}  // namespace

/// What instant and range queries have in common.
struct QueryHandlers::Request {
  promql::ExprPtr expr;
  promql::EngineOptions engine;
  base::Duration timeout{0};
  std::size_t limit = 0;
};

base::Result<promql::ExprPtr> QueryHandlers::parse(std::string_view name,
                                                   std::string_view text) const {
  promql::Parsed parsed = promql::parse(text, parse_);
  if (parsed.expr) return std::move(parsed.expr);
  std::string message = fmt::format("invalid parameter \"{}\":", name);
  for (const promql::ParseError& error : parsed.errors) {
    const base::Position at = base::position_of(text, error.begin);
    message += fmt::format(" {}:{}: parse error: {}{}{};", at.line, at.column, error.message,
                           error.hint.empty() ? "" : "; ", error.hint);
  }
  message.pop_back();
  return bad(std::move(message));
}

base::Result<QueryHandlers::Request> QueryHandlers::read(const net::ServerRequest& request) const {
  Request read{nullptr, engine_, runner_.timeout_max(), 0};
  const std::string_view text = request.parameter("query");
  if (text.empty()) return bad("parameter 'query' is missing");
  TC_TRY(read.expr, parse("query", text));
  TC_TRY(const auto timeout, duration_parameter(request, "timeout"));
  if (timeout) read.timeout = *timeout;
  TC_TRY(const auto lookback, duration_parameter(request, "lookback_delta"));
  if (lookback) read.engine.lookback = *lookback;
  TC_TRY(read.limit, count_parameter(request, "limit"));
  return read;
}

void QueryHandlers::query(ApiCall call) const {
  const auto at = time_parameter(call.request, "time", clock_.wall());
  const auto read_request = read(call.request);
  if (!at || !read_request) {
    call.respond(failure(at ? read_request.error() : at.error(), 400));
    return;
  }
  runner_.run({read_request->timeout, call.request.hung_up}, std::move(call.respond),
              [this, at = *at, request = *read_request](const QueryRunner::Cancelled& cancelled) {
                const promql::Engine engine(request.engine);
                return answer(engine.instant(source_, *request.expr, at, cancelled), request.limit);
              });
}

void QueryHandlers::query_range(ApiCall call) const {
  struct Range {
    base::WallTime begin, end;
    base::Duration step;
  };
  const auto read_range = [&]() -> base::Result<Range> {
    for (const char* name : {"start", "end", "step"}) {
      if (call.request.parameter(name).empty()) {
        return bad(fmt::format("parameter '{}' is missing", name));
      }
    }
    TC_TRY(const auto begin, time_parameter(call.request, "start", {}));
    TC_TRY(const auto end, time_parameter(call.request, "end", {}));
    TC_TRY(const auto step, duration_parameter(call.request, "step"));
    if (end < begin) return bad("parameter 'end' is before 'start'");
    const auto points = static_cast<std::size_t>((end - begin) / *step) + 1;
    if (points > engine_.points_max) {
      return bad(fmt::format("the range has {} points a series, limit {}; use a greater step",
                             points, engine_.points_max));
    }
    return Range{begin, end, *step};
  };
  const auto range = read_range();
  const auto read_request = read(call.request);
  if (!range || !read_request) {
    call.respond(failure(range ? read_request.error() : range.error(), 400));
    return;
  }
  runner_.run(
      {read_request->timeout, call.request.hung_up}, std::move(call.respond),
      [this, range = *range, request = *read_request](const QueryRunner::Cancelled& cancelled) {
        const promql::Engine engine(request.engine);
        return answer(
            engine.range(source_, *request.expr, range.begin, range.end, range.step, cancelled),
            request.limit);
      });
}

void QueryHandlers::format_query(ApiCall call) const {
  const auto expr = parse("query", call.request.parameter("query"));
  call.respond(expr ? success(net::json_string(promql::print(**expr)))
                    : failure(expr.error(), 400));
}

base::Result<std::vector<std::vector<model::Matcher>>> QueryHandlers::selectors(
    const net::ServerRequest& request) const {
  std::vector<std::vector<model::Matcher>> sets;
  for (const std::string& text : list_parameter(request, "match[]")) {
    TC_TRY(const promql::ExprPtr expr, parse("match[]", text));
    const auto* selector = std::get_if<promql::VectorSelector>(&expr->node);
    if (selector == nullptr || selector->shift.offset || selector->shift.at != promql::At::None) {
      return bad(fmt::format("invalid parameter \"match[]\": '{}' is not a series selector", text));
    }
    sets.push_back(selector->matchers);
  }
  for (const char* name : {"start", "end"}) {
    auto time = time_parameter(request, name, {});
    if (!time) return std::move(time).error();
  }
  return sets;
}

base::Result<std::vector<std::string>> QueryHandlers::find_texts(
    const LookUp& wanted, std::span<const model::Matcher> matchers) const {
  if (!wanted.range) {
    return wanted.label ? source_.label_values(*wanted.label, matchers)
                        : source_.label_names(matchers);
  }
  TC_TRY(const auto found, source_.select(matchers, base::to_ms(wanted.range->first),
                                          base::to_ms(wanted.range->second), {}));
  std::set<std::string, std::less<>> texts;
  for (std::size_t i = 0; i < found->size(); ++i) {
    const model::Labels& labels = found->labels(i);
    if (wanted.label) {
      const std::string_view value = labels.get(*wanted.label);
      if (!value.empty() && !texts.contains(value)) texts.emplace(value);
      continue;
    }
    for (const model::LabelView label : labels) {
      if (!texts.contains(label.name)) texts.emplace(label.name);
    }
  }
  return std::vector<std::string>(texts.begin(), texts.end());
}

void QueryHandlers::look_up(ApiCall call, LookUp wanted) const {
  auto sets = selectors(call.request);
  const auto limit = count_parameter(call.request, "limit");
  const auto begin = time_parameter(call.request, "start", base::wall_time(kEarliestMs));
  const auto end = time_parameter(call.request, "end", base::wall_time(kLatestMs));
  if (!sets || !limit || !begin || !end) {
    call.respond(failure(!sets ? sets.error() : !limit ? limit.error() : begin.error(), 400));
    return;
  }
  const bool ranged =
      !call.request.parameter("start").empty() || !call.request.parameter("end").empty();
  if (ranged && *end < *begin) {
    call.respond(failure(bad("parameter 'end' is before 'start'"), 400));
    return;
  }
  if (ranged) wanted.range = {*begin, *end};
  if (sets->empty()) sets->emplace_back();
  runner_.run({runner_.timeout_max(), call.request.hung_up}, std::move(call.respond),
              [this, sets = *sets, limit = *limit,
               wanted = std::move(wanted)](const QueryRunner::Cancelled&) {
                std::set<std::string> all;
                for (const auto& matchers : sets) {
                  auto some = find_texts(wanted, matchers);
                  if (!some) return failure(some.error(), 422);
                  for (std::string& text : *some) all.insert(std::move(text));
                }
                std::vector<std::string> sorted(all.begin(), all.end());
                Notes notes;
                if (limit != 0 && sorted.size() > limit) {
                  sorted.resize(limit);
                  notes.warnings.emplace_back("results truncated due to limit");
                }
                return success(strings_text(sorted), notes);
              });
}

void QueryHandlers::labels(ApiCall call) const {
  look_up(std::move(call), {});
}

void QueryHandlers::label_values(ApiCall call) const {
  LookUp wanted;
  wanted.label = call.path.front();
  look_up(std::move(call), std::move(wanted));
}

void QueryHandlers::series(ApiCall call) const {
  auto sets = selectors(call.request);
  if (sets && sets->empty()) sets = bad("parameter 'match[]' is missing");
  const base::WallTime now = clock_.wall();
  const auto end = time_parameter(call.request, "end", now);
  const auto begin = time_parameter(call.request, "start", (end ? *end : now) - kSeriesWindow);
  const auto limit = count_parameter(call.request, "limit");
  if (!sets || !limit) {
    call.respond(failure(sets ? limit.error() : sets.error(), 400));
    return;
  }
  if (*end < *begin) {
    call.respond(failure(bad("parameter 'end' is before 'start'"), 400));
    return;
  }
  const std::size_t series_max = *limit == 0 || *limit > kSeriesMax ? kSeriesMax : *limit;
  runner_.run({runner_.timeout_max(), call.request.hung_up}, std::move(call.respond),
              [this, sets = *sets, begin_ms = base::to_ms(*begin), end_ms = base::to_ms(*end),
               series_max](const QueryRunner::Cancelled&) {
                std::set<model::Labels> all;
                for (const auto& matchers : sets) {
                  auto found = source_.select(matchers, begin_ms, end_ms, {});
                  if (!found) return failure(found.error(), 422);
                  for (std::size_t i = 0; i < (*found)->size(); ++i)
                    all.insert((*found)->labels(i));
                }
                Notes notes;
                std::string text = "[";
                std::size_t count = 0;
                for (const model::Labels& labels : all) {
                  if (count++ == series_max) {
                    notes.warnings.emplace_back("results truncated due to limit");
                    break;
                  }
                  if (count > 1) text += ',';
                  text += labels_text(labels);
                }
                return success(text + ']', notes);
              });
}

}  // namespace tocsin::api
