// When what stands in SQLite's log is copied into the file.
#include <doctest/doctest.h>

#include <filesystem>

#include "alertd/state/sqlite.h"
#include "common/sim/test_folder.h"

namespace tocsin::state {
namespace {

struct File {
  explicit File(LogLimits limits) {
    auto opened = Database::open(path, 20, limits);
    REQUIRE_MESSAGE(opened, opened);
    database = std::move(*opened);
    REQUIRE(database->execute("CREATE TABLE t (body BLOB)"));
  }

  void write_pages(int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(database->execute("INSERT INTO t VALUES (zeroblob(8000))"));
    }
  }
  std::uintmax_t size() const { return std::filesystem::file_size(path); }

  sim::TestFolder folder;
  std::string path = folder.file("state.db");
  std::unique_ptr<Database> database;
};

TEST_CASE("what was written is copied into the file when nothing more was, if it is much") {
  File file({.at_rest = 50 * 8192, .always = INT64_MAX});
  file.write_pages(10);
  file.database->rest();
  file.database->rest();
  CHECK(file.size() < 10 * 8000);  // little: it stays in the log
  file.write_pages(40);
  file.database->rest();
  file.write_pages(1);
  file.database->rest();
  CHECK(file.size() < 10 * 8000);  // written to meanwhile
  file.database->rest();
  CHECK(file.size() > 50 * 8000);
}

TEST_CASE("what is very much is copied though more is written") {
  File file({.at_rest = INT64_MAX, .always = 200 * 8192});
  file.write_pages(20);
  CHECK(file.size() < 10 * 8000);
  file.write_pages(180);
  CHECK(file.size() > 40 * 8000);
}

TEST_CASE("a file keeps the pages with which it was made, and its log the limits in bytes") {
  const LogLimits limits{.at_rest = INT64_MAX, .always = 200 * 4096};
  File file(limits);
  REQUIRE(file.database->execute("PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM"));
  file.database.reset();
  auto opened = Database::open(file.path, 20, limits);
  REQUIRE_MESSAGE(opened, opened);
  file.database = std::move(*opened);
  {
    Statement query = file.database->statement("PRAGMA page_size");
    REQUIRE(query.next().value());
    CHECK(query.integer_at(0) == 4096);
  }
  file.write_pages(20);
  CHECK(file.size() < 10 * 8000);
  file.write_pages(80);
  CHECK(file.size() > 40 * 8000);
}

}  // namespace
}  // namespace tocsin::state
