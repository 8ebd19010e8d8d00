// How hosts and queues were in the period.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "alertd/bulletin/file_systems.h"
#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

/// A curve of each host; "%W" in the expression is the window of rate().
struct Measure {
  const char* title;
  const char* expr;
  Unit unit;
  double attention;  ///< Of the 95th percentile; 0: none, and so is the next.
  double bad;
};

constexpr Measure kMeasures[] = {
    {"Processor", "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[%W])))",
     Unit::Percent, 80, 95},
    {"Memory",
     "100 * (1 - max by (instance) (node_memory_MemAvailable_bytes) / max by (instance) "
     "(node_memory_MemTotal_bytes))",
     Unit::Percent, 85, 95},
    {"Busiest disk",
     "100 * max by (instance) (rate(node_disk_io_time_seconds_total{device!~\"loop.*|ram.*|sr.*\"}"
     "[%W]))",
     Unit::Percent, 80, 95},
    {"Network received",
     "sum by (instance) (rate(node_network_receive_bytes_total{device!=\"lo\"}[%W]))",
     Unit::BytesPerSecond, 0, 0},
    {"PostgreSQL connections",
     "100 * sum by (instance, server) (pg_stat_activity_count) / max by (instance, server) "
     "(pg_connections_usable)",
     Unit::Percent, 80, 95},
};

Verdict judged(double value, const Measure& measure) {
  if (measure.bad > 0 && value > measure.bad) return Verdict::Bad;
  if (measure.attention > 0 && value > measure.attention) return Verdict::Attention;
  return Verdict::Plain;
}

}  // namespace

Section disks_section(const Builder& builder) {
  Section section{"disks", "Disks"};
  const auto systems = read_file_systems(builder, section, std::chrono::hours(24 * 7));
  Grid grid{"", {"File system", "Size", "Used", "Change a day", "Full in"}};
  double soonest = INFINITY;
  for (const FileSystem& one : systems) {
    const Verdict used = one.used_percent > 90   ? Verdict::Bad
                         : one.used_percent > 80 ? Verdict::Attention
                                                 : Verdict::Good;
    const auto left = one.trend ? one.trend->until(one.size) : std::nullopt;
    const double days = left ? std::chrono::duration<double>(*left).count() / 86400 : INFINITY;
    soonest = std::min(soonest, days);
    const Verdict full = days < 7 ? Verdict::Bad : days < 30 ? Verdict::Attention : Verdict::Plain;
    Cell when = number(std::floor(days), Unit::Days, full);
    if (!std::isfinite(days)) when = words(one.trend ? "not in sight" : "too little seen");
    grid.rows.push_back({words(one.name), number(one.size, Unit::Bytes),
                         number(one.used_percent, Unit::Percent, used),
                         one.trend ? number(one.trend->per_day(), Unit::Bytes) : words("-"),
                         std::move(when)});
  }
  section.grids.push_back(std::move(grid));
  judge(section,
        fmt::format("{}; {}", counted(systems.size(), "file system", "file systems"),
                    std::isfinite(soonest)
                        ? fmt::format("the first is full in {} if it goes on as in the last 7 days",
                                      format_value(std::floor(soonest), Unit::Days))
                        : "none grows towards its end"),
        "no host reported on its file systems");
  return section;
}

Section resources_section(const Builder& builder) {
  Section section{"resources", "Resources"};
  std::set<std::string> hosts;
  for (const Measure& measure : kMeasures) {
    const auto curves = builder.over(section, builder.with_window(measure.expr), builder.span());
    Grid grid{measure.title, {"Host", "Least", "Mean", "95th percentile", "Most"}};
    for (const Curve& curve : curves) {
      const auto spread = spread_of(curve.samples);
      if (!spread) continue;
      hosts.insert(where(curve.labels));
      grid.rows.push_back({words(where(curve.labels, {"server"})),
                           number(spread->min, measure.unit), number(spread->mean, measure.unit),
                           number(spread->p95, measure.unit, judged(spread->p95, measure)),
                           number(spread->max, measure.unit)});
    }
    section.grids.push_back(std::move(grid));
    add_chart(section, measure.title, measure.unit, curves, {"server"});
  }
  judge(section, counted(hosts.size(), "host was measured", "hosts were measured"),
        "no host reported on processor, memory or disks");
  return section;
}

Section log_errors_section(const Builder& builder) {
  Section section{"log_errors", "Errors in logs"};
  const auto key = [](const Reading& one) { return where(one.labels, {"log", "job"}); };
  std::map<std::string, double> usual;  // a day, over the week
  for (const Reading& one :
       builder.now(section, "sum by (instance, log) (increase(log_errors_total[7d])) / 7")) {
    usual[key(one)] = one.value;
  }
  auto errors = builder.now(section, fmt::format("topk(20, sum by (instance, log) "
                                                 "(increase(log_errors_total[{}])))",
                                                 builder.period()));
  std::stable_sort(errors.begin(), errors.end(),
                   [](const Reading& a, const Reading& b) { return a.value > b.value; });
  const double days = std::chrono::duration<double>(builder.length()).count() / 86400;
  Grid grid{"", {"Log", "Errors", "Usual for so long"}};
  for (const Reading& one : errors) {
    const double expected = usual[key(one)] * days;
    const bool more = one.value > 10 && one.value > 3 * expected;
    grid.rows.push_back(
        {words(key(one)),
         number(std::round(one.value), Unit::Count, more ? Verdict::Attention : Verdict::Plain),
         number(std::round(expected), Unit::Count)});
  }
  Grid news{"Messages never seen before", {"Log", "Kinds"}};
  for (const Reading& one :
       builder.now(section, fmt::format("sum by (instance, log) "
                                        "(increase(log_new_fingerprints_total[{}])) >= 1",
                                        builder.period()))) {
    news.rows.push_back({words(key(one)), number(std::round(one.value), Unit::Count)});
  }
  section.grids.push_back(std::move(grid));
  section.grids.push_back(std::move(news));
  double sum = 0;
  for (const Reading& one : errors) sum += one.value;
  judge(section,
        fmt::format("{:.0f} lines of errors in {}", sum, counted(errors.size(), "log", "logs")),
        "no log is read; configure [[log]] in the agent");
  return section;
}

Section queues_section(const Builder& builder) {
  Section section{"queues", "Task queues"};
  const auto lengths =
      builder.over(section, "sum by (instance, queue) (queue_messages)", builder.span());
  std::map<std::string, double> ages;
  for (const Curve& curve :
       builder.over(section, "max by (instance, queue) (queue_oldest_message_age_seconds)",
                    builder.span())) {
    if (const auto spread = spread_of(curve.samples)) {
      ages[where(curve.labels, {"queue"})] = spread->max;
    }
  }
  Grid grid{"", {"Queue", "Mean length", "Longest", "Oldest message", "Length at the end"}};
  for (const Curve& curve : lengths) {
    const auto spread = spread_of(curve.samples);
    if (!spread) continue;
    const std::string name = where(curve.labels, {"queue"});
    const auto age = ages.find(name);
    const double oldest = age == ages.end() ? NAN : age->second;
    grid.rows.push_back(
        {words(name), number(spread->mean, Unit::Count),
         number(spread->max, Unit::Count, spread->max > 1000 ? Verdict::Attention : Verdict::Plain),
         number(oldest, Unit::Seconds, oldest > 300 ? Verdict::Attention : Verdict::Plain),
         number(spread->last, Unit::Count)});
  }
  section.grids.push_back(std::move(grid));
  add_chart(section, "Length of queues", Unit::Count, lengths, {"queue"});
  judge(section, counted(lengths.size(), "queue", "queues"), "no task queue is watched");
  return section;
}

}  // namespace tocsin::bulletin
