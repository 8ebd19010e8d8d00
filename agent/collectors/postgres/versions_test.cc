// What the agent asks each version of PostgreSQL, and what it makes of the answers, where only one
// version is installed.
//
// tests/data/postgres/catalog.txt says which views and columns each version has, and holds a
// recorded answer. For each version a schema is made of it on the installed server, and each
// statement runs with every pg_ name of it looked for there: what that version lacks is an error.
// Of the installed version the file is compared with the server itself.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <set>

#include "agent/collectors/postgres/check.h"
#include "common/base/strings.h"
#include "tests/sim/postgres_server.h"

namespace tocsin::agent {
namespace {

const std::string kFolder = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/postgres/";
constexpr int kVersions[] = {9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

/// "@12-", "@-16", "@15-16"; first and last are inclusive.
struct Range {
  int first = 0;
  int last = 99;

  bool holds(int major) const { return first <= major && major <= last; }
};

/// Takes a range off the end of `text`, if one is there.
Range cut_range(std::string& text) {
  static const re2::RE2 kRange(R"((.*?)\s+@(\d*)-(\d*))");
  Range range;
  std::string head, first, last;
  if (!re2::RE2::FullMatch(text, kRange, &head, &first, &last)) return range;
  if (first.empty() && last.empty()) return range;
  if (!first.empty()) range.first = std::stoi(first);
  if (!last.empty()) range.last = std::stoi(last);
  text = head;
  return range;
}

struct Column {
  std::string name;
  std::string type;
  Range range;
};

struct Relation {
  std::string name;
  bool is_function = false;  ///< One that returns rows.
  Range range{};
  std::vector<Column> columns{};
  std::vector<std::pair<std::string, Range>> rows{};
};

struct Call {
  std::string signature;
  std::string type;
  std::string value;
  Range range;
};

struct Catalog {
  std::vector<Relation> relations;
  std::vector<Call> calls;
};

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(kFolder + file);
  REQUIRE_MESSAGE(in, file << " is not there");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.front() != '#') lines.push_back(line);
  }
  return lines;
}

void read_columns(const std::string& line, Relation& relation) {
  std::size_t begin = 0;
  while (begin < line.size()) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    std::string text(base::trim(line.substr(begin, end - begin)));
    begin = end + 1;
    if (text.empty()) continue;
    const Range range = cut_range(text);
    const std::size_t space = text.find(' ');
    REQUIRE_MESSAGE(space != std::string::npos, line);
    relation.columns.push_back({text.substr(0, space), text.substr(space + 1), range});
  }
}

Catalog read_catalog() {
  static const re2::RE2 kCall(R"(call (.*?\)) (\S+) = (.*))");
  Catalog catalog;
  for (std::string line : lines_of("catalog.txt")) {
    if (line.front() == ' ') {
      read_columns(line, catalog.relations.back());
      continue;
    }
    const Range range = cut_range(line);
    Call call{.range = range};
    if (re2::RE2::FullMatch(line, kCall, &call.signature, &call.type, &call.value)) {
      catalog.calls.push_back(call);
    } else if (line.starts_with("row ")) {
      catalog.relations.back().rows.emplace_back(line.substr(4), range);
    } else {
      const bool is_function = line.starts_with("set ");
      REQUIRE_MESSAGE((is_function || line.starts_with("view ")), line);
      catalog.relations.push_back({line.substr(line.find(' ') + 1), is_function, range});
    }
  }
  return catalog;
}

/// INSERT of what the version has of a recorded row.
std::string insert(const Relation& relation, const std::string& row, int major) {
  std::string names, values;
  std::size_t begin = 0;
  while (begin < row.size()) {
    const std::size_t end = std::min(row.find(" | ", begin), row.size());
    const std::string cell = row.substr(begin, end - begin);
    begin = end + 3;
    const std::size_t equals = cell.find('=');
    const std::string name = cell.substr(0, equals);
    const auto column = std::find_if(relation.columns.begin(), relation.columns.end(),
                                     [&](const Column& each) { return each.name == name; });
    REQUIRE_MESSAGE(column != relation.columns.end(), relation.name << " has no " << name);
    if (!column->range.holds(major)) continue;
    names += fmt::format("{}\"_{}\"", names.empty() ? "" : ", ", name);
    values += fmt::format("{}'{}'", values.empty() ? "" : ", ", cell.substr(equals + 1));
  }
  return fmt::format("INSERT INTO {}_rows ({}) VALUES ({});\n", relation.name, names, values);
}

/// The schema that stands for a version's pg_catalog.
std::string schema_of(const Catalog& catalog, int major) {
  std::string sql = fmt::format(
      "CREATE SCHEMA v{0}; SET search_path = v{0}, pg_catalog; SET check_function_bodies = off;\n",
      major);
  for (const Call& call : catalog.calls) {
    if (!call.range.holds(major)) continue;
    sql += fmt::format("CREATE FUNCTION v{}.{} RETURNS {} LANGUAGE sql AS $f$SELECT {}$f$;\n",
                       major, call.signature, call.type, call.value);
  }
  for (const Relation& relation : catalog.relations) {
    if (!relation.range.holds(major)) continue;
    // A view, because no table has a column such as xmin.
    std::string columns, names;
    for (const Column& column : relation.columns) {
      if (!column.range.holds(major)) continue;
      const char* comma = columns.empty() ? "" : ", ";
      columns += fmt::format("{}\"_{}\" {}", comma, column.name, column.type);
      names += fmt::format("{0}\"_{1}\" AS \"{1}\"", comma, column.name);
    }
    sql +=
        fmt::format("CREATE TABLE {0}_rows ({1}); CREATE VIEW {0} AS SELECT {2} FROM {0}_rows;\n",
                    relation.name, columns, names);
    for (const auto& [row, range] : relation.rows) {
      if (range.holds(major)) sql += insert(relation, row, major);
    }
    if (relation.is_function) {
      sql += fmt::format(
          "CREATE FUNCTION v{0}.{1}() RETURNS SETOF v{0}.{1} LANGUAGE sql AS "
          "$f$SELECT * FROM v{0}.{1}$f$;\n",
          major, relation.name);
    }
  }
  return sql;
}

/// The statement, asking the schema of that version instead of pg_catalog.
std::string redirected(const std::string& sql, int major) {
  static const re2::RE2 kName(R"((^|[^'a-z_.])(?:pg_catalog\.)?(pg_[a-z_]+))");
  std::string text = sql;
  re2::RE2::GlobalReplace(&text, kName, fmt::format("\\1v{}.\\2", major));
  return text;
}

postgres::Rows run(postgres::Connection& connection, const std::string& sql) {
  static std::deque<std::string> kept;  // statements are prepared under their address
  postgres::Transaction transaction(connection);
  REQUIRE(transaction.begin());
  auto rows = transaction.run(kept.emplace_back(sql).c_str());
  REQUIRE_MESSAGE(rows, (rows ? "" : rows.error().message) << "\n" << sql);
  REQUIRE(transaction.commit());
  return *rows;
}

std::unique_ptr<postgres::Connection> connect(const std::string& dsn) {
  postgres::Settings settings;
  settings.dsn = dsn;
  return postgres::Connection::connect(settings).value();
}

void script(postgres::Connection& connection, const std::string& sql) {
  postgres::Transaction transaction(connection);
  REQUIRE(transaction.begin());
  const auto done = transaction.script(sql.c_str());
  REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
  REQUIRE(transaction.commit());
}

int version_of(int major) {
  return major == 9 ? 90'600 : major * 10'000 + 3;
}

/// "pg_locks_count{datname=app,mode=sharelock} 0", one a sample.
std::set<std::string> metrics_of(postgres::Connection& connection, int major) {
  std::set<std::string> lines;
  for (const Check& check : standard_checks()) {
    if (!check.is_for(version_of(major))) continue;
    const postgres::Rows rows = run(connection, redirected(check.sql, major));
    const std::string database = check.scope == Check::Scope::EachDatabase ? "app" : "";
    const auto readings = readings_of(check, rows, database);
    REQUIRE_MESSAGE(readings, check.name << ": " << (readings ? "" : readings.error().message));
    for (const Reading& reading : *readings) {
      std::vector<std::string> labels;
      for (const auto& [name, value] : reading.labels) labels.push_back(name + "=" + value);
      const std::string line = fmt::format("{}{{{}}} {:.10g}", reading.metric->name,
                                           base::join(labels, ","), reading.value);
      CHECK_MESSAGE(lines.insert(line).second, line << " twice for " << major);
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("postgres: what each version answers becomes the recorded metrics") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (server == nullptr) return;
  auto connection = connect(server->new_database());
  const Catalog catalog = read_catalog();
  std::vector<std::pair<std::string, Range>> expected;
  for (std::string line : lines_of("metrics.txt")) {
    const Range range = cut_range(line);
    expected.emplace_back(line, range);
  }
  for (const int major : kVersions) {
    CAPTURE(major);
    script(*connection, schema_of(catalog, major));
    const std::set<std::string> lines = metrics_of(*connection, major);
    std::set<std::string> wanted;
    for (const auto& [line, range] : expected) {
      if (range.holds(major)) wanted.insert(line);
    }
    for (const std::string& line : lines)
      CHECK_MESSAGE(wanted.contains(line), "not expected: " << line);
    for (const std::string& line : wanted) CHECK_MESSAGE(lines.contains(line), "missing: " << line);
  }
}

TEST_CASE("postgres: of the installed version the catalog in the file is the server's") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (server == nullptr) return;
  auto connection = connect(server->new_database());
  const int major = connection->server_version() / 10'000;
  script(*connection, "CREATE EXTENSION pg_stat_statements");
  for (const Relation& relation : read_catalog().relations) {
    if (!relation.range.holds(major)) continue;
    std::vector<std::string> columns;
    for (const Column& column : relation.columns) {
      if (column.range.holds(major)) columns.push_back(column.name);
    }
    const postgres::Rows rows = run(
        *connection,
        fmt::format("SELECT * FROM {}{} LIMIT 0", relation.name, relation.is_function ? "()" : ""));
    CHECK_MESSAGE(rows.names() == columns,
                  relation.name << " has " << base::join(rows.names(), ", "));
  }
}

TEST_CASE("postgres: a statement for a version that lacks a column is caught") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (server == nullptr) return;
  auto connection = connect(server->new_database());
  const Catalog catalog = read_catalog();
  script(*connection, schema_of(catalog, 17));
  const auto fails = [&](const std::string& sql) {
    postgres::Transaction transaction(*connection);
    REQUIRE(transaction.begin());
    static std::deque<std::string> kept;
    return !transaction.run(kept.emplace_back(redirected(sql, 17)).c_str()).has_value();
  };
  CHECK(fails("SELECT checkpoints_timed FROM pg_catalog.pg_stat_bgwriter"));  // up to 16
  CHECK(fails("SELECT num_done FROM pg_catalog.pg_stat_checkpointer"));       // since 18
  CHECK(fails("SELECT pg_xlog_location_diff('0/1', '0/0')"));                 // up to 9.6
  CHECK(!fails("SELECT num_timed FROM pg_catalog.pg_stat_checkpointer"));
}

}  // namespace tocsin::agent
