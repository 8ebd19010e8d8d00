#include "alertd/state/sqlite_state_store.h"

#include <atomic>

#include "alertd/state/schema.h"
#include "alertd/state/state_tables.h"
#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/sim/test_folder.h"
#include "tests/sim/state/state_store_batch_suite.h"
#include "tests/sim/state/state_store_log_suite.h"

namespace tocsin::state {
namespace {

using base::ErrorCode;
using incident::StateStore;

struct World {
  sim::TestFolder folder;
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  std::unique_ptr<StateStore> store;
  std::string path = folder.file("state.db");
  incident::StoreUnderTest test{executor, [this]() -> StateStore& {
                                  store.reset();
                                  auto opened = open();
                                  REQUIRE_MESSAGE(opened, opened);
                                  store = std::move(*opened);
                                  return *store;
                                }};

  base::Result<std::unique_ptr<StateStore>> open() {
    SqliteOptions options;
    options.path = path;
    options.busy_timeout_ms = 20;
    options.worker = &executor;
    return open_sqlite_state_store(options, clock);
  }
};

}  // namespace

TEST_CASE("sqlite store: state survives") {
  suite_state_survives(World().test);
}
TEST_CASE("sqlite store: outbox") {
  suite_outbox(World().test);
}
TEST_CASE("sqlite store: queries") {
  suite_queries(World().test);
}
TEST_CASE("sqlite store: kept records") {
  suite_records(World().test);
}
TEST_CASE("sqlite store: superseding") {
  suite_superseding(World().test);
}
TEST_CASE("sqlite store: batches") {
  suite_batches(World().test);
}
TEST_CASE("sqlite store: an attempt that is called back") {
  suite_called_back(World().test);
}

TEST_CASE("sqlite store: decisions") {
  suite_decisions(World().test);
}
TEST_CASE("sqlite store: audit trail") {
  suite_audit(World().test);
}
TEST_CASE("sqlite store: receipts") {
  suite_receipts(World().test);
}

TEST_CASE("sqlite store: rows of the first schema are read on, and superseded") {
  World world;
  {
    auto database = Database::open(world.path, 20);
    REQUIRE(database);
    REQUIRE(migrate(**database, 1, world.clock.wall()));
    Statement insert = (*database)->statement(
        "INSERT INTO outbox (key, incident_id, state, attempts, outcome_unknown, due_ms, body)"
        " VALUES ('k', 'T-1001', 'pending', 0, 0, 0, ?)");
    REQUIRE(insert.text(to_json(incident::suite_notification("T-1001", 1))).run());
  }
  StateStore& store = world.test.reopen();
  CHECK(incident::suite_due(world.test, store, 5).rows.size() == 1);
  incident::StateChange change;
  change.outbox_cancel = {{"T-1001", "oncall", "pager", 2, "newer"}};
  REQUIRE(suite_commit(world.test, store, change));
  CHECK(incident::suite_due(world.test, store, 5).rows.empty());
}

TEST_CASE("sqlite store: decisions of the second schema are read on, in their order") {
  World world;
  {
    auto database = Database::open(world.path, 20);
    REQUIRE(database);
    REQUIRE(migrate(**database, 2, world.clock.wall()));
    REQUIRE((*database)->execute(
        "INSERT INTO decisions (change_id, n, at_ms, subject, fingerprint, incident_id, sent,"
        " reason, text) VALUES ('c', 0, 1000, 'group a', '', 'T-1', 0, 'GroupWait', 'first'),"
        " ('c', 1, 1000, 'group a', 'f00d', '', 1, 'Silenced', 'second')"));
  }
  StateStore& store = world.test.reopen();
  incident::DecisionQuery query;
  query.subject = "group a";
  CHECK(incident::suite_decisions_of(world.test, store, query) == "second first ");
  query.fingerprint = "f00d";
  CHECK(incident::suite_decisions_of(world.test, store, query) == "second ");
}

TEST_CASE("sqlite store: keys of the third schema are found, and no row id is given again") {
  World world;
  {
    auto database = Database::open(world.path, 20);
    REQUIRE(database);
    REQUIRE(migrate(**database, 3, world.clock.wall()));
    REQUIRE((*database)->execute(
        "INSERT INTO alerts VALUES ('00a1', 'old'), ('00a2', 'gone');"
        "INSERT INTO alert_groups VALUES ('{}:{a=\"1\"}', 'old'), ('{}:{a=\"2\"}', 'gone');"
        "INSERT INTO outbox (id, key, incident_id, state, attempts, outcome_unknown, due_ms, body)"
        " VALUES (7, 'k', 'T-1', 'delivered', 1, 0, 0, '{}'); DELETE FROM outbox"));
  }
  StateStore& store = world.test.reopen();
  incident::StateChange change;
  change.alerts_upsert = {{"00a1", "new"}, {"00a3", "third"}};
  change.alerts_delete = {"00a2"};
  change.groups_upsert = {{"{}:{a=\"1\"}", "new"}};
  change.groups_delete = {"{}:{a=\"2\"}"};
  change.outbox = {incident::suite_notification("T-1001", 1)};
  REQUIRE(suite_commit(world.test, store, change));
  const auto state = incident::ask<incident::LoadedState>(world.executor, [&](auto done) {
    world.test.reopen().load(incident::suite_time(0), world.executor, done);
  });
  REQUIRE(state);
  REQUIRE(state->alerts.size() == 2);
  CHECK(state->alerts[0].body == "new");
  CHECK(state->alerts[1].key == "00a3");
  REQUIRE(state->groups.size() == 1);
  CHECK(state->groups[0].body == "new");
  const auto rows = incident::suite_due(world.test, *world.store, 5).rows;
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].id == 8);
}

TEST_CASE("sqlite store: a forged line of the audit trail is named") {
  World world;
  incident::StateChange change;
  for (int i = 0; i < 5; ++i) {
    change.audit.push_back({incident::suite_time(i), "ann", "api", "comment", "T-1", "x"});
  }
  REQUIRE(suite_commit(world.test, world.test.reopen(), change));
  world.store.reset();
  auto database = Database::open(world.path, 20);
  REQUIRE(database);
  StateTables tables(**database);
  CHECK(!tables.verify_audit()->first_broken);
  REQUIRE((*database)->execute("UPDATE audit SET actor = 'bob' WHERE number = 3"));
  CHECK(tables.verify_audit()->first_broken == 3);
  CHECK(tables.verify_audit()->rows == 2);
  REQUIRE((*database)->execute("DELETE FROM audit WHERE number >= 3"));
  CHECK(tables.verify_audit()->first_broken == 3);
}

TEST_CASE("sqlite store: whoever has the file has the lease") {
  World world;
  StateStore& store = world.test.reopen();
  const auto lease = incident::ask<incident::Lease>(world.executor, [&](auto done) {
    store.acquire_lease("one", base::Duration{10'000}, world.executor, done);
  });
  REQUIRE(lease);
  CHECK(lease->held);
  CHECK(
      incident::ask<incident::Lease>(
          world.executor,
          [&](auto done) { store.acquire_lease("", base::Duration{10'000}, world.executor, done); })
          .error()
          .code == ErrorCode::InvalidArgument);
  REQUIRE(incident::ask<incident::Lease>(world.executor, [&](auto done) {
    store.renew_lease(base::Duration{10'000}, world.executor, done);
  }));
}

TEST_CASE("sqlite store: the file is private and held by one process") {
  World world;
  REQUIRE(world.folder.files->write_atomic(world.path, "", 0644));
  world.test.reopen();
  CHECK(world.folder.files->mode(world.path).value() == 0600);
  CHECK(world.folder.files->mode(world.path + "-wal").value() == 0600);
  const auto second = world.open();
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::Unavailable);
  CHECK(second.error().message.find("another process") != std::string::npos);
}

TEST_CASE("sqlite store: a newer schema is refused, an older one migrated") {
  World world;
  {
    auto database = Database::open(world.path, 20);
    REQUIRE(database);
    REQUIRE(migrate(**database, 0, world.clock.wall()));
    CHECK(schema_version(**database).value() == 0);
  }
  world.test.reopen();
  world.store.reset();
  {
    auto database = Database::open(world.path, 20);
    REQUIRE(database);
    CHECK(schema_version(**database).value() == newest_schema_version());
    REQUIRE((*database)->execute("INSERT INTO schema_versions VALUES (999, 0)"));
  }
  const auto refused = world.open();
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::InvalidArgument);
  CHECK(refused.error().message.find("version 999") != std::string::npos);
}

TEST_CASE("sqlite store: a damaged file is told of") {
  World world;
  REQUIRE(world.folder.files->write_atomic(world.path, std::string(8192, 'x'), 0600));
  const auto garbage = world.open();
  REQUIRE(!garbage);
  CHECK(garbage.error().code == ErrorCode::Corruption);
  CHECK(garbage.error().message.find("move it away") != std::string::npos);

  // A good header with a broken page inside.
  REQUIRE(world.folder.files->write_atomic(world.path, "", 0600));
  incident::StateChange change;
  for (int i = 0; i < 500; ++i) {
    change.alerts_upsert.push_back({"key" + std::to_string(i), std::string(200, 'b')});
  }
  REQUIRE(suite_commit(world.test, world.test.reopen(), change));
  world.store.reset();  // closing moves the log into the file
  auto bytes = world.folder.files->read(world.path, 64 << 20);
  REQUIRE(bytes);
  REQUIRE(bytes->size() > 40'000);
  bytes->replace(bytes->size() - 20'000, 12'000, std::string(12'000, '\xff'));
  REQUIRE(world.folder.files->write_atomic(world.path, *bytes, 0600));
  const auto broken = world.open();
  REQUIRE(!broken);
  CHECK(broken.error().code == ErrorCode::Corruption);
}

TEST_CASE("sqlite store: a change is written whole or not at all") {
  World world;
  world.test.reopen();
  world.store.reset();
  auto database = Database::open(world.path, 20);
  REQUIRE(database);
  REQUIRE(
      (*database)->execute("CREATE TRIGGER full BEFORE INSERT ON outbox_journal BEGIN"
                           " SELECT raise(ABORT, 'no room'); END"));
  StateTables tables(**database);
  incident::StateChange change;
  change.alerts_upsert = {{"a", "{}"}};
  change.outbox = {incident::suite_notification("T-1", 1)};
  REQUIRE(!tables.commit(change));
  CHECK(tables.load(base::wall_time(0))->alerts.empty());
  REQUIRE((*database)->execute("DROP TRIGGER full"));
  REQUIRE(tables.commit(change));
  CHECK(tables.load(base::wall_time(0))->alerts.size() == 1);
}

TEST_CASE("sqlite store: the queue is bounded") {
  World world;
  SqliteOptions options;
  options.path = world.path;
  options.queue_max = 2;
  options.worker = &world.executor;
  auto store = open_sqlite_state_store(options, world.clock);
  REQUIRE(store);
  int ok = 0;
  int refused = 0;
  for (int i = 0; i < 3; ++i) {
    (*store)->commit(incident::StateChange(), world.executor, [&](base::Result<void> result) {
      ++(result ? ok : refused);
      if (!result) CHECK(result.error().code == ErrorCode::Unavailable);
    });
  }
  world.executor.run_ready();
  CHECK(ok == 2);
  CHECK(refused == 1);
}

TEST_CASE("sqlite store: works on a thread of its own") {
  World world;
  base::RealClock clock;
  base::AsioExecutor replies(clock, "test", 1);
  SqliteOptions options;
  options.path = world.path;
  auto store = open_sqlite_state_store(options, clock);
  REQUIRE(store);
  base::Mutex mutex;
  base::Condition condition;
  int answers = 0;
  for (int i = 0; i < 50; ++i) {
    incident::StateChange change;
    change.alerts_upsert = {{"key" + std::to_string(i), "{}"}};
    (*store)->commit(change, replies, [&](base::Result<void> result) {
      base::MutexLock lock(mutex);
      if (result) ++answers;
      condition.notify_all();
    });
  }
  mutex.lock();
  CHECK(condition.wait_for(mutex, std::chrono::seconds(30), [&] { return answers == 50; }));
  mutex.unlock();
  store->reset();
  replies.stop();
}

TEST_CASE("sqlite store: a copy is the store as it was, whatever is written between its steps") {
  World world;
  StateStore* store = &world.test.reopen();
  incident::StateChange change;
  for (int i = 0; i < 3000; ++i) {
    change.alerts_upsert.push_back({"key" + std::to_string(i), std::string(4000, 'b')});
  }
  REQUIRE(suite_commit(world.test, *store, change));
  const std::string path = world.folder.file("copy.db");
  std::optional<base::Result<void>> copied;
  store->copy_to(path, world.executor, [&](base::Result<void> result) { copied = result; });
  // Comes between two steps: wholly in the copy, or not at all.
  incident::StateChange later;
  later.alerts_upsert = {{"key1", "later"}, {"key2999", "later"}};
  std::optional<base::Result<void>> committed;
  store->commit(later, world.executor, [&](base::Result<void> result) { committed = result; });
  world.executor.run_ready();
  REQUIRE(copied.has_value());
  REQUIRE_MESSAGE(*copied, *copied);
  REQUIRE(committed.has_value());
  REQUIRE(*committed);
  CHECK(*world.folder.files->mode(path) == 0600);
  CHECK(process_that_holds(path) == std::nullopt);

  world.path = path;
  store = &world.test.reopen();
  const incident::LoadedState state = suite_load(world.test, *store, 0);
  CHECK(state.alerts.size() == 3000);
  const auto changed = std::count_if(state.alerts.begin(), state.alerts.end(),
                                     [](const auto& alert) { return alert.body == "later"; });
  CHECK((changed == 0 || changed == 2));
  const auto refused = incident::ask<void>(world.executor, [&](incident::Done<void> done) {
    store->copy_to("/no/such/folder/copy.db", world.executor, done);
  });
  CHECK(!refused);
}

}  // namespace tocsin::state
