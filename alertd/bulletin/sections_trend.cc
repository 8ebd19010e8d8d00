// This time beside the time before, and what the database's statistics say.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

constexpr double kWorse = 0.25;  // a quarter more than before is told

/// More is worse in all of them. "%W" in the expression is the window of rate().
struct Comparison {
  const char* title;
  const char* expr;
  Unit unit;
  double floor;  ///< A smaller difference is none, whatever its share.
};

constexpr Comparison kComparisons[] = {
    {"Response time, 95th percentile",
     "histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[%W])))",
     Unit::Seconds, 0.05},
    {"Answers 5xx",
     "100 * sum by (job) (rate(http_requests_total{status=~\"5..\"}[%W])) / sum by (job) "
     "(rate(http_requests_total[%W]))",
     Unit::Percent, 0.1},
    {"Mean time of a statement",
     "sum by (instance, server) (rate(pg_stat_statements_seconds_total[%W])) / sum by (instance, "
     "server) (rate(pg_stat_statements_calls_total[%W]))",
     Unit::Seconds, 0.001},
    {"Size of databases", "max by (instance, datname) (pg_database_size_bytes)", Unit::Bytes,
     100.0 * (1 << 20)},
    {"Processor", "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[%W])))",
     Unit::Percent, 5},
    {"Memory",
     "100 * (1 - max by (instance) (node_memory_MemAvailable_bytes) / max by (instance) "
     "(node_memory_MemTotal_bytes))",
     Unit::Percent, 5},
    {"Oldest message of queues", "max by (instance, queue) (queue_oldest_message_age_seconds)",
     Unit::Seconds, 30},
    {"Errors in logs, a second", "sum by (instance, log) (rate(log_errors_total[%W]))", Unit::Count,
     0.01},
};

std::string subject(const model::Labels& labels) {
  if (labels.has("job") && !labels.has("instance")) return std::string(labels.get("job"));
  return where(labels, {"server", "datname", "queue", "log"});
}

std::map<std::string, double> p95_of(const std::vector<Curve>& curves) {
  std::map<std::string, double> values;
  for (const Curve& curve : curves) {
    if (const auto spread = spread_of(curve.samples)) values[subject(curve.labels)] = spread->p95;
  }
  return values;
}

}  // namespace

Section comparison_section(const Builder& builder) {
  Section section{"comparison", "Beside the time before"};
  std::size_t compared = 0;
  std::size_t worse_ones = 0;
  for (const Comparison& one : kComparisons) {
    const std::string expr = builder.with_window(one.expr);
    const auto now = p95_of(builder.over(section, expr, builder.span()));
    const auto before = p95_of(builder.over(section, expr, builder.span(builder.length())));
    Grid grid{one.title, {"What", "Before", "Now", "Change"}};
    for (const auto& [name, value] : now) {
      const auto old = before.find(name);
      if (old == before.end()) {
        grid.rows.push_back({words(name), words("-"), number(value, one.unit), words("new")});
        continue;
      }
      ++compared;
      const double change = old->second == 0 ? (value == 0 ? 0 : INFINITY)
                                             : (value - old->second) / std::fabs(old->second);
      const bool worse_now = change > kWorse && value - old->second > one.floor;
      if (worse_now) ++worse_ones;
      Cell cell =
          number(100 * change, Unit::Percent, worse_now ? Verdict::Attention : Verdict::Plain);
      if (std::isinf(change)) cell.text = "was 0";
      if (change > 0 && std::isfinite(change)) cell.text.insert(0, "+");
      grid.rows.push_back(
          {words(name), number(old->second, one.unit), number(value, one.unit), std::move(cell)});
    }
    section.grids.push_back(std::move(grid));
  }
  section.notes.emplace_back(
      "95th percentiles over each time; marked is what rose by more than a quarter");
  judge(section,
        fmt::format("{} compared, {} worse by more than a quarter",
                    counted(compared, "value", "values"), worse_ones),
        "nothing was measured in this time");
  if (section.verdict != Verdict::NoEvidence && compared == 0) {
    section.verdict = Verdict::NoEvidence;
    section.finding = "there is nothing before this time to compare with";
  }
  return section;
}

Section slow_statements_section(const Builder& builder) {
  Section section{"statements", "Statements that took most time"};
  const auto by = "sum by (instance, server, datname, queryid)";
  std::map<std::string, double> calls;
  const auto key = [](const Reading& one) {
    return where(one.labels, {"server", "datname", "queryid"});
  };
  for (const Reading& one :
       builder.now(section, fmt::format("{} (increase(pg_stat_statements_calls_total[{}]))", by,
                                        builder.period()))) {
    calls[key(one)] = one.value;
  }
  auto times = builder.now(
      section, fmt::format("topk(10, {} (increase(pg_stat_statements_seconds_total[{}]))"
                           " > 0)",
                           by, builder.period()));
  std::stable_sort(times.begin(), times.end(),
                   [](const Reading& a, const Reading& b) { return a.value > b.value; });
  Grid grid{"", {"Statement", "Time in all", "Calls", "Mean"}};
  for (const Reading& one : times) {
    const double count = calls[key(one)];
    grid.rows.push_back({words(key(one)), number(one.value, Unit::Seconds),
                         number(std::round(count), Unit::Count),
                         number(count > 0 ? one.value / count : NAN, Unit::Seconds)});
  }
  const std::size_t seen = grid.rows.size();
  section.grids.push_back(std::move(grid));
  section.notes.emplace_back(
      "the text of a statement: SELECT query FROM pg_stat_statements WHERE queryid = ...");
  judge(section, counted(seen, "statement", "statements"),
        "no statement was seen; the extension pg_stat_statements is needed");
  if (section.verdict == Verdict::Good) section.verdict = Verdict::Plain;
  return section;
}

Section unused_indexes_section(const Builder& builder) {
  Section section{"unused_indexes", "Indexes that nothing uses"};
  Grid grid{"", {"Index", "Size"}};
  double bytes = 0;
  for (const Reading& one : builder.now(section, "pg_index_unused_size_bytes > 0")) {
    bytes += one.value;
    grid.rows.push_back({words(where(one.labels, {"server", "datname", "schemaname", "relname",
                                                  "indexrelname", "index"})),
                         number(one.value, Unit::Bytes)});
  }
  std::stable_sort(grid.rows.begin(), grid.rows.end(),
                   [](const auto& a, const auto& b) { return *a[1].number > *b[1].number; });
  const std::size_t seen = grid.rows.size();
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{} of {}; look whether a standby uses them before DROP INDEX CONCURRENTLY",
                    counted(seen, "index", "indexes"), format_value(bytes, Unit::Bytes)),
        "");
  if (seen == 0) {
    const bool watched = !builder.now(section, "count(pg_up)").empty();
    section.verdict = watched ? Verdict::Good : Verdict::NoEvidence;
    section.finding = watched ? "none is known" : "no PostgreSQL is watched";
  }
  return section;
}

Section availability_section(const Builder& builder) {
  Section section{"availability", "Availability"};
  const Span span = builder.span();
  const double points = static_cast<double>((span.to - span.from) / span.step) + 1;
  Grid grid{"", {"What", "Available", "Of the time measured", "Down in all"}};
  for (const char* expr : {"up", "probe_success", "pg_up", "redis_up"}) {
    for (const Curve& curve : builder.over(section, expr, span)) {
      const auto spread = spread_of(curve.samples);
      if (!spread) continue;
      const double available = 100 * spread->mean;
      const double measured = 100 * static_cast<double>(spread->points) / points;
      const Verdict verdict = available < 99     ? Verdict::Bad
                              : available < 99.9 ? Verdict::Attention
                                                 : Verdict::Good;
      const double step = std::chrono::duration<double>(span.step).count();
      Cell share{fmt::format("{:.3f} %", available), available, verdict};
      grid.rows.push_back(
          {words(fmt::format("{} {}", expr, where(curve.labels, {"job", "server", "probe"}))),
           std::move(share),
           number(measured, Unit::Percent, measured < 95 ? Verdict::NoEvidence : Verdict::Plain),
           number((1 - spread->mean) * static_cast<double>(spread->points) * step, Unit::Seconds)});
    }
  }
  const std::size_t seen = grid.rows.size();
  section.grids.push_back(std::move(grid));
  section.notes.push_back(fmt::format("one look every {}; what was down between two is not seen",
                                      base::format_duration(span.step)));
  judge(section, counted(seen, "thing was looked at", "things were looked at"),
        "nothing was looked at: no target, probe or server is watched");
  return section;
}

}  // namespace tocsin::bulletin
