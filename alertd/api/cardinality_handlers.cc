#include "alertd/api/cardinality_handlers.h"

#include <boost/json.hpp>
#include <charconv>

#include "alertd/api/json.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kLimit = 10;
constexpr std::size_t kLimitMax = 10'000;

json::array counted_json(const std::vector<model::Counted>& counted) {
  json::array array;
  for (const model::Counted& one : counted) {
    array.push_back(json::object{{"name", clean(one.name)}, {"value", one.count}});
  }
  return array;
}

json::object report_json(const CardinalityReport& report) {
  const model::Cardinality& store = report.store;
  return {{"headStats", json::object{{"numSeries", store.series},
                                     {"numLabelPairs", store.label_pairs},
                                     {"chunkCount", store.chunks},
                                     {"minTime", store.first_ms},
                                     {"maxTime", store.last_ms}}},
          {"seriesCountByMetricName", counted_json(store.series_by_metric)},
          {"labelValueCountByLabelName", counted_json(store.values_by_label)},
          {"memoryInBytesByLabelName", counted_json(store.value_bytes_by_label)},
          {"seriesCountByLabelValuePair", counted_json(store.series_by_pair)},
          {"seriesCountByHost", counted_json(store.series_by_host)},
          {"seriesCountByAgent", counted_json(report.series_by_agent)}};
}

void tsdb_status(CardinalityView& view, ApiCall call) {
  const std::string_view text = call.request.parameter("limit");
  std::size_t limit = kLimit;
  if (!text.empty()) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (failure != std::errc() || end != text.data() + text.size() || limit == 0 ||
        limit > kLimitMax) {
      call.respond(bad_data("parameter 'limit' is not a number from 1 to 10000"));
      return;
    }
  }
  view.count(limit,
             [respond = std::move(call.respond)](const base::Result<CardinalityReport>& report) {
               respond(report ? success(report_json(*report)) : failure(report.error(), 400));
             });
}

}  // namespace

std::vector<Route> cardinality_routes(CardinalityView& view) {
  return {{"GET", "/api/v1/status/tsdb", Access::Read,
           [&view](ApiCall call) { tsdb_status(view, std::move(call)); }}};
}

}  // namespace tocsin::api
