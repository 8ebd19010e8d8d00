#include "alertd/incident/fake_state_store.h"

#include "tests/sim/state/state_store_batch_suite.h"
#include "tests/sim/state/state_store_lease_suite.h"
#include "tests/sim/state/state_store_log_suite.h"

namespace tocsin::incident {
namespace {

struct World {
  base::SimClock clock;
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
  std::unique_ptr<FakeStateStore> store;
  StoreUnderTest test{executor, [this]() -> StateStore& {
                        store = std::make_unique<FakeStateStore>(disk);
                        return *store;
                      }};
};

}  // namespace

TEST_CASE("fake store: state survives") {
  suite_state_survives(World().test);
}
TEST_CASE("fake store: outbox") {
  suite_outbox(World().test);
}
TEST_CASE("fake store: queries") {
  suite_queries(World().test);
}

TEST_CASE("fake store: kept records") {
  suite_records(World().test);
}
TEST_CASE("fake store: superseding") {
  suite_superseding(World().test);
}
TEST_CASE("fake store: decisions") {
  suite_decisions(World().test);
}
TEST_CASE("fake store: audit trail") {
  suite_audit(World().test);
}
TEST_CASE("fake store: receipts") {
  suite_receipts(World().test);
}
TEST_CASE("fake store: batches") {
  suite_batches(World().test);
}
TEST_CASE("fake store: an attempt that is called back") {
  suite_called_back(World().test);
}
TEST_CASE("fake store: lease") {
  World world;
  FakeStateStore first(world.disk);
  FakeStateStore second(world.disk);
  suite_lease({world.executor, first, second,
               [&world](base::Duration time) { world.executor.run_for(time); }});
}

TEST_CASE("audit chain: what was changed, taken out or cut off shows") {
  std::vector<StoredAudit> rows;
  for (int i = 1; i <= 4; ++i) {
    StoredAudit row{i, {suite_time(i), "ann", "api", "comment", "T-1", std::to_string(i)}, {}};
    row.hash = audit_hash(rows.empty() ? "" : rows.back().hash, i, row.record);
    rows.push_back(row);
  }
  const auto verdict = [](const std::vector<StoredAudit>& trail) {
    AuditChain chain;
    for (const StoredAudit& row : trail) {
      if (!chain.add(row)) break;
    }
    const AuditVerdict found = chain.finish(4);
    return std::to_string(found.rows) + " " + std::to_string(found.first_broken.value_or(0));
  };
  CHECK(verdict(rows) == "4 0");
  auto changed = rows;
  changed[1].record.text = "forged";
  CHECK(verdict(changed) == "1 2");
  changed[1].hash = audit_hash(changed[0].hash, 2, changed[1].record);  // shows one row later
  CHECK(verdict(changed) == "2 3");
  auto missing = rows;
  missing.erase(missing.begin() + 1);
  CHECK(verdict(missing) == "1 2");
  auto moved = rows;
  std::swap(moved[0].record.actor, moved[0].record.source);
  CHECK(verdict(moved) == "0 1");
  auto cut = rows;
  cut.pop_back();
  CHECK(verdict(cut) == "3 4");
}

TEST_CASE("state change: ids and cuts") {
  StateChange change;
  change.decisions = {{suite_time(1), "a", "", "", false, "", ""}};
  StateChange other = change;
  CHECK(change_id(change) == change_id(other));
  other.decisions[0].fingerprint = "a";
  other.decisions[0].subject = "";
  CHECK(change_id(change) != change_id(other));
  change.id = "step 1";
  CHECK(change_id(change) == "step 1");
  CHECK(clipped("gr\xc3\xb6\xc3\x9f", 5) == "gr\xc3\xb6");
  CHECK(clipped("abc", 3) == "abc");
  CHECK(!StateChange{"", {}, {}, {}, {}, {}, {}, {}, {{"T-1", "", "", 1, ""}}, {}, {}, {}, {}}
             .empty());
}

}  // namespace tocsin::incident
