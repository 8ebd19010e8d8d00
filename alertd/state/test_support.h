// What the tests of SQLite's tables share: a state file of their own, opened as after a crash.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "alertd/state/schema.h"
#include "alertd/state/state_tables.h"
#include "common/sim/test_folder.h"

namespace tocsin::state::test {

/// A state file with its tables; it is removed at the end.
struct StateFile {
  explicit StateFile(int version = newest_schema_version()) { crash(version); }

  /// What is in memory is gone; the file is brought to that version of the schema.
  void crash(int version = newest_schema_version()) {
    tables.reset();
    database.reset();
    auto opened = Database::open(path, 20);
    REQUIRE_MESSAGE(opened, opened);
    database = std::move(*opened);
    REQUIRE(migrate(*database, version, base::wall_time(0)));
    tables.emplace(*database);
  }

  /// Returns the one number that the query gives.
  std::int64_t number(const char* sql) {
    Statement query = database->statement(sql);
    REQUIRE(query.next().value());
    return query.integer_at(0);
  }

  sim::TestFolder folder;
  std::string path = folder.file("state.db");
  std::unique_ptr<Database> database;
  std::optional<StateTables> tables;
};

}  // namespace tocsin::state::test
