#include "alertd/incident/fake_state_store.h"

#include "tests/sim/state/state_store_suite.h"

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

}  // namespace tocsin::incident
