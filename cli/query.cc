#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/when.h"
#include "common/base/csv.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

constexpr int kPoints = 250;  // of a range without --step

struct Point {
  double seconds = 0;
  std::string value;
};

/// Reads [1700000000.5,"1"]; the value is empty if it is anything else.
Point point_of(const json::value& point) {
  const auto* pair = point.if_array();
  if (pair == nullptr || pair->size() != 2 || !pair->at(1).is_string()) return {};
  boost::system::error_code error;
  const double seconds = pair->at(0).to_number<double>(error);
  return {error ? 0 : seconds, std::string(pair->at(1).get_string())};
}

/// "1", or with its time "1 @1700000000.500".
std::string point_text(const json::value& value, bool with_time) {
  const Point point = point_of(value);
  if (!with_time || point.value.empty()) return point.value;
  return fmt::format("{} @{:.3f}", point.value, point.seconds);
}

std::string seconds_text(base::WallTime time) {
  const std::int64_t ms = base::to_ms(time);
  return ms % 1000 == 0 ? fmt::format("{}", ms / 1000)
                        : fmt::format("{:.3f}", base::to_seconds(time));
}

base::Result<ApiRequest> request_of(const QueryOptions& options, base::WallTime now) {
  ApiRequest request;
  request.path = "/api/v1/query";
  request.query = {{"query", options.expr}};
  if (options.start.empty()) {
    if (options.time.empty()) return request;
    TC_TRY(const base::WallTime at, parse_when(options.time, now));
    request.query.emplace_back("time", seconds_text(at));
    return request;
  }
  TC_TRY(const base::WallTime start, parse_when(options.start, now));
  TC_TRY(const base::WallTime end, parse_when(options.end.empty() ? "now" : options.end, now));
  base::Duration step = std::max<base::Duration>(
      std::chrono::ceil<std::chrono::seconds>((end - start) / kPoints), std::chrono::seconds(1));
  if (!options.step.empty()) {
    TC_TRY(step, base::parse_duration(options.step));
  }
  request.path = "/api/v1/query_range";
  request.query.emplace_back("start", seconds_text(start));
  request.query.emplace_back("end", seconds_text(end));
  request.query.emplace_back("step", fmt::format("{}ms", step.count()));
  return request;
}

std::string csv_text(std::string_view text) {
  return base::csv_field(printable(text));
}

void csv_line(const Point& point, const std::string& labels, std::ostream& out) {
  const auto ms = static_cast<std::int64_t>(std::llround(point.seconds * 1000));
  out << base::format_rfc3339(base::wall_time(ms)) << ',' << printable(point.value) << labels
      << '\n';
}

/// A line a sample; a column for each label that one of the series has.
void print_csv(const json::value& data, std::ostream& out) {
  const json::array& result = array_of(data, "result");
  if (text_of(data, "resultType") == "scalar" || text_of(data, "resultType") == "string") {
    out << "time,value\n";
    csv_line(point_of(result), "", out);
    return;
  }
  std::set<std::string, std::less<>> names;
  for (const json::value& series : result) {
    for (const auto& label : object_of(series, "metric")) names.emplace(label.key());
  }
  out << "time,value";
  for (const std::string& name : names) out << ',' << csv_text(name);
  out << '\n';
  for (const json::value& series : result) {
    std::string labels;
    for (const std::string& name : names) {
      labels += ',' + csv_text(text_of(series.at("metric"), name));
    }
    const auto* value = series.as_object().if_contains("value");
    if (value != nullptr) csv_line(point_of(*value), labels, out);
    for (const json::value& point : array_of(series, "values")) {
      csv_line(point_of(point), labels, out);
    }
  }
}

}  // namespace

int run_query(const QueryOptions& options, Context& context) {
  const auto request = request_of(options, context.clock.wall());
  if (!request) {
    context.err << "tocsin: " << printable(request.error().message) << '\n';
    return kUsage;
  }
  ApiAnswer answer;
  if (!ask(context, *request, answer)) return answer.exit_code;

  const json::value data = parse_json(answer.data);
  if (options.csv) {
    print_csv(data, context.out);
    return kOk;
  }
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
