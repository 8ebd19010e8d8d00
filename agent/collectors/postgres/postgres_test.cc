// Against a real server (skipped with a message where PostgreSQL is not installed), and the parts
// that need none.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <future>
#include <set>

#include "agent/collectors/postgres/postgres_reader.h"
#include "agent/collectors/postgres/postgres_source.h"
#include "common/base/asio_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "tests/sim/postgres_server.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using postgres::Rows;

Check own_query(std::vector<std::string> labels, std::vector<NamedMetric> metrics) {
  Check check;
  check.name = "own";
  check.labels = std::move(labels);
  check.metrics = std::move(metrics);
  check.from_people = true;
  check.rows_max = 2;
  return check;
}

std::string text_of(const std::vector<Reading>& readings) {
  std::string text;
  for (const Reading& reading : readings) {
    text += reading.metric->name;
    for (const auto& [name, value] : reading.labels) text += fmt::format(" {}={}", name, value);
    text += fmt::format(" {}\n", reading.value);
  }
  return text;
}

/// A database with a session of its own for what the test does to it.
struct Bench {
  Bench() : server(sim::PostgresServer::shared()) {
    if (server == nullptr) return;
    dsn = server->new_database();
    postgres::Settings settings;
    settings.dsn = dsn;
    session = postgres::Connection::connect(settings).value();
  }

  void run(const char* sql) {
    postgres::Transaction transaction(*session);
    REQUIRE(transaction.begin());
    const auto done = transaction.script(sql);
    REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
    REQUIRE(transaction.commit());
  }

  PostgresSettings settings() const {
    PostgresSettings result;
    result.name = "main";
    result.session.dsn = dsn;
    result.session.read_only = true;
    result.timeout = base::Duration{10'000};
    const std::size_t name = dsn.rfind('=') + 1;
    result.databases = {dsn.substr(name)};
    return result;
  }

  std::string database() const { return dsn.substr(dsn.rfind('=') + 1); }

  base::RealClock clock;
  sim::PostgresServer* server;
  std::string dsn;
  std::unique_ptr<postgres::Connection> session;
};

/// Returns the sample's value, or -1 if there is none with these labels.
double value_of(const PostgresRound& round, const std::string& metric,
                const std::vector<std::pair<std::string, std::string>>& labels = {}) {
  for (const auto& [name, answer] : round.answers) {
    for (const Reading& reading : answer->readings) {
      if (reading.metric->name != metric) continue;
      const bool all = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
        return std::find(reading.labels.begin(), reading.labels.end(), label) !=
               reading.labels.end();
      });
      if (all) return reading.value;
    }
  }
  return -1;
}

std::string failures_of(const PostgresRound& round) {
  std::string text = round.down ? "down: " + round.down->message + "\n" : "";
  for (const auto& [name, answer] : round.answers) {
    if (answer->failed) text += name + ": " + answer->failed->message + "\n";
  }
  return text;
}

/// Keeps pg_up.
struct UpSink final : RoundSink {
  void add(const MetricInfo& metric, std::span<const model::LabelView>, double value) override {
    if (metric.name == "pg_up") up = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }

  double up = -1;
};

/// Time goes by while one looks at it.
class SteppingClock final : public base::Clock {
 public:
  base::WallTime wall() const override { return {}; }
  base::MonotonicTime monotonic() const override { return now_ += step; }

  base::Duration step{0};

 private:
  mutable base::MonotonicTime now_{std::chrono::hours(1)};
};

std::size_t thread_count() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("postgres: columns of people's queries are found by name") {
  const Check check = own_query({"faculty"}, {{"biz_a", ""}, {"biz_b", ""}});
  const Rows rows({"biz_b", "faculty", "biz_a"}, {"2", "law", "1.5", "t", "art", std::nullopt}, 2);
  const auto readings = readings_of(check, rows, "");
  REQUIRE(readings);
  CHECK(text_of(*readings) == "biz_a faculty=law 1.5\nbiz_b faculty=law 2\nbiz_b faculty=art 1\n");
  CHECK(text_of(*readings_of(check, rows, "sis")).starts_with("biz_a datname=sis faculty=law"));
  const auto lacks = readings_of(check, Rows({"a", "faculty", "biz_a"}, {}, 0), "");
  REQUIRE(!lacks);
  CHECK(lacks.error().message == "the statement answers no column 'biz_b', but a, faculty, biz_a");
}

TEST_CASE("postgres: what is no number, too much, or personal is refused with its reason") {
  const Check check = own_query({"who"}, {{"biz_a", ""}});
  const auto refused = [&](std::vector<std::optional<std::string>> cells) {
    const auto result = readings_of(check, Rows({"who", "biz_a"}, std::move(cells), 0), "");
    return result ? std::string("taken") : result.error().message;
  };
  CHECK(refused({"x", "1"}) == "taken");
  CHECK(refused({"x", "many"}) == "column 'biz_a' holds 'many', which is no number");
  CHECK(refused({"a", "1", "b", "1", "c", "1"}) == "3 rows, limit 2");
  CHECK(refused({"sok@example.org", "1"}).find("looks like personal data") != std::string::npos);
  CHECK(refused({"+855 12 345 678 9", "1"}).find("looks like personal data") != std::string::npos);
  CHECK(refused({"2026-11", "1"}) == "taken");
}

TEST_CASE("postgres: every version has exactly one form of each check") {
  for (int major : {9, 10, 11, 12, 13, 14, 15, 16, 17, 18}) {
    const int version = major == 9 ? 90'600 : major * 10'000 + 3;
    std::set<std::string> names;
    for (const Check& check : standard_checks()) {
      if (!check.is_for(version)) continue;
      CHECK_MESSAGE(names.insert(check.name).second, check.name << " twice for " << version);
    }
    for (const char* always : {"stat_database", "stat_bgwriter", "stat_activity", "archiver"}) {
      CHECK_MESSAGE(names.contains(always), always << " missing for " << version);
    }
    CHECK(names.contains("stat_checkpointer") == (major >= 17));
    CHECK(names.contains("replication_slots") == (major >= 10));
  }
}

TEST_CASE("postgres: the configuration refuses labels that name people, and says where") {
  const auto read = [](const std::string& text) {
    const config::Source source{"agent.toml", text};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    const auto all = read_postgres_settings(root, base::Duration{15'000});
    std::string messages;
    for (const auto& each : diagnostics) messages += each.message + "\n";
    return messages.empty() ? fmt::format("{} servers, {} queries", all.size(),
                                          all.empty() ? 0 : all.front().queries.size())
                            : messages;
  };
  const std::string query =
      "[[postgres]]\n[[postgres.query]]\nname = \"q\"\nquery = \"SELECT 1\"\n";
  CHECK(read(query + "values = { biz_x = \"gauge\" }\n") == "1 servers, 1 queries");
  CHECK(read(query + "values = { biz_x = \"gauge\" }\nlabels = [\"email\"]\n") ==
        "'email' would make personal data a label\n");
  CHECK(read(query) == "values is missing\n");
  CHECK(read(query + "values = { \"9x\" = \"sum\" }\n") ==
        "'9x' is no metric name\n'sum' is neither gauge nor counter\n");
  CHECK(read("[[postgres]]\ndsn = \"host=a password=b\"\n") == "the dsn holds a password\n");
  CHECK(read("[[postgres]]\n[[postgres]]\n") == "two servers are called 'local'\n");
}

TEST_CASE("postgres: a role with pg_monitor reads all but what needs a grant, which is named") {
  Bench bench;
  if (bench.server == nullptr) return;
  bench.run("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher;");
  PostgresSettings settings = bench.settings();
  settings.session.dsn += " user=watcher";
  const PostgresRound round = PostgresReader(settings, bench.clock).read();
  const std::string failures = failures_of(round);
  CAPTURE(failures);
  CHECK(failures.find("needs: GRANT SELECT ON pg_hba_file_rules") != std::string::npos);
  CHECK(std::count(failures.begin(), failures.end(), '\n') == 1);
  CHECK(value_of(round, "sec_pg_agent_is_superuser") == 0);
  CHECK(value_of(round, "pg_connections_usable") == 37);
  CHECK(value_of(round, "pg_stat_activity_count",
                 {{"datname", bench.database()}, {"state", "active"}}) == 1);
  CHECK(round.version.starts_with("1"));
  bench.run("DROP ROLE watcher;");
}

TEST_CASE("postgres: dead rows, an invalid index, duplicates and a slot are seen") {
  Bench bench;
  if (bench.server == nullptr) return;
  bench.run(
      "CREATE TABLE t (id int, x int); ALTER TABLE t SET (autovacuum_enabled = off);"
      "INSERT INTO t SELECT g, g FROM generate_series(1, 5000) g;"
      "CREATE INDEX a ON t (x); CREATE INDEX b ON t (x); CREATE SEQUENCE s MAXVALUE 10;"
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'b'::regclass;");
  bench.run("UPDATE t SET x = x + 1; SELECT nextval('s') FROM generate_series(1, 9);");
  bench.run("SELECT pg_stat_force_next_flush();");
  const std::pair<std::string, std::string> table{"relname", "t"};
  PostgresReader reader(bench.settings(), bench.clock);
  const PostgresRound round = reader.read();
  CHECK(failures_of(round) == "");
  CHECK(value_of(round, "pg_stat_user_tables_n_dead_tup", {table}) == 5000);
  CHECK(value_of(round, "pg_stat_user_tables_n_live_tup", {table}) == 5000);
  CHECK(value_of(round, "pg_index_invalid", {table, {"indexrelname", "b"}}) == 1);
  CHECK(value_of(round, "pg_index_duplicates", {table}) == 2);
  CHECK(value_of(round, "pg_sequence_used_ratio", {{"sequencename", "s"}}) ==
        doctest::Approx(8.0 / 9));
  CHECK(value_of(round, "pg_stat_statements_available") == 0);
}

TEST_CASE("postgres: blocked sessions, old transactions, a table that is not there") {
  Bench bench;
  if (bench.server == nullptr) return;
  bench.run("CREATE TABLE t (id int);");
  postgres::Settings settings;
  settings.dsn = bench.dsn;
  auto holder = postgres::Connection::connect(settings).value();
  postgres::Transaction holds(*holder);
  REQUIRE(holds.begin());
  REQUIRE(holds.script("LOCK TABLE t"));
  PostgresSettings ours = bench.settings();
  Check query = own_query({}, {{"biz_x", ""}});
  query.sql = "SELECT count(*) AS biz_x FROM enrolments";
  ours.queries.push_back(query);
  const PostgresRound round = PostgresReader(ours, bench.clock).read();
  CHECK(
      failures_of(round).find("own: PostgreSQL: ERROR:  relation \"enrolments\" does not exist") !=
      std::string::npos);
  CHECK(value_of(round, "pg_stat_activity_count",
                 {{"state", "idle in transaction"}, {"datname", bench.database()}}) == 1);
  CHECK(value_of(round, "pg_locks_count",
                 {{"mode", "accessexclusivelock"}, {"datname", bench.database()}}) == 1);
}

TEST_CASE(
    "postgres: what a round had no time for is asked in the next one, not when its turn comes "
    "again") {
  Bench bench;
  if (bench.server == nullptr) return;
  SteppingClock clock;
  PostgresReader reader(bench.settings(), clock);
  clock.step = base::Duration{250};
  const std::string late = failures_of(reader.read());
  CHECK(late.find("no time was left") != std::string::npos);
  CHECK(late.find("index_unused/" + bench.database()) != std::string::npos);
  clock.step = base::Duration{0};
  CHECK(failures_of(reader.read()) == "");
}

TEST_CASE(
    "postgres: a server that hangs is down within its timeout, keeps one thread, and is back") {
  Bench bench;
  if (bench.server == nullptr) return;
  base::AsioExecutor thread(bench.clock, "sampler", 1);
  base::FailureLog failures{"test"};
  base::set_log_level(base::LogLevel::Error);
  PostgresSettings settings = bench.settings();
  settings.timeout = base::Duration{300};
  settings.session.connect_timeout = settings.session.statement_timeout = base::Duration{2'000};
  auto source = make_postgres_source(settings, {thread, bench.clock}, failures);
  const auto round = [&] {
    std::promise<std::string> said;
    thread.post([&] {
      source->start(bench.clock.wall(), [&](const Fill& fill) {
        UpSink sink;
        fill(sink);
        said.set_value(sink.up == 1 ? "up" : "down");
      });
    });
    return said.get_future().get();
  };
  // The first rounds have more to ask than 300 ms may allow on a busy machine.
  std::string said;
  for (int i = 0; i < 20 && said != "up"; ++i) said = round();
  CHECK(said == "up");
  bench.server->signal_all(SIGSTOP);
  const std::size_t threads = thread_count();
  const base::MonotonicTime began = bench.clock.monotonic();
  for (int i = 0; i < 100; ++i) CHECK(round() == "down");
  CHECK(bench.clock.monotonic() - began < std::chrono::seconds(5));
  CHECK(thread_count() == threads);
  bench.server->signal_all(SIGCONT);
  for (int i = 0; i < 200 && said != "back"; ++i) {
    if (round() == "up") said = "back";
  }
  CHECK(said == "back");
  std::promise<void> gone;
  thread.post([&] {
    source.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  thread.stop();
  base::set_log_level(base::LogLevel::Info);
}

}  // namespace tocsin::agent
