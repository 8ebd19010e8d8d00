// A set as the sampler sees it: settings, reports of tools, metrics of what lies in a folder.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "agent/backup/backup_settings.h"
#include "agent/backup/backup_work.h"
#include "agent/collectors/backup/backup_source.h"
#include "agent/collectors/backup/backup_watch.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using namespace std::chrono_literals;

/// Keeps samples as lines "name a=b".
struct TextSink final : RoundSink {
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::string line(metric.name);
    for (const model::LabelView label : labels) {
      if (label.name != "set" && !label.value.empty()) {
        line += fmt::format(" {}={}", label.name, label.value);
      }
    }
    CHECK_MESSAGE(!samples.contains(line), line);
    samples[line] = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }

  /// NaN: there is none.
  double operator[](const std::string& line) const {
    const auto found = samples.find(line);
    return found == samples.end() ? std::nan("") : found->second;
  }

  std::map<std::string, double> samples;
};

struct Parsed {
  BackupSettings settings;
  std::vector<std::string> errors;
};

Parsed parse(const std::string& text) {
  const auto files = base::make_real_file_system();
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  Parsed parsed;
  parsed.settings = read_backup_settings(root, 15s, "/state");
  root.finish();
  for (const auto& each : diagnostics) parsed.errors.push_back(each.message);
  return parsed;
}

struct Bench : sim::TestFolder {
  Bench() {
    set.name = "db";
    set.settle = 0s;
    set.size_min = 1;
    set.interval = 1s;
  }

  TextSink told() {
    BackupWatch watch(set, {*files, clock, [this](base::Command) { return answer; }});
    const BackupStatus status = watch.look();
    TextSink sink;
    add_backup_status(set, status, clock.wall(), sink);
    add_verify_state(set, {}, status, sink);
    return sink;
  }

  base::RealClock clock;
  BackupSet set;
  base::Result<base::CommandResult> answer{base::CommandResult{}};
};

}  // namespace

TEST_CASE("settings, and what is wrong with them") {
  const Parsed good = parse(R"(
[[backup]]
name = "db"
kind = "pg_dump"
path = ["/b/*.dump", "/c/*.dump"]
max_age = "7d"
tables = ["public.student"]
[backup.drill]
scratch = "/var/lib/x"
[[backup.drill.assertion]]
name = "a"
query = "SELECT true"
[[backup]]
name = "wal"
kind = "wal_archive"
wal_archive = "/wal"
[[backup]]
name = "main"
kind = "pgbackrest"
command = ["/usr/bin/pgbackrest", "info", "--output=json"]
)");
  CHECK(good.errors.empty());
  REQUIRE(good.settings.sets->size() == 3);
  const BackupSet& db = good.settings.sets->front();
  CHECK(db.paths.size() == 2);
  CHECK(db.max_age == 168h);
  CHECK(db.verify == VerifyLevel::Structure);
  REQUIRE(db.drill);
  CHECK(db.drill->assertions.size() == 1);
  const auto errors_of = [](const std::string& table) {
    return parse("[[backup]]\nname = \"x\"\n" + table).errors.size();
  };
  CHECK(errors_of("path = \"/b/*\"") == 0);
  CHECK(errors_of("") == 1);
  CHECK(errors_of("path = \"b/*\"") == 1);
  CHECK(errors_of("path = \"/b\"\nkind = \"tapes\"") == 1);
  CHECK(errors_of("path = \"/b\"\ninterval = \"10ms\"") == 1);
  CHECK(errors_of("path = \"/b\"\nwal_segment_size = \"5MiB\"") == 1);
  CHECK(errors_of("path = \"/b\"\ntables = [\"student\"]") == 1);
  CHECK(errors_of("kind = \"barman\"") == 1);
  CHECK(errors_of("kind = \"barman\"\ncommand = [\"barman\"]") == 1);
  CHECK(errors_of("kind = \"wal_archive\"") == 1);
  CHECK(errors_of("path = \"/b\"\n[backup.drill]\nscratch = \"/s\"") == 1);
  CHECK(errors_of("kind = \"pg_dump\"\npath = \"/b\"\n[backup.drill]\ntarget = \"x\"") == 2);
  CHECK(parse("[[backup]]\nname = \"../x\"\npath = \"/b\"").errors.size() == 1);
  CHECK(parse("[[backup]]\nname = \"a\"\npath = \"/b\"\n[[backup]]\nname = \"a\"\npath = \"/b\"")
            .errors.size() == 1);
}

TEST_CASE("pgBackRest's report") {
  const std::string json = R"([{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1",
    "max":"000000010000000000000009","min":"000000010000000000000003"}],
    "backup":[{"error":false,"info":{"delta":24,"repository":{"delta":3,"size":3},"size":24},
      "label":"20261125-030000F","timestamp":{"start":1795575600,"stop":1795575700},"type":"full"},
     {"error":false,"info":{"delta":2,"repository":{"delta":1,"size":4},"size":30},
      "label":"20261125-030000F_20261126-030000I",
      "timestamp":{"start":1795662000,"stop":1795662060},
      "type":"incr"}],
    "name":"main","status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}])";
  const auto report = parse_backup_report(BackupKind::PgBackRest, json, "");
  REQUIRE(report);
  CHECK(report->backups == 2);
  CHECK(base::to_seconds(*report->last) == 1795662060);
  CHECK(base::to_seconds(*report->oldest) == 1795575700);
  CHECK(report->last_duration_seconds == 60);
  CHECK(report->last_size_bytes == 30);
  CHECK(report->has_wal);
  CHECK(!report->found);
  CHECK(!parse_backup_report(BackupKind::PgBackRest, json, "other"));
  std::string wrong = json;
  wrong.replace(wrong.rfind("\"error\":false"), 13, "\"error\":true ");
  CHECK(parse_backup_report(BackupKind::PgBackRest, wrong, "main")->found->reason ==
        "page_checksum");
  wrong = json;
  wrong.replace(wrong.find("\"code\":0"), 8, "\"code\":6");
  CHECK(parse_backup_report(BackupKind::PgBackRest, wrong, "")->found->reason == "status_6");
  CHECK(!parse_backup_report(BackupKind::PgBackRest,
                             "[" + json.substr(1, json.size() - 2) + "," + json.substr(1), ""));
  CHECK(!parse_backup_report(BackupKind::PgBackRest, "", ""));
  CHECK(!parse_backup_report(BackupKind::PgBackRest, "{}", ""));
  CHECK(!parse_backup_report(BackupKind::PgBackRest, "[]", ""));
}

TEST_CASE("reports as pgBackRest 2.45 and Barman 3.4 printed them") {
  const auto read = [](BackupKind kind, const std::string& name) {
    const std::string path = TOCSIN_SOURCE_DIR "/tests/data/backup/" + name;
    return parse_backup_report(kind, base::make_real_file_system()->read(path, 1 << 20).value(),
                               "main");
  };
  const auto main = read(BackupKind::PgBackRest, "pgbackrest.json");
  REQUIRE(main);
  CHECK(main->backups == 2);
  CHECK(base::to_seconds(*main->last) == 1795819133);
  CHECK(main->last_size_bytes == 30537697);
  CHECK(!main->found);
  const auto empty = read(BackupKind::PgBackRest, "pgbackrest_empty.json");
  REQUIRE(empty);
  CHECK(empty->backups == 0);
  CHECK(!empty->last);
  CHECK(!empty->found);
  const auto barman = read(BackupKind::Barman, "barman.json");
  REQUIRE(barman);
  CHECK(barman->backups == 1);
  CHECK(base::to_seconds(*barman->last) == 1795819168);
  CHECK(barman->last_size_bytes == 47496705);
  CHECK(!barman->found);
}

TEST_CASE("Barman's and WAL-G's reports") {
  const auto barman = parse_backup_report(BackupKind::Barman, R"({"main": [
    {"backup_id": "20261126T030000", "begin_time_timestamp": "1795662000",
     "end_time_timestamp": "1795662100", "size_bytes": 123, "status": "DONE"},
    {"backup_id": "20261127T030000", "begin_time_timestamp": "1795748400", "status": "FAILED"}]})",
                                          "main");
  REQUIRE(barman);
  CHECK(barman->backups == 1);
  CHECK(base::to_seconds(*barman->last) == 1795662100);
  CHECK(barman->last_duration_seconds == 100);
  CHECK(barman->found->reason == "failed");
  const auto wal_g = parse_backup_report(BackupKind::WalG, R"([
    {"backup_name": "base_1", "time": "2026-11-26T03:01:40Z", "start_time": "2026-11-26T03:00:00Z",
     "finish_time": "2026-11-26T03:01:00Z", "uncompressed_size": 77}])",
                                         "");
  REQUIRE(wal_g);
  CHECK(wal_g->backups == 1);
  CHECK(wal_g->last_duration_seconds == 60);
  CHECK(wal_g->last_size_bytes == 77);
}

TEST_CASE("a folder with nothing good in it: the older good one is the last success") {
  Bench bench;
  bench.set.paths = {bench.file("*.sql.gz")};
  bench.write("b-2026-11-20.sql.gz", "\x1f\x8b not much more of a gzip file");
  std::filesystem::last_write_time(bench.file("b-2026-11-20.sql.gz"),
                                   std::filesystem::file_time_type::clock::now() - 48h);
  bench.write("b.sql.gz", "");
  const TextSink told = bench.told();
  CHECK(told["backup_files"] == 2);
  CHECK(told["backup_last_size_bytes"] == 0);
  CHECK(told["backup_verify_success level=size reason=empty"] == 0);
  CHECK(told["backup_age_seconds"] > 47 * 3600);
  CHECK(told["backup_max_age_seconds"] == 26 * 3600);
}

TEST_CASE("no backups is 0; a folder that is not there is a failed check, and not 0") {
  Bench bench;
  bench.set.paths = {bench.file("*.dump")};
  TextSink told = bench.told();
  CHECK(told["backup_files"] == 0);
  CHECK(std::isnan(told["backup_age_seconds"]));
  CHECK(std::isnan(told["backup_verify_success level=size"]));
  bench.set.paths = {bench.file("none/*.dump")};
  told = bench.told();
  CHECK(std::isnan(told["backup_files"]));
  CHECK(told["tocsin_agent_check_failed server=backup db check=files reason=not_found"] == 1);
}

TEST_CASE("an archive of WAL with a gap") {
  Bench bench;
  bench.set.kind = BackupKind::WalArchive;
  bench.set.wal_archive = bench.path();
  for (const char* name :
       {"000000010000000000000001", "000000010000000000000002.gz", "000000010000000000000004",
        "0000000100000000/000000010000000000000005"}) {
    bench.write(name, "x");
  }
  const TextSink told = bench.told();
  CHECK(told["backup_wal_segments"] == 4);
  CHECK(told["backup_wal_missing_segments timeline=1"] == 1);
  CHECK(told["backup_wal_last_archived_timestamp_seconds"] > 1e9);
  CHECK(std::isnan(told["backup_files"]));
}

TEST_CASE("a tool that answers, answers rubbish, and ends with an error") {
  Bench bench;
  bench.set.kind = BackupKind::PgBackRest;
  bench.set.command = {"/usr/bin/pgbackrest"};
  base::CommandResult result;
  result.output = R"([{"name":"m","status":{"code":2,"message":"no valid backups"},"backup":[]}])";
  bench.answer = result;
  CHECK(bench.told()["backup_files"] == 0);
  result.output = "rubbish";
  bench.answer = result;
  CHECK(bench.told()["tocsin_agent_check_failed server=backup db check=report "
                     "reason=invalid_argument"] == 1);
  result.exit_status = 1;
  bench.answer = result;
  CHECK(bench.told()["tocsin_agent_check_failed server=backup db check=report "
                     "reason=unavailable"] == 1);
  CHECK(std::isnan(bench.told()["backup_files"]));
}

TEST_CASE("what verification and drill left is told") {
  Bench bench;
  bench.set.drill = DrillSettings{};
  VerifyState verified;
  verified.levels[VerifyLevel::Structure] = {5'000, false, "truncated", "cut"};
  DrillState drill;
  drill.at_ms = 9'000;
  drill.ok = true;
  drill.tables = 3;
  drill.ratios = {{"public.a", 0.5}};
  drill.good_ms = {{VerifyLevel::Restore, 9'000}};
  drill.differs = {{"locale", true}, {"version", false}};
  TextSink sink;
  add_verify_state(bench.set, verified, {}, sink);
  add_drill_state(bench.set, drill, sink);
  CHECK(sink["backup_verified_timestamp_seconds level=structure"] == 5);
  CHECK(sink["backup_verify_success level=structure reason=truncated"] == 0);
  CHECK(sink["backup_verified_timestamp_seconds level=restore"] == 9);
  CHECK(sink["restore_drill_success level=restore"] == 1);
  CHECK(sink["restore_drill_tables"] == 3);
  CHECK(sink["restore_drill_rows_ratio table=public.a"] == 0.5);
  CHECK(sink["restore_drill_env_mismatch part=locale"] == 1);
  CHECK(sink["restore_drill_env_mismatch part=version"] == 0);
  CHECK(sink["backup_restore_max_age_seconds"] == 35 * 86400);
}

TEST_CASE("command lines") {
  const auto command = parse_backup_command({"verify-backup", "/b/x.dump", "--level", "V2"});
  REQUIRE(command);
  CHECK(command->level == VerifyLevel::Structure);
  CHECK(parse_backup_command({"verify-backup", "x"})->level == VerifyLevel::Checksum);
  CHECK(!parse_backup_command({"verify-backup"}));
  CHECK(!parse_backup_command({"verify-backup", "x", "--level", "9"}));
  CHECK(!parse_backup_command({"verify-backup", "x", "y"}));
  CHECK(!parse_backup_command({"restore-drill", "db", "--level", "2"}));
  CHECK(parse_backup_command({"restore-drill", "db", "--target", "latest"})->target == "latest");
}

}  // namespace tocsin::agent
