// The shared groups on a real PostgreSQL. Skipped with a message where none is installed.
#include "alertd/state/postgres_group_store.h"

#include <latch>

#include "common/base/asio_executor.h"
#include "common/base/log.h"
#include "tests/sim/postgres_server.h"
#include "tests/sim/state/group_store_suite.h"

namespace tocsin::state {
namespace {

struct GroupStores {
  explicit GroupStores(sim::PostgresServer& server) {
    base::set_log_level(base::LogLevel::Error);
    settings.dsn = server.new_database();
    settings.statement_timeout = base::Duration{1'000};
    settings.lock_timeout = base::Duration{300};
    first = make_postgres_group_store(settings, clock);
    second = make_postgres_group_store(settings, clock);
  }

  void execute(const std::string& seconds) {
    const auto connection = postgres::Connection::connect(settings);
    REQUIRE(connection);
    postgres::Transaction transaction(**connection);
    REQUIRE(transaction.begin());
    const auto done = transaction.run("SELECT pg_sleep($1::bigint / 1000.0)",
                                      postgres::Values().integer(std::stoll(seconds)));
    REQUIRE_MESSAGE(done, done);
  }

  base::RealClock clock;
  postgres::Settings settings;
  std::unique_ptr<sharing::GroupStore> first, second;
  sharing::GroupStoresUnderTest test() {
    // The tables' clock is the server's: it is let run there.
    return {*first, *second,
            [this](base::Duration time) { execute(std::to_string(time.count())); }};
  }
};

}  // namespace

TEST_CASE("postgres group store: leases by group, fenced") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  GroupStores stores(*server);
  sharing::suite_group_leases(stores.test());
}

TEST_CASE("postgres group store: changed alerts are seen once, whoever reads") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  GroupStores stores(*server);
  sharing::suite_group_changes(stores.test());
}

TEST_CASE("postgres group store: what commits late is not missed by a reader") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  GroupStores stores(*server);
  const std::vector<std::string> keys{"early", "late"};
  REQUIRE(stores.first->know(keys));
  sharing::suite_tend(*stores.first, "one", base::Duration{60'000});
  auto mine = sharing::suite_take(*stores.first, "one", keys);
  sharing::suite_save(*stores.first, {sharing::suite_saved(mine.at("late"), 1, "s", "l1")});
  sharing::ChangesCursor cursor;
  REQUIRE(stores.second->changes(cursor));

  const auto connection = postgres::Connection::connect(stores.settings);
  REQUIRE(connection);
  postgres::Transaction slow(**connection);
  REQUIRE(slow.begin());
  REQUIRE(
      slow.run("UPDATE group_states SET alerts = 'l2', version = version + 1,"
               " written = pg_current_xact_id()::text::bigint WHERE key = 'late'"));
  sharing::suite_save(*stores.first, {sharing::suite_saved(mine.at("early"), 1, "s", "e1")});
  auto changed = stores.second->changes(cursor);
  REQUIRE(changed);
  REQUIRE(changed->size() == 1);
  CHECK(changed->front().alerts == "e1");
  REQUIRE(slow.commit());
  changed = stores.second->changes(cursor);
  REQUIRE(changed);
  REQUIRE(changed->size() == 1);
  CHECK(changed->front().alerts == "l2");
}

TEST_CASE("postgres group store: many take at once, and each group has one holder") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  GroupStores stores(*server);
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back("g" + std::to_string(i));
  REQUIRE(stores.first->know(keys));
  constexpr std::size_t kDaemons = 4;
  std::vector<std::set<std::string>> got(kDaemons);
  {
    std::latch left(kDaemons);
    base::AsioExecutor threads(stores.clock, "takers", kDaemons);
    for (std::size_t d = 0; d < kDaemons; ++d) {
      threads.post([&, d] {
        const auto store = make_postgres_group_store(stores.settings, stores.clock);
        const std::string session = std::to_string(d);
        for (int round = 0; round < 20; ++round) {
          sharing::Member me;
          me.session = me.name = session;
          if (!store->tend(me, base::Duration{60'000})) continue;
          const auto taken = store->take(session, keys);
          if (!taken) continue;
          for (const auto& group : *taken) got[d].insert(group.key);
        }
        left.count_down();
      });
    }
    left.wait();
  }
  std::size_t sum = 0;
  std::set<std::string> all;
  for (const auto& one : got) {
    sum += one.size();
    all.insert(one.begin(), one.end());
  }
  CHECK(sum == 200);
  CHECK(all.size() == 200);
}

}  // namespace tocsin::state
