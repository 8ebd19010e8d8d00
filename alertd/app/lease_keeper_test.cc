#include "alertd/app/lease_keeper.h"

#include <doctest/doctest.h>

#include "alertd/incident/fake_state_store.h"
#include "common/base/sim_executor.h"

namespace tocsin::alertd {
namespace {

using incident::FakeStateStore;
using std::chrono::seconds;

struct Pair {
  Pair() { base::set_log_level(base::LogLevel::Error); }

  struct Daemon {
    Daemon(Pair& pair, const std::string& name) : pair_(pair), store(pair.disk) { boot(name); }

    void boot(const std::string& name) {
      LeaseOptions options;
      options.holder = name;
      keeper = std::make_unique<LeaseKeeper>(options, store, pair_.executor, metrics);
      LeaseKeeper::Hooks hooks;
      hooks.taken = [this] { story += "taken "; };
      hooks.lost = [this] { story += "lost "; };
      hooks.not_first = [this] { story += "not-first "; };
      keeper->start(std::move(hooks), [this](const base::Error&) { story += "failed "; });
    }

    Pair& pair_;
    base::Metrics metrics;
    FakeStateStore store;
    std::unique_ptr<LeaseKeeper> keeper;
    std::string story;
  };

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::shared_ptr<FakeStateStore::Disk> disk = std::make_shared<FakeStateStore::Disk>();
};

}  // namespace

TEST_CASE("lease keeper: the second stands by, and takes over within the term and one poll") {
  Pair pair;
  Pair::Daemon first(pair, "one");
  pair.executor.run_ready();
  Pair::Daemon second(pair, "two");
  pair.executor.run_for(seconds(60));
  CHECK(first.story == "taken ");
  CHECK(second.story == "not-first ");
  CHECK(first.keeper->held());
  CHECK(second.keeper->describe() == "stands by: 'one' has the lease, epoch 1");

  first.keeper.reset();                          // kill -9
  pair.executor.run_for(base::Duration{5'900});  // at least term - renew
  CHECK(second.story == "not-first ");
  pair.executor.run_for(base::Duration{9'000 + 1'500 - 5'900});
  CHECK(second.story == "not-first taken ");
  CHECK(second.keeper->describe() == "has the lease, epoch 2");

  first.boot("one");  // comes back, and waits its turn
  pair.executor.run_for(seconds(60));
  CHECK(first.story == "taken not-first ");
  pair.executor.post([&second] { second.keeper->stop(); });  // an orderly stop
  pair.executor.run_for(base::Duration{1'500});
  CHECK(first.story == "taken not-first taken ");
  CHECK(!second.keeper->held());
}

TEST_CASE("lease keeper: who lost it learns so by the next renewal, or by a refused write") {
  Pair pair;
  Pair::Daemon first(pair, "one");
  pair.executor.run_ready();
  const auto steal = [&pair] {
    pair.disk->lease_holder = "thief";
    ++pair.disk->lease_epoch;
    pair.disk->lease_until = pair.clock.wall() + seconds(20);
  };
  steal();
  pair.executor.run_for(seconds(3));
  CHECK(first.story == "taken lost ");
  CHECK(!first.keeper->held());
  pair.executor.run_for(seconds(20));
  CHECK(first.story == "taken lost taken ");
  steal();
  pair.executor.post([&first] {
    first.keeper->refused();
    first.keeper->refused();  // said twice is heard once
  });
  pair.executor.run_ready();
  CHECK(first.story == "taken lost taken lost ");
}

TEST_CASE("lease keeper: started again, a daemon has its own lease at once") {
  Pair pair;
  Pair::Daemon first(pair, "one");
  pair.executor.run_for(seconds(5));
  first.keeper.reset();
  Pair::Daemon again(pair, "one");
  pair.executor.run_ready();
  CHECK(again.story == "taken ");
  CHECK(again.keeper->describe() == "has the lease, epoch 2");
}

}  // namespace tocsin::alertd
