// Functions of time: the step's, the query's, the calendar's (always UTC).
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>

#include "alertd/promql/special_functions.h"

namespace tocsin::promql {
namespace {

const Call& call_of(const Expr& expr) {
  return std::get<Call>(expr.node);
}

struct Calendar {
  std::chrono::year_month_day date;
  std::int64_t day_count = 0;  // since 1970-01-01
  std::int64_t second_of_day = 0;
};

// Seconds beyond what std::chrono's years hold (about 32,000 of them) have no calendar.
constexpr double kSecondsMax = 9.0e11;

Calendar calendar(double value) {
  const auto seconds = static_cast<std::int64_t>(value);
  std::int64_t days = seconds / 86400;
  std::int64_t rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  const std::chrono::sys_days day{std::chrono::days{days}};
  return {std::chrono::year_month_day{day}, days, rest};
}

base::Result<Table> dated(Evaluator& evaluator, const Expr& expr, const Grid& grid,
                          std::int64_t (*part)(const Calendar&)) {
  Table table;
  if (call_of(expr).args.empty()) {
    TC_TRY(table, time(evaluator, expr, grid));
  } else {
    TC_TRY(table, evaluator.evaluate(*call_of(expr).args[0], grid));
  }
  for (double& value : table.cells) {
    if (is_absent(value)) continue;
    const bool usable = std::fabs(value) <= kSecondsMax;
    value = usable ? static_cast<double>(part(calendar(value)))
                   : std::numeric_limits<double>::quiet_NaN();
  }
  TC_TRY(evaluator.drop_names(table));
  return table;
}

Table constant(Evaluator& evaluator, const Grid& grid, double value) {
  return scalar_table(evaluator, grid.count, value);
}

}  // namespace

base::Result<Table> time(Evaluator& evaluator, const Expr&, const Grid& grid) {
  Table table = scalar_table(evaluator, grid.count, 0);
  for (std::size_t step = 0; step < grid.count; ++step) {
    table.cells[step] = static_cast<double>(grid.at(step)) / 1000.0;
  }
  return table;
}

// Of a plain selector: when the sample was taken. Of anything else: when it was calculated.
base::Result<Table> timestamp(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Expr& arg = *call_of(expr).args[0];
  const auto* selector = std::get_if<VectorSelector>(&without_parens(arg).node);
  Table table;
  if (selector != nullptr && selector->mode == SelectorMode::Plain) {
    TC_TRY(table, evaluator.evaluate_selector(*selector, grid, true));
  } else {
    TC_TRY(table, evaluator.evaluate(arg, grid));
    for (std::size_t i = 0; i < table.cells.size(); ++i) {
      if (is_absent(table.cells[i])) continue;
      table.cells[i] = static_cast<double>(grid.at(i % grid.count)) / 1000.0;
    }
  }
  TC_TRY(evaluator.drop_names(table));
  return table;
}

base::Result<Table> query_start(Evaluator& evaluator, const Expr&, const Grid& grid) {
  return constant(evaluator, grid, static_cast<double>(evaluator.query().begin_ms) / 1000.0);
}
base::Result<Table> query_end(Evaluator& evaluator, const Expr&, const Grid& grid) {
  return constant(evaluator, grid, static_cast<double>(evaluator.query().end_ms) / 1000.0);
}
base::Result<Table> query_step(Evaluator& evaluator, const Expr&, const Grid& grid) {
  return constant(evaluator, grid, static_cast<double>(evaluator.query().step_ms) / 1000.0);
}
base::Result<Table> query_range(Evaluator& evaluator, const Expr&, const Grid& grid) {
  const std::int64_t range_ms = evaluator.query().end_ms - evaluator.query().begin_ms;
  return constant(evaluator, grid, static_cast<double>(range_ms) / 1000.0);
}
base::Result<Table> pi(Evaluator& evaluator, const Expr&, const Grid& grid) {
  return constant(evaluator, grid, std::numbers::pi);
}

base::Result<Table> minute(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid, [](const Calendar& c) { return c.second_of_day / 60 % 60; });
}
base::Result<Table> hour(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid, [](const Calendar& c) { return c.second_of_day / 3600; });
}
base::Result<Table> day_of_month(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid,
               [](const Calendar& c) { return std::int64_t{unsigned{c.date.day()}}; });
}
base::Result<Table> day_of_week(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid, [](const Calendar& c) {
    return ((c.day_count + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  });
}
base::Result<Table> day_of_year(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid, [](const Calendar& c) {
    const std::chrono::sys_days first{c.date.year() / std::chrono::January / 1};
    return c.day_count - std::int64_t{first.time_since_epoch().count()} + 1;
  });
}
base::Result<Table> days_in_month(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid, [](const Calendar& c) {
    const auto last = c.date.year() / c.date.month() / std::chrono::last;
    return std::int64_t{unsigned{last.day()}};
  });
}
base::Result<Table> month(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid,
               [](const Calendar& c) { return std::int64_t{unsigned{c.date.month()}}; });
}
base::Result<Table> year(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return dated(evaluator, expr, grid,
               [](const Calendar& c) { return std::int64_t{int{c.date.year()}}; });
}

}  // namespace tocsin::promql
