// Bodies by key in a log: what a restart, a failed transaction, removal and much change leave.
#include "alertd/state/record_log.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <optional>
#include <random>

#include "alertd/state/schema.h"
#include "common/base/random.h"
#include "common/sim/test_folder.h"

namespace tocsin::state {
namespace {

constexpr RecordLogSql kSql{
    "SELECT id, body FROM alert_log ORDER BY id", "SELECT body FROM alert_log WHERE id = ?",
    "INSERT INTO alert_log VALUES (?1, ?2)", "UPDATE alert_log SET body = ?2 WHERE id = ?1",
    "DELETE FROM alert_log WHERE id = ?"};

using Records = std::map<std::string, std::string>;

struct LogFile {
  LogFile() {
    auto opened = Database::open(path, 20);
    REQUIRE_MESSAGE(opened, opened);
    database = std::move(*opened);
    REQUIRE(migrate(*database, newest_schema_version(), base::wall_time(0)));
    log.emplace(*database, kSql);
  }

  template <class Changes>
  void commit(const Changes& changes) {
    Transaction transaction(*database);
    REQUIRE(transaction.begin());
    changes(*log);
    REQUIRE(log->write());
    REQUIRE(transaction.commit());
  }
  void put(const Records& records) {
    commit([&](RecordLog& into) {
      for (const auto& [key, body] : records) REQUIRE(into.put(key, body));
    });
  }

  /// As a process would read them that knows nothing yet.
  Records stored() {
    RecordLog other(*database, kSql);
    Records records;
    REQUIRE(other.for_each([&](std::string_view key, std::string_view body) {
      CHECK(records.emplace(key, body).second);
      return base::ok();
    }));
    CHECK(other.size().value() == records.size());
    return records;
  }
  std::int64_t blocks() {
    Statement query = database->statement("SELECT count(*) FROM alert_log");
    REQUIRE(query.next().value());
    return query.integer_at(0);
  }

  sim::TestFolder folder;
  std::string path = folder.file("state.db");
  std::unique_ptr<Database> database;
  std::optional<RecordLog> log;
};

}  // namespace

TEST_CASE("record log: the last body counts, also of a key that was removed") {
  LogFile file;
  file.put({{"a", "1"}, {"b", std::string("\0x", 2)}, {"c", ""}});
  file.put({{"a", "2"}});
  file.commit([](RecordLog& log) {
    REQUIRE(log.put("a", "3"));
    REQUIRE(log.put("a", "4"));
    REQUIRE(log.remove("b"));
    REQUIRE(log.remove("never there"));
  });
  CHECK(file.stored() == Records{{"a", "4"}, {"c", ""}});
  CHECK(file.blocks() == 1);
  file.put({{"b", "again"}});
  CHECK(file.stored() == Records{{"a", "4"}, {"b", "again"}, {"c", ""}});
  file.commit([](RecordLog& log) { REQUIRE(log.clear()); });
  CHECK(file.stored().empty());
  CHECK(file.blocks() == 0);
  file.put({{"a", "5"}});
  CHECK(file.stored() == Records{{"a", "5"}});
}

TEST_CASE("record log: a removal is kept as long as an older block has the key") {
  LogFile file;
  const std::string large(40'000, 'x');
  file.put({{"a", large}, {"stays", large}});
  file.commit([&](RecordLog& log) {
    REQUIRE(log.remove("a"));
    REQUIRE(log.put("b", large));
  });
  file.put({{"b", large + "2"}});  // the block of the removal has nothing else now
  CHECK(file.stored() == Records{{"b", large + "2"}, {"stays", large}});
  file.put({{"stays", "2"}});  // the oldest block goes, and the removal with it
  CHECK(file.stored() == Records{{"b", large + "2"}, {"stays", "2"}});
  CHECK(file.blocks() <= 2);
}

TEST_CASE("record log: what a failed transaction put is forgotten") {
  LogFile file;
  file.put({{"a", "1"}});
  {
    Transaction transaction(*file.database);
    REQUIRE(transaction.begin());
    REQUIRE(file.log->put("a", "2"));
    REQUIRE(file.log->put("b", "2"));
    REQUIRE(file.log->write());
  }
  file.log->forget();
  CHECK(file.stored() == Records{{"a", "1"}});
  file.put({{"c", "3"}});
  CHECK(file.stored() == Records{{"a", "1"}, {"c", "3"}});
}

TEST_CASE("record log: much change leaves no more than twice what there is") {
  LogFile file;
  Records expected;
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    file.commit([&](RecordLog& log) {
      for (int i = 0; i < 100; ++i) {
        const std::string key = std::to_string(random() % 2'000);
        if (random() % 4 == 0) {
          REQUIRE(log.remove(key));
          expected.erase(key);
        } else {
          const std::string body(200, static_cast<char>('a' + random() % 26));
          REQUIRE(log.put(key, body));
          expected[key] = body;
        }
      }
    });
    if (round % 40 == 0) CHECK(file.stored() == expected);
    if (round % 57 == 0) file.log->forget();
  }
  CHECK(file.stored() == expected);
  CHECK(file.blocks() < 60);  // 40,000 records were written: 8 MB, 120 blocks
}

TEST_CASE("record log: a damaged block loses its end") {
  LogFile file;
  file.put({{"a", std::string(50, 'a')}, {"b", std::string(50, 'b')}});
  REQUIRE(file.database->execute("UPDATE alert_log SET body = substr(body, 1, 80)"));
  CHECK(file.stored() == Records{{"a", std::string(50, 'a')}});
}

}  // namespace tocsin::state
