#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// [1700000000.5,"1"] -> "1"; with its time if asked: "1 @1700000000.500".
std::string point_text(const json::value& point, bool with_time) {
  const auto* pair = point.if_array();
  if (pair == nullptr || pair->size() != 2 || !pair->at(1).is_string()) return "";
  std::string text(pair->at(1).get_string());
  boost::system::error_code error;
  const double seconds = pair->at(0).to_number<double>(error);
  if (with_time && !error) text += fmt::format(" @{:.3f}", seconds);
  return text;
}

}  // namespace

int run_query(const QueryOptions& options, Context& context) {
  ApiRequest request;
  request.path = "/api/v1/query";
  request.query = {{"query", options.expr}};
  if (!options.time.empty()) request.query.emplace_back("time", options.time);
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;

  const json::value data = parse_json(answer.data);
  const std::string type = text_of(data, "resultType");
  if (type == "scalar" || type == "string") {
    const auto* result = data.as_object().if_contains("result");
    if (result != nullptr) context.out << printable(point_text(*result, false)) << '\n';
    return kOk;
  }
  const json::array& result = array_of(data, "result");
  if (result.empty()) {
    context.err << "no series: nothing matches at that time\n";
    return kOk;
  }
  Table table({"SERIES", type == "matrix" ? "VALUES" : "VALUE"});
  for (const json::value& series : result) {
    std::string values;
    if (type == "matrix") {
      for (const json::value& point : array_of(series, "values")) {
        values += (values.empty() ? "" : "  ") + point_text(point, true);
      }
    } else if (const auto* value = series.as_object().if_contains("value")) {
      values = point_text(*value, false);
    }
    table.add({{series_text(object_of(series, "metric"))}, {values}});
  }
  context.out << table.text(context.terminal);
  return kOk;
}

}  // namespace tocsin::cli
