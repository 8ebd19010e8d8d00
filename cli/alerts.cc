#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <tuple>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/model/severity.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

struct Row {
  int severity_rank = 4;  ///< 0 is critical; 4 unknown.
  std::string severity, state, name, series, summary, active_at, origin;
};

Row row_of(const json::value& alert) {
  const json::value labels = object_of(alert, "labels");
  Row row;
  row.severity = text_of(labels, "severity");
  if (const auto severity = model::parse_severity(row.severity)) {
    row.severity_rank = 3 - static_cast<int>(*severity);
  }
  row.state = text_of(alert, "state");
  row.name = text_of(labels, "alertname");
  row.series = series_text(labels.get_object(), "alertname severity __name__");
  const json::value annotations = object_of(alert, "annotations");
  row.summary = text_of(annotations, "summary");
  row.active_at = text_of(alert, "activeAt");
  row.origin = rule_origin(annotations);
  return row;
}

bool wanted(const json::value& alert, const AlertsOptions& options) {
  const json::value labels = object_of(alert, "labels");
  if (!options.severity.empty() && text_of(labels, "severity") != options.severity) return false;
  return std::all_of(options.labels.begin(), options.labels.end(), [&](const std::string& pair) {
    const std::size_t equals = pair.find('=');
    return text_of(labels, pair.substr(0, equals)) == pair.substr(equals + 1);
  });
}

}  // namespace

int run_alerts(const AlertsOptions& options, Context& context) {
  ApiAnswer answer = context.api.call({"GET", "/api/v1/alerts", {}, ""});
  json::value data = parse_json(answer.data);
  json::array kept;
  bool firing = false;
  for (const json::value& alert : array_of(data, "alerts")) {
    if (!wanted(alert, options)) continue;
    firing = firing || text_of(alert, "state") == "firing";
    kept.push_back(alert);
  }
  if (answer.exit_code == kOk) answer.data = json::serialize(json::object{{"alerts", kept}});
  if (!show(context, answer)) {
    if (answer.exit_code != kOk) return answer.exit_code;
    return options.exit_code && firing ? kNegative : kOk;
  }
  std::vector<Row> rows;
  for (const json::value& alert : kept) rows.push_back(row_of(alert));
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.severity_rank, a.state, a.active_at, a.name, a.series) <
           std::tie(b.severity_rank, b.state, b.active_at, b.name, b.series);
  });
  const bool wide = context.output == OutputFormat::Wide;
  std::vector<std::string> headers{"SEVERITY", "STATE", "AGE", "ALERT", "LABELS", "SUMMARY"};
  if (wide) headers.emplace_back("RULE CHANGED");
  Table table(headers);
  for (const Row& row : rows) {
    const auto active = base::parse_rfc3339(row.active_at);
    std::vector<Cell> cells{{row.severity, color_of(row.severity)},
                            {row.state, color_of(row.state)},
                            {active ? age(*active, context.clock.wall()) : ""},
                            {row.name},
                            {row.series},
                            {row.summary}};
    if (wide) cells.push_back({row.origin});
    table.add(std::move(cells));
  }
  if (table.empty()) {
    context.err << "no alerts\n";
  } else {
    context.out << table.text(context.terminal);
  }
  return options.exit_code && firing ? kNegative : kOk;
}

}  // namespace tocsin::cli
