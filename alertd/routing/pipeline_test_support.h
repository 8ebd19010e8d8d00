// Words for the pipeline's tests: alerts, steps and the reasons that came out.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

#include "alertd/routing/matcher_text.h"
#include "alertd/routing/pipeline.h"
#include "alertd/routing/route_config.h"

namespace tocsin::routing {

inline const base::WallTime kStart = base::wall_time(1'700'000'000'000);  // 2023-11-14T22:13:20Z

inline Routing one_route() {
  Routing routing;
  routing.root.receiver = "oncall";
  routing.root.group_by = {"alertname"};
  routing.root.timing.group_wait = std::chrono::seconds(30);
  routing.root.timing.group_interval = std::chrono::minutes(5);
  routing.root.timing.repeat_interval = std::chrono::hours(4);
  complete_routes(routing.root);
  return routing;
}

inline model::Alert make_alert(std::string_view name, std::string_view host, base::WallTime now) {
  model::Alert alert;
  alert.labels = model::Labels({{"alertname", name}, {"host", host}});
  alert.severity = model::Severity::High;
  alert.starts_at = alert.updated_at = now;
  alert.valid_until = now + std::chrono::minutes(4);
  return alert;
}

/// Fires and is not forgotten for a day.
inline model::Alert fire(std::string_view name, std::string_view host, base::WallTime now) {
  model::Alert alert = make_alert(name, host, now);
  alert.valid_until = now + std::chrono::hours(24);
  return alert;
}

inline model::Alert over(std::string_view name, std::string_view host, base::WallTime now) {
  model::Alert alert = make_alert(name, host, now);
  alert.ends_at = now;
  return alert;
}

/// "+FirstNotification -Silenced ": what was sent and what was held, in order.
inline std::string reasons(const std::vector<Action>& actions) {
  std::string text;
  for (const Action& action : actions) {
    text += fmt::format("{}{}{} ", action.send ? "+" : "-", to_string(action.reason),
                        action.integration.empty() ? "" : "@" + action.integration);
  }
  return text;
}

inline std::string step(Pipeline& pipeline, base::WallTime now,
                        std::vector<model::Alert> alerts = {}) {
  return reasons(pipeline.step(now, alerts));
}

inline std::string sent(const std::vector<Action>& actions) {
  std::string text;
  for (const Action& action : actions) {
    if (!action.send) continue;
    text += fmt::format("{}{}:", to_string(action.reason),
                        action.integration.empty() ? "" : "@" + action.integration);
    std::set<std::string> hosts;
    for (const auto& alert : action.firing)
      hosts.insert(fmt::format("+{}", alert.labels.get("host")));
    for (const auto& alert : action.resolved) {
      hosts.insert(fmt::format("-{}", alert.labels.get("host")));
    }
    for (const std::string& host : hosts) text += host;
    text += " ";
  }
  return text;
}

/// Only what was sent, with the hosts of the alerts: "NewAlerts:+a+b-c ".
inline std::string told(Pipeline& pipeline, base::WallTime now,
                        std::vector<model::Alert> alerts = {}) {
  return sent(pipeline.step(now, alerts));
}

/// Lets time pass as the shell does, from one due moment to the next; collects what was sent, with
/// the seconds since kStart: "30 FirstNotification:+a ".
inline std::string run_until(Pipeline& pipeline, base::WallTime until) {
  std::string text;
  while (true) {
    const auto due = pipeline.next_due();
    if (!due || *due > until) return text;
    const std::string now = told(pipeline, *due);
    if (!now.empty()) text += fmt::format("{} {}", (*due - kStart).count() / 1000, now);
  }
}

inline std::string silence(Pipeline& pipeline, std::string_view matchers, base::WallTime now,
                           base::WallTime ends_at) {
  SetSilence edit;
  edit.silence.matcher_sets = {*parse_matchers(matchers)};
  edit.silence.ends_at = ends_at;
  edit.silence.created_by = "ann";
  edit.silence.comment = "disks are replaced";
  const auto id = pipeline.apply(edit, now);
  REQUIRE_MESSAGE(id, id);
  return *id;
}

}  // namespace tocsin::routing
