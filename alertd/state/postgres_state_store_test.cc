// The store on a real PostgreSQL. Skipped with a message where none is installed.
#include "alertd/state/postgres_state_store.h"

#include "alertd/state/postgres_schema.h"
#include "alertd/state/postgres_tables.h"
#include "common/base/asio_executor.h"
#include "tests/sim/postgres_server.h"
#include "tests/sim/state/state_store_batch_suite.h"
#include "tests/sim/state/state_store_lease_suite.h"
#include "tests/sim/state/state_store_log_suite.h"

namespace tocsin::state {
namespace {

using base::ErrorCode;
using incident::StateStore;

constexpr base::Duration kTerm{60'000};

struct World {
  explicit World(sim::PostgresServer& server) {
    base::set_log_level(base::LogLevel::Error);
    settings.dsn = server.new_database();
    settings.statement_timeout = base::Duration{1'000};
    settings.lock_timeout = base::Duration{300};
  }

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  postgres::Settings settings;
  std::unique_ptr<StateStore> store;
  incident::StoreUnderTest test{executor, [this]() -> StateStore& {
                                  store.reset();
                                  store = open();
                                  acquire(*store);
                                  return *store;
                                }};

  std::unique_ptr<StateStore> open() {
    auto opened = open_postgres_state_store(settings, {10'000, &executor}, clock);
    REQUIRE_MESSAGE(opened, opened);
    return std::move(*opened);
  }

  void acquire(StateStore& taker) {
    const auto lease = incident::ask<incident::Lease>(
        executor, [&](auto done) { taker.acquire_lease("test", kTerm, executor, done); });
    REQUIRE_MESSAGE(lease, lease);
    REQUIRE(lease->held);
  }

  /// A connection beside the store's.
  std::unique_ptr<postgres::Connection> connect() {
    auto connection = postgres::Connection::connect(settings);
    REQUIRE_MESSAGE(connection, connection);
    return std::move(*connection);
  }

  void execute(const char* sql) {
    const auto connection = connect();
    postgres::Transaction transaction(*connection);
    REQUIRE(transaction.begin());
    const auto done = transaction.script(sql);
    REQUIRE_MESSAGE(done, done);
    REQUIRE(transaction.commit());
  }
};

incident::StateChange alert(const std::string& key) {
  incident::StateChange change;
  change.alerts_upsert = {{key, "{}"}};
  return change;
}

std::string code_of(const base::Result<void>& result) {
  return result ? "ok" : std::string(base::to_string(result.error().code));
}

void run_suite(void (*suite)(const incident::StoreUnderTest&)) {
  if (sim::PostgresServer* server = sim::PostgresServer::shared()) suite(World(*server).test);
}

}  // namespace

TEST_CASE("postgres store: state survives") {
  run_suite(incident::suite_state_survives);
}
TEST_CASE("postgres store: outbox") {
  run_suite(incident::suite_outbox);
}
TEST_CASE("postgres store: queries") {
  run_suite(incident::suite_queries);
}
TEST_CASE("postgres store: kept records") {
  run_suite(incident::suite_records);
}
TEST_CASE("postgres store: superseding") {
  run_suite(incident::suite_superseding);
}
TEST_CASE("postgres store: decisions") {
  run_suite(incident::suite_decisions);
}
TEST_CASE("postgres store: audit trail") {
  run_suite(incident::suite_audit);
}
TEST_CASE("postgres store: receipts") {
  run_suite(incident::suite_receipts);
}

TEST_CASE("postgres store: in place of a damaged message goes one that says so") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  StateStore& store = world.test.reopen();
  incident::StateChange change;
  change.incidents_upsert = {incident::suite_incident(1001, incident::IncidentState::Open)};
  change.outbox = {incident::suite_notification("T-1001", 1),
                   incident::suite_notification("T-1001", 2)};
  REQUIRE(suite_commit(world.test, store, change));
  world.execute("UPDATE outbox SET body = substr(body, 1, 50) WHERE sequence = 1");
  const auto rows = incident::suite_due(world.test, store, 100).rows;
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].notification.incident.title == "a message about T-1001 cannot be read any more");
  CHECK(rows[0].notification.key == change.outbox[0].key);
  CHECK(rows[0].notification.channel == "pager");
  CHECK(rows[1].notification.incident.title == change.outbox[1].incident.title);
  const auto detail = incident::ask<incident::IncidentDetail>(
      world.executor, [&](auto done) { store.incident("T-1001", world.executor, done); });
  REQUIRE(detail);
  CHECK(detail->deliveries.size() == 2);
}

TEST_CASE("postgres store: batches") {
  run_suite(incident::suite_batches);
}

TEST_CASE("postgres store: an attempt that is called back") {
  run_suite(incident::suite_called_back);
}

TEST_CASE("postgres store: lease") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  const auto first = world.open();
  const auto second = world.open();
  incident::suite_lease({world.executor, *first, *second, [&world](base::Duration time) {
                           ::usleep(static_cast<useconds_t>(time.count() * 1000));
                           world.executor.run_for(time);
                         }});
}

TEST_CASE("postgres store: texts that PostgreSQL does not take") {
  CHECK(postgres::storable("gr\xc3\xb6\xc3\x9f"
                           "er") ==
        "gr\xc3\xb6\xc3\x9f"
        "er");
  CHECK(postgres::storable(std::string_view("a\0b", 3)) ==
        "a\xef\xbf\xbd"
        "b");
  CHECK(postgres::storable("\xff\xc3") == "\xef\xbf\xbd\xef\xbf\xbd");
  postgres::Array array;
  array.text("a\"b\\c");
  array.text("NULL");
  array.text("");
  array.bytes(std::string_view("\0\xff", 2));
  array.integer(-7);
  array.optional_integer(std::nullopt);
  CHECK(array.finish() == "{\"a\\\"b\\\\c\",\"NULL\",\"\",\"\\\\x00ff\",-7,NULL}");
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  StateStore& store = world.test.reopen();
  incident::StateChange change;
  change.audit = {{incident::suite_time(1), std::string("a\0n", 3), "\xff", "x", "{\"y\",NULL}",
                   "quote ' and $1 and \\x"}};
  change.events = {{"T-1", 1, incident::suite_time(1), "opened", "\xff", std::string(1, '\0')}};
  REQUIRE(suite_commit(world.test, store, change));
  const auto verdict = incident::ask<incident::AuditVerdict>(
      world.executor, [&](auto done) { store.verify_audit(world.executor, done); });
  REQUIRE(verdict);
  CHECK(verdict->rows == 1);
  CHECK(!verdict->first_broken);
}

TEST_CASE("postgres store: a newer schema is refused") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  world.test.reopen();
  world.store.reset();
  world.execute("INSERT INTO schema_versions VALUES (999, 0)");
  const auto refused = open_postgres_state_store(world.settings, {}, world.clock);
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::InvalidArgument);
  CHECK(refused.error().message.find("version 999") != std::string::npos);
}

TEST_CASE("postgres store: who cannot connect is told why") {
  base::set_log_level(base::LogLevel::Error);
  postgres::Settings settings;
  const auto code = [&](std::string dsn) {
    settings.dsn = std::move(dsn);
    settings.password = base::Secret("it's \\ secret");
    const auto connection = postgres::Connection::connect(settings);
    REQUIRE(!connection);
    CHECK(connection.error().message.find("secret") == std::string::npos);
    return std::string(base::to_string(connection.error().code));
  };
  CHECK(code("host=/nonexistent dbname=x") == "unavailable");
  CHECK(code("postgresql://u@127.0.0.1:1/x?sslmode=disable") == "unavailable");
  CHECK(code("nonsense=1") == "invalid_argument");
  CHECK(code("no equals sign") == "invalid_argument");
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  CHECK(code(server->new_database() + " user=nobody_here") == "permission_denied");
}

TEST_CASE("postgres store: a connection that was cut is made again") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  StateStore& store = world.test.reopen();
  REQUIRE(suite_commit(world.test, store, alert("a")));
  world.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  REQUIRE(suite_commit(world.test, store, alert("b")));  // with its lease
  CHECK(incident::suite_load(world.test, store, 0).alerts.size() == 2);
}

TEST_CASE("postgres store: locks and statements end in time, and change nothing") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  StateStore& store = world.test.reopen();
  {
    const auto other = world.connect();
    postgres::Transaction lock(*other);
    REQUIRE(lock.begin());
    REQUIRE(lock.script("LOCK TABLE alerts"));
    CHECK(code_of(suite_commit(world.test, store, alert("a"))) == "timeout");
  }
  CHECK(code_of(suite_commit(world.test, store, alert("b"))) == "ok");
  world.execute(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
      " 'BEGIN PERFORM pg_sleep(30); RETURN NEW; END';"
      "CREATE TRIGGER slow BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION slow()");
  incident::StateChange change = alert("c");
  change.outbox = {incident::suite_notification("T-1", 1)};
  CHECK(code_of(suite_commit(world.test, store, change)) == "timeout");
  world.execute("DROP TRIGGER slow ON outbox");
  CHECK(incident::suite_load(world.test, store, 0).alerts.size() == 1);
  CHECK(code_of(suite_commit(world.test, store, change)) == "ok");
}

TEST_CASE("postgres store: a daemon that was stopped in a commit does not hold its successor up") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  world.test.reopen();
  const auto stopped = world.connect();
  postgres::Transaction commit(*stopped);
  REQUIRE(commit.begin());
  REQUIRE(commit.run("SELECT epoch, holder FROM lease FOR SHARE"));
  world.execute("SET statement_timeout = 0");  // another session is not held up
  const auto acquire = [&] {
    const auto lease = incident::ask<incident::Lease>(world.executor, [&](auto done) {
      world.store->acquire_lease("test", kTerm, world.executor, done);
    });
    return lease && lease->held;
  };
  int tries = 1;
  while (!acquire() && tries < 20) ++tries;  // each waits lock_timeout, 300 ms
  CHECK(tries > 1);
  CHECK(tries < 20);
  CHECK(code_of(commit.commit()) == "unavailable");  // the server ended it after 1 s
}

TEST_CASE("postgres store: a forged line of the audit trail is named") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  StateStore& store = world.test.reopen();
  incident::StateChange change;
  for (int i = 0; i < 5; ++i) {
    change.audit.push_back({incident::suite_time(i), "ann", "api", "comment", "T-1", "x"});
  }
  REQUIRE(suite_commit(world.test, store, change));
  const auto broken = [&] {
    const auto verdict = incident::ask<incident::AuditVerdict>(
        world.executor, [&](auto done) { store.verify_audit(world.executor, done); });
    REQUIRE(verdict);
    return verdict->first_broken.value_or(0);
  };
  CHECK(broken() == 0);
  world.execute("UPDATE audit SET actor = 'bob' WHERE number = 3");
  CHECK(broken() == 3);
  world.execute("DELETE FROM audit WHERE number >= 3");
  CHECK(broken() == 3);
}

TEST_CASE("postgres store: a change of 20,000 alerts goes in few round trips") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  World world(*server);
  world.settings.statement_timeout = base::Duration{20'000};
  StateStore& store = world.test.reopen();
  incident::StateChange change;
  for (int i = 0; i < 20'000; ++i) {
    change.alerts_upsert.push_back({std::to_string(i), std::string(600, 'b')});
  }
  change.alerts_upsert.push_back({"7", "the last one counts"});
  REQUIRE(suite_commit(world.test, store, change));
  const auto state = incident::suite_load(world.test, store, 0);
  CHECK(state.alerts.size() == 20'000);
  incident::StateChange gone;
  for (int i = 0; i < 20'000; ++i) {
    if (i != 7) gone.alerts_delete.push_back(std::to_string(i));
  }
  REQUIRE(suite_commit(world.test, store, gone));
  const auto left = incident::suite_load(world.test, store, 0);
  REQUIRE(left.alerts.size() == 1);
  CHECK(left.alerts[0].body == "the last one counts");
}

}  // namespace tocsin::state
