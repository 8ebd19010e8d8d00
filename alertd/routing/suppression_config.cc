#include "alertd/routing/suppression_config.h"

#include <fmt/format.h>

#include <set>

#include "alertd/routing/matcher_config.h"

namespace tocsin::routing {

using base::Duration;

namespace {

constexpr std::size_t kRulesMax = 10'000;

std::vector<Range> read_ranges(config::Table& table, RangeOf of, std::string_view key) {
  std::vector<Range> ranges;
  const config::Node* node = table.node(key);
  if (!node) return ranges;
  const std::vector<std::string> texts = table.strings(key);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto range = parse_range(of, texts[i]);
    if (range) {
      ranges.push_back(*range);
      continue;
    }
    const bool listed = node->kind == config::Kind::Array && i < node->items.size();
    report_at(table.context(), listed ? node->items[i] : *node, 0, range.error().message,
              of == RangeOf::Weekdays ? "write it as monday:friday or saturday" : "");
  }
  return ranges;
}

/// Reports an error of `result` at the key.
template <class T>
std::optional<T> taken(config::Table& table, std::string_view key, base::Result<T> result,
                       std::string hint = {}) {
  if (result) return std::move(*result);
  table.error(key, result.error().message, std::move(hint));
  return std::nullopt;
}

void read_times(config::Table& table, PeriodStyle style, TimePeriod& period) {
  if (style == PeriodStyle::Ours) {
    for (const std::string& text : table.strings("times")) {
      const auto range = taken(table, "times", parse_times(text),
                               "over midnight are two ranges: 22:00-24:00 and 00:00-06:00");
      if (range) period.times.push_back(*range);
    }
    return;
  }
  for (config::Table& each : table.tables("times")) {
    const std::string begin = each.string("start_time", "");
    const std::string end = each.string("end_time", "");
    if (begin.empty() || end.empty()) {
      each.error("", "both start and end times must be provided");
    } else if (const auto range = taken(each, "end_time", make_times(begin, end))) {
      period.times.push_back(*range);
    }
    each.finish();
  }
}

void read_zone(config::Table& table, std::string_view key, TimePeriod& period) {
  const std::string name = table.string(key, "");
  if (name.empty()) return;
  if (const auto zone = taken(table, key, timezone::Zone::find(name))) period.zone = *zone;
}

TimeInterval read_interval(config::Table& table, std::set<std::string>& names) {
  TimeInterval interval;
  interval.name = table.required_string("name");
  if (!interval.name.empty() && !names.insert(interval.name).second) {
    table.error("name", fmt::format("two time intervals are named '{}'", interval.name));
  }
  std::vector<config::Table> periods = table.tables("periods");
  if (periods.empty()) interval.periods.push_back(read_period(table, PeriodStyle::Ours));
  for (config::Table& period : periods) {
    interval.periods.push_back(read_period(period, PeriodStyle::Ours));
    period.finish();
  }
  table.finish();
  return interval;
}

InhibitRule read_rule(config::Table& table) {
  InhibitRule rule;
  rule.name = table.string("name", "");
  if (table.has("source") == table.has("sources")) {
    table.error(table.has("source") ? "sources" : "",
                "an inhibit rule needs either 'source' or 'sources'",
                "source = ['alertname=\"HostDown\"'], or sources = [[...], [...]] of which all "
                "must fire");
  }
  if (table.has("source")) rule.sources = {read_matchers(table, "source")};
  if (table.has("sources")) rule.sources = read_matcher_sets(table, "sources");
  rule.target = read_matchers(table, "target");
  rule.equal = table.strings("equal");
  if (rule.target.empty()) {
    table.error("target", "an inhibit rule needs a 'target'",
                "without one every alert would be inhibited");
  }
  for (const MatcherSet& source : rule.sources) {
    if (source.empty()) table.error("source", "a source without matchers is every alert");
  }
  table.finish();
  return rule;
}

/// "2026-12-01T22:00" in the window's zone, or with an offset.
std::optional<base::WallTime> read_instant(config::Table& table, std::string_view key,
                                           const timezone::Zone& zone) {
  const std::string text = table.string(key, "");
  if (const auto instant = base::parse_rfc3339(text)) return *instant;
  if (!table.has("time_zone")) {
    table.error(key, fmt::format("'{}' does not say of which zone it is", text),
                "add time_zone = \"Europe/Berlin\", or write 2026-12-01T22:00:00+01:00");
    return std::nullopt;
  }
  const auto local = taken(table, key, timezone::parse_local(text));
  return local ? std::optional(zone.to_wall(*local)) : std::nullopt;
}

Maintenance read_window(config::Table& table, std::set<std::string>& names) {
  Maintenance maintenance;
  maintenance.name = table.required_string("name");
  maintenance.created_by = "configuration";
  maintenance.comment = table.string("comment", "");
  maintenance.matcher_sets = read_matcher_sets(table, "matchers");
  TimePeriod days = read_period(table, PeriodStyle::Ours);
  if (!days.times.empty()) {
    table.error("times", "a maintenance window begins at one time of the day",
                "say at = \"02:00\" and duration = \"4h\"");
  }
  if (table.has("start") || table.has("end")) {
    const auto start = read_instant(table, "start", days.zone);
    const auto end = read_instant(table, "end", days.zone);
    if (start && end) maintenance.once = Window{*start, *end};
  }
  if (table.has("at") || table.has("duration")) {
    Recurrence recurrence;
    recurrence.days = std::move(days);
    const auto at = taken(table, "at", parse_minute(table.required_string("at")));
    recurrence.start_minute = at.value_or(0);
    recurrence.duration = table.duration("duration", Duration{0});
    if (!table.has("time_zone")) {
      table.error("time_zone", "a recurring window needs a time zone",
                  "time_zone = \"Europe/Berlin\"; UTC if that is meant");
    }
    maintenance.recurrence = std::move(recurrence);
  }
  if (const auto good = check_maintenance(maintenance); !good) {
    table.error("name", good.error().message,
                "start and end for once; at, duration, time_zone and weekdays if it comes back");
  }
  if (!names.insert(maintenance.name).second) {
    table.error("name", fmt::format("two maintenance windows are named '{}'", maintenance.name));
  }
  table.finish();
  return maintenance;
}

void read_silence_rules(config::Table table, SilenceRules& rules) {
  rules.limits.silences_max = static_cast<std::size_t>(table.integer("max", 0, 0, 1'000'000));
  rules.limits.bytes_max = static_cast<std::size_t>(table.bytes("max_size", 0));
  rules.broad_share = table.number("broad_share", rules.broad_share);
  if (!(rules.broad_share > 0 && rules.broad_share <= 1)) {
    table.error("broad_share", "broad_share must be over 0 and at most 1", "1 switches it off");
  }
  rules.broad_count = static_cast<std::size_t>(
      table.integer("broad_count", static_cast<std::int64_t>(rules.broad_count), 0, 1'000'000));
  rules.remind_before = table.duration("remind_before", rules.remind_before);
  table.finish();
}

void read_flapping(config::Table table, FlapRules& rules) {
  rules.changes = static_cast<std::size_t>(
      table.integer("changes", static_cast<std::int64_t>(rules.changes), 0, 100));
  rules.window = table.duration("window", rules.window);
  if (rules.changes == 1 || rules.changes == 2) {
    table.error("changes", "an alert that fires and resolves once has changed twice",
                "use 4 or more; 0 switches it off");
  }
  if (rules.window < std::chrono::minutes(1)) {
    table.error("window", "window must be at least 1m");
  }
  table.finish();
}

}  // namespace

TimePeriod read_period(config::Table& table, PeriodStyle style) {
  TimePeriod period;
  read_times(table, style, period);
  period.weekdays = read_ranges(table, RangeOf::Weekdays, "weekdays");
  period.days_of_month = read_ranges(table, RangeOf::DaysOfMonth, "days_of_month");
  period.months = read_ranges(table, RangeOf::Months, "months");
  period.years = read_ranges(table, RangeOf::Years, "years");
  read_zone(table, style == PeriodStyle::Ours ? "time_zone" : "location", period);
  return period;
}

void read_suppression(config::Table& root, Routing& routing) {
  std::set<std::string> intervals;
  for (config::Table& table : root.tables("time_interval")) {
    routing.time_intervals.push_back(read_interval(table, intervals));
  }
  for (config::Table& table : root.tables("inhibit")) {
    if (routing.inhibit_rules.size() == kRulesMax) {
      table.error("", fmt::format("more than {} inhibit rules", kRulesMax));
      break;
    }
    routing.inhibit_rules.push_back(read_rule(table));
  }
  std::set<std::string> windows;
  for (config::Table& table : root.tables("maintenance")) {
    routing.maintenance.push_back(read_window(table, windows));
  }
  read_silence_rules(root.table("silences"), routing.silences);
  read_flapping(root.table("flapping"), routing.flapping);
}

}  // namespace tocsin::routing
