#include "alertd/ruler/strand.h"

#include <doctest/doctest.h>

#include "common/base/asio_executor.h"
#include "common/base/sim_executor.h"

namespace tocsin::ruler {

TEST_CASE("tasks of one strand never overlap and keep their order, on many threads") {
  const base::RealClock clock;
  base::AsioExecutor executor(clock, "test", 4);
  Strand strand(executor);
  constexpr int kTasks = 20'000;
  std::vector<int> seen;  // no lock: that is what the strand is for
  base::Mutex mutex;
  base::Condition finished;
  bool done = false;
  for (int i = 0; i < kTasks; ++i) {
    strand.post([&, i] { seen.push_back(i); });
  }
  strand.post([&] {
    base::MutexLock lock(mutex);
    done = true;
    finished.notify_all();
  });
  {
    base::MutexLock lock(mutex);
    finished.wait(mutex, [&] { return done; });
  }
  REQUIRE(seen.size() == kTasks);
  for (int i = 0; i < kTasks; ++i) REQUIRE(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("tasks run although the strand is gone") {
  const base::RealClock clock;
  base::AsioExecutor executor(clock, "test", 2);
  base::Mutex mutex;
  base::Condition finished;
  int ran = 0;
  {
    Strand strand(executor);
    for (int i = 0; i < 10; ++i) {
      strand.post([&] {
        base::MutexLock lock(mutex);
        ++ran;
        finished.notify_all();
      });
    }
  }
  base::MutexLock lock(mutex);
  finished.wait(mutex, [&] { return ran == 10; });
  CHECK(ran == 10);
}

TEST_CASE("tasks that wait go with the executor, also if they hold the owner of the strand") {
  struct Owner {
    explicit Owner(base::Executor& executor) : strand(executor) {}
    Strand strand;
  };
  std::weak_ptr<Owner> watched;
  {
    base::SimClock clock;
    base::SimExecutor executor(clock);
    const auto owner = std::make_shared<Owner>(executor);
    watched = owner;
    for (int i = 0; i < 3; ++i) owner->strand.post([owner] {});
  }
  CHECK(watched.expired());
}

}  // namespace tocsin::ruler
