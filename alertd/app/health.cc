#include "alertd/app/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace tocsin::alertd {
namespace {

constexpr double kIntervalsLate = 3;
constexpr double kSecondsLate = 60;

struct Seen {
  std::map<base::MetricLabels, double> evaluated;
  std::map<base::MetricLabels, double> interval;
  double failed_commits = 0;
};

Seen look(const base::Metrics& metrics) {
  Seen seen;
  for (base::MetricPoint& point : metrics.points()) {
    if (point.name == "tocsin_alertd_rule_group_last_evaluation_timestamp_seconds") {
      seen.evaluated.emplace(std::move(point.labels), point.value);
    } else if (point.name == "tocsin_alertd_rule_group_interval_seconds") {
      seen.interval.emplace(std::move(point.labels), point.value);
    } else if (point.name == "tocsin_alertd_state_commit_failures_total") {
      seen.failed_commits += point.value;
    }
  }
  return seen;
}

// A single late group has an alert of its own; that none is on time leaves nobody to raise it.
bool some_group_is_on_time(const Seen& seen, double now) {
  if (seen.interval.empty()) return true;
  return std::any_of(seen.interval.begin(), seen.interval.end(), [&](const auto& group) {
    const auto evaluated = seen.evaluated.find(group.first);
    return evaluated != seen.evaluated.end() &&
           now - evaluated->second <= kIntervalsLate * group.second + kSecondsLate;
  });
}

}  // namespace

heartbeat::Health way_to_people(const HealthWorld& world) {
  return [world,
          failed = std::make_shared<double>(0)](const std::function<void(std::string)>& answer) {
    if (!world.lease.held()) return answer("this daemon stands by");
    const Seen seen = look(world.metrics);
    const double failed_before = std::exchange(*failed, seen.failed_commits);
    if (seen.failed_commits > failed_before) {
      return answer(fmt::format("{} commits of incidents failed since the last look",
                                seen.failed_commits - failed_before));
    }
    const base::WallTime now = world.background.clock().wall();
    if (!some_group_is_on_time(seen, base::to_seconds(now))) {
      return answer("no rule group is evaluated in time");
    }
    incident::IncidentQuery newest;
    newest.limit = 1;
    world.state.incidents(newest, world.background, [world, answer](const auto& rows) {
      if (!rows) return answer("incidents cannot be read: " + rows.error().message);
      // The core's own answer, after what it is committing now.
      world.dispatcher.snapshot(world.background, [answer](const auto&) { answer(""); });
    });
  };
}

}  // namespace tocsin::alertd
