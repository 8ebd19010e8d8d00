#include "alertd/bulletin/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "alertd/bulletin/chart.h"

namespace tocsin::bulletin {
namespace {

constexpr std::int64_t kStepsMax = 1440;
constexpr std::int64_t kMinuteMs = 60'000;

double highest(const Curve& curve) {
  double high = -INFINITY;
  for (const model::Sample& sample : curve.samples) high = std::max(high, sample.value);
  return high;
}

}  // namespace

Span Builder::span(base::Duration before) const {
  const std::int64_t minutes = (length().count() / kStepsMax + kMinuteMs - 1) / kMinuteMs;
  return {from() - before, to() - before,
          base::Duration{std::max<std::int64_t>(1, minutes) * kMinuteMs}};
}

std::string Builder::window() const {
  return base::format_duration(std::max<base::Duration>(span().step, std::chrono::minutes(5)));
}

std::string Builder::with_window(std::string expr) const {
  constexpr std::string_view kMark = "%W";
  for (std::size_t at = expr.find(kMark); at != std::string::npos; at = expr.find(kMark)) {
    expr.replace(at, kMark.size(), window());
  }
  return expr;
}

std::vector<Reading> Builder::now(Section& section, std::string_view expr) const {
  auto answer = input_.source.instant(expr, to());
  if (!answer) {
    section.notes.push_back("could not be read: " + answer.error().message);
    return {};
  }
  std::erase_if(*answer, [](const Reading& one) { return !std::isfinite(one.value); });
  std::sort(answer->begin(), answer->end(),
            [](const Reading& a, const Reading& b) { return a.labels < b.labels; });
  return std::move(*answer);
}

std::vector<Curve> Builder::over(Section& section, std::string_view expr, const Span& span) const {
  auto answer = input_.source.range(expr, span);
  if (!answer) {
    section.notes.push_back("could not be read: " + answer.error().message);
    return {};
  }
  for (Curve& curve : *answer) {
    std::erase_if(curve.samples,
                  [](const model::Sample& sample) { return !std::isfinite(sample.value); });
  }
  std::erase_if(*answer, [](const Curve& curve) { return curve.samples.empty(); });
  std::sort(answer->begin(), answer->end(),
            [](const Curve& a, const Curve& b) { return a.labels < b.labels; });
  return std::move(*answer);
}

std::string Builder::time_text(double seconds) const {
  if (seconds <= 0 || !std::isfinite(seconds) || seconds > 1e11) return "never";
  return timezone::format_local(zone(), base::wall_time(std::llround(seconds) * 1000));
}

std::string where(const model::Labels& labels) {
  for (const std::string_view name : {"instance", "host"}) {
    if (labels.has(name)) return std::string(labels.get(name));
  }
  return "-";
}

std::string where(const model::Labels& labels, std::initializer_list<std::string_view> names) {
  std::string text = where(labels);
  for (const std::string_view name : names) {
    if (labels.has(name)) text += " " + std::string(labels.get(name));
  }
  return text;
}

void judge(Section& section, std::string finding, std::string_view nothing) {
  std::size_t rows = 0;
  Verdict verdict = Verdict::Good;
  for (const Grid& grid : section.grids) {
    rows += grid.rows.size();
    for (const auto& row : grid.rows) {
      for (const Cell& cell : row) verdict = worse(verdict, cell.verdict);
    }
  }
  std::erase_if(section.grids, [](const Grid& grid) { return grid.rows.empty(); });
  section.verdict = rows == 0 ? Verdict::NoEvidence : verdict;
  section.finding = rows == 0 ? std::string(nothing) : std::move(finding);
}

void add_chart(Section& section, std::string title, Unit unit, const std::vector<Curve>& curves,
               std::initializer_list<std::string_view> names) {
  if (curves.empty()) return;
  std::vector<const Curve*> order;
  for (const Curve& curve : curves) order.push_back(&curve);
  std::stable_sort(order.begin(), order.end(),
                   [](const Curve* a, const Curve* b) { return highest(*a) > highest(*b); });
  Chart chart{std::move(title), unit, {}};
  for (std::size_t i = 0; i < std::min(order.size(), kLinesMax); ++i) {
    chart.lines.push_back({where(order[i]->labels, names), order[i]->samples});
  }
  if (order.size() > kLinesMax) {
    section.notes.push_back(fmt::format("{}: the chart shows the {} highest of {}", chart.title,
                                        kLinesMax, order.size()));
  }
  section.charts.push_back(std::move(chart));
}

std::string counted(std::size_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

}  // namespace tocsin::bulletin
