#include "tests/runners/ruler/series_notation.h"

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "common/base/strings.h"
#include "common/model/sample.h"

namespace tocsin::ruler {
namespace {

constexpr std::size_t kValuesMax = 1'000'000;

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

/// `V`, `VxN`, `V+DxN`, `V-DxN`, `_`, `_xN`, `stale`.
base::Result<void> add_item(std::string_view item, std::vector<std::optional<double>>& values) {
  if (item == "stale") {
    values.emplace_back(model::stale_marker());
    return base::ok();
  }
  const auto times = item.rfind('x');
  std::uint64_t count = 0;
  std::string_view first = item;
  if (times != std::string_view::npos) {
    const auto parsed = base::parse_u64(item.substr(times + 1));
    if (!parsed) return invalid("'" + std::string(item) + "': no number after the x");
    if (*parsed > kValuesMax) {
      return base::error(base::ErrorCode::LimitExceeded, "more than a million values");
    }
    count = *parsed;
    first = item.substr(0, times);
  }
  if (first == "_") {
    values.resize(values.size() + std::max<std::uint64_t>(count, 1));
    return base::ok();
  }
  double step = 0;
  const auto sign = first.find_first_of("+-", 1);
  if (count > 0 && sign != std::string_view::npos && first[sign - 1] != 'e') {
    const auto delta = base::parse_double(first.substr(sign + 1));
    if (!delta) return invalid("'" + std::string(item) + "': bad step");
    step = first[sign] == '-' ? -*delta : *delta;
    first = first.substr(0, sign);
  }
  const auto start = base::parse_double(first);
  if (!start) return invalid("'" + std::string(item) + "' is not a value");
  double value = *start;
  for (std::uint64_t i = 0; i <= count; ++i, value += step) values.emplace_back(value);
  return base::ok();
}

}  // namespace

base::Result<model::Labels> parse_labels(std::string_view text) {
  text = base::trim(text);
  if (text.empty() || text == "{}") return model::Labels();
  // PromQL refuses a selector without a name or a matcher that is not empty; ours always have one.
  const promql::Parsed parsed = promql::parse(text);
  if (!parsed.expr) {
    return invalid("'" + std::string(text) +
                   "': " + (parsed.errors.empty() ? "not labels" : parsed.errors.front().message));
  }
  const auto* selector = std::get_if<promql::VectorSelector>(&parsed.expr->node);
  if (!selector) return invalid("'" + std::string(text) + "' is not a series");
  model::LabelsBuilder labels;
  for (const auto& matcher : selector->matchers) {
    if (matcher.op() != model::MatchOp::Equal) return invalid("only = is a label");
    labels.set(matcher.name(), matcher.value());
  }
  return labels.build();
}

std::size_t end_of_labels(std::string_view text) {
  const auto open = text.find_first_of("{ \t");
  if (open == std::string_view::npos || text[open] != '{') return std::min(open, text.size());
  char quote = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (quote != 0) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == quote) {
        quote = 0;
      }
    } else if (text[i] == '"' || text[i] == '\'' || text[i] == '`') {
      quote = text[i];
    } else if (text[i] == '}') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

base::Result<NotedSeries> parse_series(std::string_view line) {
  const std::size_t end = end_of_labels(line);
  if (end == std::string_view::npos) return invalid("no end of the labels");
  NotedSeries series;
  TC_TRY(series.labels, parse_labels(line.substr(0, end)));
  for (const auto item : base::split_fields(line.substr(end))) {
    TC_TRY(add_item(item, series.values));
    if (series.values.size() > kValuesMax) {
      return base::error(base::ErrorCode::LimitExceeded, "more than a million values");
    }
  }
  return series;
}

}  // namespace tocsin::ruler
