#include <doctest/doctest.h>

#include "alertd/incident/engine.h"

namespace tocsin::incident {
namespace {

TEST_CASE("context: the newest related incidents are told with their titles, the others by id") {
  const base::WallTime start = base::wall_time(1'700'000'000'000);
  routing::Routing routing;
  routing.root.receiver = "ops";
  routing.root.group_by = {"alertname", "host"};
  routing.root.timing.group_wait = base::Duration{0};
  routing::complete_routes(routing.root);
  IncidentSettings settings;
  settings.receivers = {{"ops", {"pager"}}};
  Engine engine(routing, {}, settings);
  std::vector<model::Alert> alerts;
  for (const char* name : {"A", "B", "C", "D", "E"}) {
    model::Alert alert;
    alert.labels = model::Labels({{"alertname", name}, {"host", "db1"}});
    alert.starts_at = alert.updated_at = start;
    alert.valid_until = start + std::chrono::minutes(5);
    alerts.push_back(std::move(alert));
  }
  const StepResult result = engine.step(start, {alerts, {}, {}});
  std::vector<std::string> related;
  for (const TimelineEvent& event : result.change.events) {
    if (event.kind == "related") related.push_back(event.incident_id + " " + event.text);
  }
  CHECK(related == std::vector<std::string>{
                       "T-1002 T-1001: A (host=db1)",
                       "T-1003 T-1002: B (host=db1); T-1001: A (host=db1)",
                       "T-1004 T-1003: C (host=db1); T-1002: B (host=db1); T-1001: A (host=db1)",
                       "T-1005 T-1004: D (host=db1); T-1003: C (host=db1); T-1002: B (host=db1)"
                       "; T-1001"});
}

}  // namespace
}  // namespace tocsin::incident
