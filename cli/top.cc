#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// One list of the answer.
struct Ranking {
  std::string_view by;     ///< As in TopOptions.
  const char* key;         ///< In the answer.
  const char* name_title;  ///< Of the table's columns.
  const char* count_title;
  bool share = true;  ///< Whether the count is a part of all series.
};

constexpr std::array kRankings{
    Ranking{"agent", "seriesCountByAgent", "AGENT", "SERIES"},
    Ranking{"host", "seriesCountByHost", "HOST", "SERIES"},
    Ranking{"metric", "seriesCountByMetricName", "METRIC", "SERIES"},
    Ranking{"label", "labelValueCountByLabelName", "LABEL", "VALUES", false},
    Ranking{"pair", "seriesCountByLabelValuePair", "LABEL=VALUE", "SERIES"},
    Ranking{"memory", "memoryInBytesByLabelName", "LABEL", "BYTES OF VALUES", false},
};

void print(const json::value& data, const Ranking& ranking, double series, Context& context) {
  Table table = ranking.share ? Table({ranking.name_title, ranking.count_title, "SHARE"})
                              : Table({ranking.name_title, ranking.count_title});
  for (const json::value& one : array_of(data, ranking.key)) {
    const double count = number_of(one, "value");
    std::vector<Cell> row{{text_of(one, "name")}, {fmt::format("{:.0f}", count)}};
    if (ranking.share) {
      row.push_back({series > 0 ? fmt::format("{:.1f} %", 100 * count / series) : ""});
    }
    table.add(std::move(row));
  }
  if (!table.empty()) context.out << '\n' << table.text(context.terminal);
}

}  // namespace

int run_top(const TopOptions& options, Context& context) {
  ApiAnswer answer;
  const ApiRequest request{
      "GET", "/api/v1/status/tsdb", {{"limit", std::to_string(options.limit)}}, ""};
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  const json::value head = object_of(data, "headStats");
  const double series = number_of(head, "numSeries");
  context.out << fmt::format("{:.0f} series, {:.0f} different labels with their values\n", series,
                             number_of(head, "numLabelPairs"));
  for (const Ranking& ranking : kRankings) {
    if (options.by.empty() || options.by == ranking.by) print(data, ranking, series, context);
  }
  return kOk;
}

}  // namespace tocsin::cli
