// What every StateStore that two daemons can share must do: one writes, and only it.
// Include from a *_test.cc only; asked_store.h says how.
#pragma once

#include "tests/sim/state/state_store_suite.h"

namespace tocsin::incident {

/// Two stores over the same durable data, empty at the start. `pass` lets the store's own clock,
/// and the executor's, run so far.
struct PairUnderTest {
  base::SimExecutor& executor;
  StateStore& first;
  StateStore& second;
  std::function<void(base::Duration)> pass;
};

inline Lease suite_acquire(const PairUnderTest& test, StateStore& store, const std::string& holder,
                           base::Duration duration) {
  auto lease = ask<Lease>(test.executor, [&](auto done) {
    store.acquire_lease(holder, duration, test.executor, done);
  });
  REQUIRE_MESSAGE(lease, lease);
  return *lease;
}

inline void suite_lease(const PairUnderTest& test) {
  constexpr base::Duration kTerm{1500};
  const StoreUnderTest only{test.executor, {}};
  const auto commit = [&](StateStore& store, const std::string& key) {
    StateChange change;
    change.alerts_upsert = {{key, "{}"}};
    change.outbox = {suite_notification("T-" + key, 1)};
    return suite_commit(only, store, change);
  };
  const auto renew = [&](StateStore& store) {
    return ask<Lease>(test.executor,
                      [&](auto done) { store.renew_lease(kTerm, test.executor, done); });
  };
  const auto release = [&](StateStore& store) {
    return ask<void>(test.executor, [&](auto done) { store.release_lease(test.executor, done); });
  };
  CHECK(renew(test.first).error().code == base::ErrorCode::Cancelled);
  const Lease mine = suite_acquire(test, test.first, "one", kTerm);
  CHECK(mine.held);
  CHECK(mine.holder == "one");
  const Lease other = suite_acquire(test, test.second, "two", kTerm);
  CHECK(!other.held);
  CHECK(other.holder == "one");
  CHECK(suite_acquire(test, test.first, "one", kTerm).epoch == mine.epoch);  // renewed
  REQUIRE(commit(test.first, "a"));
  CHECK(commit(test.second, "b").error().code == base::ErrorCode::Cancelled);
  REQUIRE(suite_due(only, test.first, 100).rows.size() == 1);
  REQUIRE(renew(test.first));

  test.pass(kTerm + base::Duration{500});
  const Lease taken = suite_acquire(test, test.second, "two", kTerm);
  CHECK(taken.held);
  CHECK(taken.epoch > mine.epoch);
  // The first wakes up and knows nothing of it: none of its writes passes, and nothing changes.
  const auto late = commit(test.first, "c");
  REQUIRE(!late);
  CHECK(late.error().code == base::ErrorCode::Cancelled);
  CHECK(late.error().message.find("epoch") != std::string::npos);
  CHECK(renew(test.first).error().code == base::ErrorCode::Cancelled);
  const auto rows = suite_due(only, test.second, 100);  // its claims are taken over
  REQUIRE(rows.rows.size() == 1);
  CHECK(rows.rows[0].notification.incident.id == "T-a");
  const std::int64_t id = rows.rows[0].id;
  CHECK(ask<void>(test.executor,
                  [&](auto done) {
                    test.first.attempt_started(id, 1, suite_time(5), test.executor, done);
                  })
            .error()
            .code == base::ErrorCode::Cancelled);
  CHECK(ask<std::vector<WaitingRow>>(
            test.executor, [&](auto done) { test.first.pending_after(0, 10, test.executor, done); })
            .error()
            .code == base::ErrorCode::Cancelled);
  REQUIRE(ask<void>(test.executor, [&](auto done) {
    test.second.attempt_started(id, 1, suite_time(5), test.executor, done);
  }));
  CHECK(suite_load(only, test.second, 0).alerts.size() == 1);

  REQUIRE(release(test.second));
  REQUIRE(release(test.second));
  CHECK(commit(test.second, "d").error().code == base::ErrorCode::Cancelled);
  CHECK(suite_acquire(test, test.first, "one", kTerm).epoch > taken.epoch);  // without waiting
  REQUIRE(commit(test.first, "e"));
  // The same daemon, started again, does not wait for itself.
  CHECK(suite_acquire(test, test.second, "one", kTerm).held);
  CHECK(commit(test.first, "f").error().code == base::ErrorCode::Cancelled);
  REQUIRE(commit(test.second, "g"));
}

}  // namespace tocsin::incident
