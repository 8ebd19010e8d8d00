#include "alertd/sharing/fake_group_store.h"

#include "common/base/sim_executor.h"
#include "tests/sim/state/group_store_suite.h"

namespace tocsin::sharing {
namespace {

struct FakeStores {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeGroupStore::Tables> tables = std::make_shared<FakeGroupStore::Tables>(clock);
  FakeGroupStore first{tables};
  FakeGroupStore second{tables};
  GroupStoresUnderTest test{first, second, [this](base::Duration time) { executor.run_for(time); }};
};

}  // namespace

TEST_CASE("fake group store: leases by group, fenced") {
  suite_group_leases(FakeStores().test);
}

TEST_CASE("fake group store: changed alerts are seen once, whoever reads") {
  suite_group_changes(FakeStores().test);
}

}  // namespace tocsin::sharing
