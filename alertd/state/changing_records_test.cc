// Alerts, groups and incidents in their logs: what readers see, also after a crash, on a full disk
// and of the fifth schema.
#include <doctest/doctest.h>

#include "alertd/state/test_support.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin::state {
namespace {

using incident::IncidentRecord;
using incident::IncidentState;
using incident::StateChange;
using incident::suite_incident;
using incident::suite_time;

struct RecordsFile : test::StateFile {
  using StateFile::StateFile;

  void put(const std::vector<IncidentRecord>& records) {
    StateChange change;
    change.incidents_upsert = records;
    REQUIRE(tables->commit(change));
  }
  std::int64_t rows() { return number("SELECT count(*) FROM incidents"); }
  std::size_t loaded(int seconds) {
    const auto state = tables->load(suite_time(seconds));
    REQUIRE_MESSAGE(state, state);
    return state->incidents.size();
  }
};

IncidentRecord resolved(std::int64_t number, int seconds) {
  IncidentRecord record = suite_incident(number, IncidentState::Resolved);
  record.resolved_at = suite_time(seconds);
  return record;
}

}  // namespace

TEST_CASE("incidents become rows when somebody asks") {
  RecordsFile file;
  file.put({suite_incident(1001, IncidentState::Open), suite_incident(1002, IncidentState::Open)});
  IncidentRecord changed = resolved(1001, 50);
  changed.title = "changed";
  changed.body = std::string("\x01\0z", 3);
  file.put({changed});
  CHECK(file.rows() == 0);
  file.crash();
  CHECK(file.loaded(0) == 2);
  CHECK(file.loaded(51) == 1);
  CHECK(file.rows() == 0);
  CHECK(file.tables->load(suite_time(0))->last_incident_number == 1002);

  const auto all = file.tables->incidents({});
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK(file.rows() == 2);
  CHECK(all->at(1).id == "T-1001");
  CHECK(all->at(1).title == "changed");
  CHECK(all->at(1).body == changed.body);
  CHECK(all->at(1).resolved_at == changed.resolved_at);
  CHECK(all->at(1).state == IncidentState::Resolved);

  // Once more, over a row.
  changed.title = "again";
  file.put({changed});
  file.crash();
  CHECK(file.loaded(0) == 2);
  CHECK(file.tables->incident("T-1001")->incident.title == "again");
  CHECK(file.loaded(51) == 1);
  CHECK(file.tables->prune(suite_time(60), suite_time(60)).value() == 1);
  CHECK(file.loaded(0) == 1);
}

TEST_CASE("a full disk does not keep the state from being loaded") {
  RecordsFile file;
  file.put({suite_incident(1001, IncidentState::Open)});
  file.crash();
  REQUIRE(file.database->execute("PRAGMA query_only = 1"));
  CHECK(file.loaded(0) == 1);
}

TEST_CASE("rows of the fifth schema are alerts, groups and incidents as before") {
  RecordsFile file(5);
  REQUIRE(file.database->execute(
      "INSERT INTO alerts (number, key, body) VALUES (1, 'a', '{}'), (2, 'b', '{}');"
      "INSERT INTO alert_groups (number, key, body) VALUES (1, 'g', 'old');"
      "INSERT INTO incidents VALUES (1001, 'T-1001', 'g', 't', 'open', 1, 1, 0, 0, NULL, '{}');"
      "INSERT INTO counters VALUES ('last_incident_number', 1001)"));
  file.crash();
  auto state = file.tables->load(suite_time(0));
  REQUIRE(state);
  CHECK(state->alerts.size() == 2);
  CHECK(state->groups.at(0).body == "old");
  CHECK(state->incidents.at(0).id == "T-1001");
  CHECK(state->last_incident_number == 1001);
  StateChange change;
  change.alerts_delete = {"a"};
  change.groups_upsert = {{"g", "new"}};
  REQUIRE(file.tables->commit(change));
  file.crash();
  state = file.tables->load(suite_time(0));
  REQUIRE(state);
  REQUIRE(state->alerts.size() == 1);
  CHECK(state->alerts[0].key == "b");
  REQUIRE(state->groups.size() == 1);
  CHECK(state->groups[0].body == "new");
}

}  // namespace tocsin::state
