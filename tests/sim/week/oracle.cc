#include "tests/sim/week/oracle.h"

#include <algorithm>

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

constexpr Duration kDay = hours(24);

void collect(const RouteSpec& route, const LabelMap& labels, model::Severity severity,
             std::vector<const RouteSpec*>& found) {
  const std::size_t before = found.size();
  for (const RouteSpec& child : route.children) {
    if (!matches(child.matchers, labels, severity)) continue;
    collect(child, labels, severity, found);
    if (!child.continues) break;
  }
  if (found.size() == before) found.push_back(&route);
}

/// How long after its end an alert may still hide others: it is sent once more when it is over, or
/// times out.
constexpr Duration kKnownLate = minutes(6);

bool share(const LabelMap& a, const LabelMap& b, const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto mine = a.find(name);
    const auto its = b.find(name);
    return mine != a.end() && its != b.end() && mine->second == its->second;
  });
}

}  // namespace

bool matches(const Matchers& matchers, const LabelMap& labels, model::Severity severity) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Match& match) {
    const auto label = labels.find(match.label);
    const std::string value = match.label == "severity" ? std::string(model::to_string(severity))
                              : label == labels.end()   ? ""
                                                        : label->second;
    return (value == match.value) == match.equal;
  });
}

std::vector<const RouteSpec*> leaves(const Config& config, const LabelMap& labels,
                                     model::Severity severity) {
  std::vector<const RouteSpec*> found;
  collect(config.root, labels, severity, found);
  return found;
}

std::string on_call(const ScheduleSpec& schedule, const std::vector<OverrideSpec>& overrides,
                    WallTime at) {
  for (auto over = overrides.rbegin(); over != overrides.rend(); ++over) {
    if (over->schedule == schedule.name && at >= over->begin && at < over->end) return over->person;
  }
  if (schedule.over && at >= schedule.over->begin && at < schedule.over->end) {
    return schedule.over->person;
  }
  // A turn begins when the clock on the wall shows its time for the first time.
  std::size_t turn = 0;
  for (WallTime shown = schedule.start; instant(schedule.zone, shown) <= at;
       shown += schedule.rotation) {
    ++turn;
  }
  return turn == 0 ? "" : schedule.persons[(turn - 1) % schedule.persons.size()];
}

std::vector<Span> windows(const MaintenanceSpec& maintenance, Span within) {
  std::vector<Span> spans;
  const WallTime first = midnight(local(maintenance.zone, within.from)) - 8 * kDay;
  const WallTime last = local(maintenance.zone, within.to) + kDay;
  for (WallTime day = first; day < last; day += kDay) {
    if (weekday(day) != maintenance.weekday) continue;
    const WallTime from = instant(maintenance.zone, day + hours(maintenance.hour));
    spans.push_back({from, from + maintenance.length});
  }
  return spans;
}

std::vector<Span> windows(const IntervalSpec& interval, Span within) {
  std::vector<Span> spans;
  const WallTime first = midnight(local(interval.zone, within.from)) - kDay;
  const WallTime last = local(interval.zone, within.to) + kDay;
  for (WallTime day = first; day < last; day += kDay) {
    // Of an hour that comes twice, both.
    const WallTime from = instant(interval.zone, day + hours(interval.from_hour));
    WallTime to = instant(interval.zone, day + hours(interval.to_hour));
    while (local(interval.zone, to) < day + hours(interval.to_hour)) to += hours(1);
    if (from < to) spans.push_back({from, to});
  }
  return spans;
}

WallTime next_digest(const PolicySpec& policy, WallTime at) {
  const WallTime today = midnight(local(policy.zone, at));
  for (int day = 0;; ++day) {
    const WallTime then =
        instant(policy.zone, today + day * kDay + hours(policy.digest_hour.value_or(0)));
    if (then >= at) return then;
  }
}

std::vector<Span> hidden_spans(const Plan& plan, const Journal& journal, const Life& life,
                               const RouteSpec* route, Duration margin) {
  std::vector<Span> spans;
  const bool wide = margin.count() > 0;
  const auto add = [&](WallTime from, WallTime to) {
    if (from - margin < to + margin) spans.push_back({from - margin, to + margin});
  };
  for (const Hidden& each : journal.hidden) {
    if (!matches(each.matchers, life.labels, model::Severity::Low)) continue;
    add(wide ? each.asked : each.from, wide ? each.over : each.to);
  }
  for (std::size_t i = 0; i < journal.configs.size(); ++i) {
    const auto& [from, number] = journal.configs[i];
    const WallTime to =
        i + 1 < journal.configs.size() ? journal.configs[i + 1].first : plan.end + hours(48);
    const Config& config = plan.configs[number];
    const auto add_within = [&](Span span) {
      add(std::max(span.from, from), std::min(span.to, to));
    };
    for (const MaintenanceSpec& each : config.maintenances) {
      if (!matches(each.matchers, life.labels, model::Severity::Low)) continue;
      for (const Span span : windows(each, {life.fire, life.end})) add_within(span);
    }
    for (const InhibitSpec& rule : config.inhibits) {
      if (!matches(rule.target, life.labels, model::Severity::Low)) continue;
      for (const Life& source : plan.lives) {
        if (!matches(rule.source, source.labels, model::Severity::Low)) continue;
        if (!share(source.labels, life.labels, rule.equal)) continue;
        // What the daemon knows for sure: it was sent again since, and is not over yet.
        const WallTime known = wide ? source.fire : source.fire + minutes(2);
        add_within({known, wide ? source.end + kKnownLate : source.end});
      }
    }
    if (!route || route->mute.empty()) continue;
    for (const IntervalSpec& each : config.intervals) {
      if (each.name != route->mute) continue;
      for (const Span span : windows(each, {life.fire, life.end})) add_within(span);
    }
  }
  return merged(std::move(spans));
}

std::vector<Span> merged(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.from < b.from; });
  std::vector<Span> joined;
  for (const Span& span : spans) {
    if (span.from >= span.to) continue;
    if (!joined.empty() && span.from <= joined.back().to) {
      joined.back().to = std::max(joined.back().to, span.to);
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

std::vector<Span> without(Span whole, const std::vector<Span>& spans) {
  std::vector<Span> left;
  WallTime from = whole.from;
  for (const Span& span : merged(spans)) {
    if (span.to <= from) continue;
    if (span.from >= whole.to) break;
    if (span.from > from) left.push_back({from, span.from});
    from = std::max(from, span.to);
  }
  if (from < whole.to) left.push_back({from, whole.to});
  return left;
}

bool inside(const std::vector<Span>& spans, WallTime at) {
  return std::any_of(spans.begin(), spans.end(),
                     [at](const Span& span) { return span.contains(at); });
}

const Config& Journal::config(const Plan& plan, WallTime at) const {
  std::size_t number = configs.empty() ? 0 : configs.front().second;
  for (const auto& [from, which] : configs) {
    if (from <= at) number = which;
  }
  return plan.configs[number];
}

std::set<std::string> recorded_reasons(const Journal& journal, std::size_t life, WallTime from,
                                       WallTime to) {
  std::set<std::string> reasons;
  for (const Probe& probe : journal.probes) {
    if (probe.life != life || probe.at < from || probe.at >= to) continue;
    reasons.insert(probe.reasons.begin(), probe.reasons.end());
  }
  return reasons;
}

}  // namespace tocsin::week
