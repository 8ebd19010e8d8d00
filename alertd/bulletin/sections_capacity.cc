// Growth, and when something is full: a straight line through what was seen.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "alertd/bulletin/file_systems.h"
#include "alertd/bulletin/season.h"
#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

constexpr const char* kHowNote =
    "a straight line through the period (least squares): look at the chart before you believe it; "
    "seasons are known where a rule records capacity_season";

double days_of(const std::optional<base::Duration>& left) {
  return left ? std::chrono::duration<double>(*left).count() / 86400 : INFINITY;
}

Verdict of_days(double days) {
  if (days < 7) return Verdict::Bad;
  return days < 30 ? Verdict::Attention : Verdict::Good;
}

/// Something that grows towards a limit, or without one.
struct Growing {
  std::string name;
  double last = 0;
  double limit = INFINITY;
  std::optional<Trend> trend;
};

/// Adds the growth table; returns the days until the first is full.
double add_growth(const Builder& builder, Section& section, const std::vector<Growing>& all,
                  Unit unit) {
  Grid grid{"", {"What", "Now", "Limit", "Change a day", "In 30 days", "In 90 days", "Full in"}};
  double soonest = INFINITY;
  for (const Growing& one : all) {
    if (!one.trend) {
      grid.rows.push_back({words(one.name), number(one.last, unit), number(one.limit, unit),
                           words("too little seen", Verdict::NoEvidence), words("-"), words("-"),
                           words("-")});
      continue;
    }
    const bool limited = std::isfinite(one.limit);
    const double days = limited ? days_of(one.trend->until(one.limit)) : INFINITY;
    soonest = std::min(soonest, days);
    const auto later = [&](int after) {
      const double value = one.trend->at(builder.to() + after * kDay);
      return number(value, unit,
                    limited && value > one.limit ? Verdict::Attention : Verdict::Plain);
    };
    Cell full = std::isfinite(days) ? number(std::floor(days), Unit::Days, of_days(days))
                                    : words(limited ? "not in sight" : "-", Verdict::Good);
    if (!limited) full.verdict = Verdict::Plain;
    grid.rows.push_back({words(one.name), number(one.last, unit), number(one.limit, unit),
                         number(one.trend->per_day(), unit), later(30), later(90),
                         std::move(full)});
  }
  section.grids.push_back(std::move(grid));
  return soonest;
}

/// Adds a table for each season that was told (capacity_season, 1 while it is on): growth within
/// and outside of it, and when what is limited is full at either. `curves` are those of `all`.
void add_seasons(const Builder& builder, Section& section, const std::vector<Growing>& all,
                 const std::vector<Curve>& curves, Unit unit) {
  for (const Curve& season :
       builder.over(section, "max by (season) (capacity_season)", builder.span())) {
    const std::string name(season.labels.get("season"));
    Grid grid{
        name.empty() ? "Season" : "Season: " + name,
        {"What", "A day in season", "A day outside", "Full in, in season", "Full in, outside"}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      const SeasonGrowth growth = growth_by_season(curves[i].samples, season.samples);
      const auto full = [&](const std::optional<double>& per_day) -> Cell {
        if (!per_day || !std::isfinite(all[i].limit)) return words("-");
        const double days = (all[i].limit - all[i].last) / *per_day;
        if (*per_day <= 0 || days > 3650) return words("not in sight", Verdict::Good);
        return number(std::floor(std::max(0.0, days)), Unit::Days,
                      growth.now ? of_days(days) : Verdict::Plain);
      };
      const auto change = [&](const std::optional<double>& per_day) {
        return per_day ? number(*per_day, unit) : words("too little seen");
      };
      grid.rows.push_back({words(all[i].name), change(growth.in_per_day),
                           change(growth.out_per_day), full(growth.in_per_day),
                           full(growth.out_per_day)});
      if (i > 0) continue;
      section.notes.push_back(fmt::format(
          "the season '{}' was on for {:.1f} of {:.1f} days and is {} now", name,
          std::chrono::duration<double>(growth.in).count() / 86400,
          std::chrono::duration<double>(growth.seen).count() / 86400, growth.now ? "on" : "over"));
    }
    if (!grid.rows.empty()) section.grids.push_back(std::move(grid));
  }
}

Growing growing_of(const Curve& curve, std::initializer_list<std::string_view> names,
                   double limit = INFINITY) {
  return {where(curve.labels, names), curve.samples.back().value, limit, trend_of(curve.samples)};
}

std::string soonest_text(double days) {
  return std::isfinite(days) ? fmt::format("the first reaches its limit in {}",
                                           format_value(std::floor(days), Unit::Days))
                             : std::string("none comes near its limit");
}

}  // namespace

Section filesystem_growth_section(const Builder& builder) {
  Section section{"file_systems", "File systems"};
  const auto systems = read_file_systems(builder, section, builder.length());
  std::vector<Growing> growing;
  std::vector<Curve> curves;
  for (const FileSystem& one : systems) {
    growing.push_back({one.name, one.used.samples.back().value, one.size, one.trend});
    curves.push_back(one.used);
  }
  const double soonest = add_growth(builder, section, growing, Unit::Bytes);
  add_seasons(builder, section, growing, curves, Unit::Bytes);
  add_chart(section, "Used bytes of file systems", Unit::Bytes, curves, {"mountpoint"});
  section.notes.emplace_back(kHowNote);
  judge(section,
        counted(systems.size(), "file system", "file systems") + "; " + soonest_text(soonest),
        "no host reported on its file systems");
  return section;
}

Section database_growth_section(const Builder& builder) {
  Section section{"databases", "Databases"};
  const auto curves = builder.over(
      section, "max by (instance, server, datname) (pg_database_size_bytes)", builder.span());
  std::vector<Growing> growing;
  for (const Curve& curve : curves) growing.push_back(growing_of(curve, {"server", "datname"}));
  add_growth(builder, section, growing, Unit::Bytes);
  add_seasons(builder, section, growing, curves, Unit::Bytes);
  add_chart(section, "Size of databases", Unit::Bytes, curves, {"server", "datname"});
  judge(section, counted(curves.size(), "database", "databases"), "no database is watched");
  return section;
}

Section connections_growth_section(const Builder& builder) {
  Section section{"connections", "Connections to PostgreSQL, most of each hour"};
  const auto curves = builder.over(
      section,
      "100 * max_over_time((sum by (instance, server) (pg_stat_activity_count) / max by (instance, "
      "server) (pg_connections_usable))[1h:1m])",
      {builder.from(), builder.to(), std::chrono::hours(1)});
  std::vector<Growing> growing;
  for (const Curve& curve : curves) growing.push_back(growing_of(curve, {"server"}, 100));
  const double soonest = add_growth(builder, section, growing, Unit::Percent);
  add_chart(section, "Connections of those that applications may have", Unit::Percent, curves,
            {"server"});
  judge(section, counted(curves.size(), "server", "servers") + "; " + soonest_text(soonest),
        "no PostgreSQL is watched");
  return section;
}

Section memory_growth_section(const Builder& builder) {
  Section section{"memory", "Memory, most of each hour"};
  const auto curves = builder.over(
      section,
      "100 * max_over_time((1 - max by (instance) (node_memory_MemAvailable_bytes) / max by "
      "(instance) (node_memory_MemTotal_bytes))[1h:1m])",
      {builder.from(), builder.to(), std::chrono::hours(1)});
  std::vector<Growing> growing;
  for (const Curve& curve : curves) growing.push_back(growing_of(curve, {}, 100));
  const double soonest = add_growth(builder, section, growing, Unit::Percent);
  add_chart(section, "Memory in use", Unit::Percent, curves, {});
  judge(section, counted(curves.size(), "host", "hosts") + "; " + soonest_text(soonest),
        "no host reported on its memory");
  return section;
}

}  // namespace tocsin::bulletin
