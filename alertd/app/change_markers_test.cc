#include "alertd/app/change_markers.h"

#include <doctest/doctest.h>

namespace tocsin::alertd {
namespace {

incident::Change change(const char* service, const char* version, std::int64_t second) {
  return {"C-1", base::wall_time(second * 1000), service, version, "ann", "", "deploy"};
}

struct Markers {
  std::map<std::string, double> shown() const {
    std::map<std::string, double> all;
    for (const base::MetricPoint& point : metrics.points()) {
      all[point.labels.at("service") + "@" + point.labels.at("version")] = point.value;
    }
    return all;
  }
  base::Metrics metrics;
  ChangeMarkers markers{metrics};
};

}  // namespace

TEST_CASE("change markers: the last of each service, whatever order they come in") {
  Markers m;
  incident::StateChange commit;
  commit.records_upsert = {incident::change_record(change("shop", "1.2", 1000)),
                           incident::change_record(change("", "", 1500)),
                           {"override", "O-1", "{}"}};
  m.markers.committed(commit);
  CHECK(m.shown() == std::map<std::string, double>{{"shop@1.2", 1000}, {"@", 1500}});
  commit.records_upsert = {incident::change_record(change("shop", "1.3", 2000))};
  m.markers.committed(commit);
  commit.records_upsert = {incident::change_record(change("shop", "1.1", 500))};
  m.markers.committed(commit);
  CHECK(m.shown() == std::map<std::string, double>{{"shop@1.3", 2000}, {"@", 1500}});
}

TEST_CASE("change markers: after a restart those of the week are known; services are bounded") {
  Markers m;
  m.markers.know({change("old", "1", 1000), change("new", "2", 1'000'000)},
                 base::wall_time(1'000'500'000));
  CHECK(m.shown() == std::map<std::string, double>{{"new@2", 1'000'000}});
  incident::StateChange commit;
  for (std::size_t i = 0; i < 2 * ChangeMarkers::kServicesMax; ++i) {
    const std::string service = "s" + std::to_string(i);
    commit.records_upsert.push_back(incident::change_record(change(service.c_str(), "1", 2000)));
  }
  m.markers.committed(commit);
  CHECK(m.shown().size() == ChangeMarkers::kServicesMax);
}

}  // namespace tocsin::alertd
