#include "agent/tasks/maintenance/vacuum.h"

#include <fmt/format.h>

#include "agent/tasks/maintenance/server.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr int kStatisticsAtOnce = 150000;  ///< Before, a collector takes half a second.

struct VacuumSettings {
  MaintenanceServer server;
  std::int64_t dead_rows_min = 1'000;
  std::int64_t dead_percent_min = 10;
  std::int64_t rows_min = 10'000;  ///< Smaller tables are not vacuumed for their age alone.
  base::Duration older_than = std::chrono::hours(24 * 7);
  std::int64_t tables_max = 100;
};

constexpr const char* kTables = R"(
SELECT s.relid::bigint, format('%I.%I', s.schemaname, s.relname),
       format('VACUUM (ANALYZE, SKIP_LOCKED) %I.%I', s.schemaname, s.relname),
       s.n_dead_tup, s.vacuum_count
FROM pg_stat_user_tables s
JOIN pg_class c ON c.oid = s.relid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND (s.n_dead_tup >= $1::bigint
          AND s.n_dead_tup * 100 >= $2::bigint * (s.n_live_tup + s.n_dead_tup)
       OR s.n_live_tup >= $3::bigint
          AND (coalesce(greatest(s.last_vacuum, s.last_autovacuum), '-infinity')
                 < now() - make_interval(secs => $4::bigint)
               OR coalesce(greatest(s.last_analyze, s.last_autoanalyze), '-infinity')
                 < now() - make_interval(secs => $4::bigint)))
ORDER BY s.n_dead_tup DESC, s.relid
LIMIT $5::bigint)";

constexpr const char* kAfter =
    "SELECT vacuum_count, n_dead_tup FROM pg_stat_user_tables WHERE relid = $1::bigint::oid";

struct Tally {
  std::int64_t vacuumed = 0;
  std::int64_t skipped = 0;
  std::int64_t dead_before = 0;
  std::int64_t dead_after = 0;
  std::string evidence;
};

class Vacuum final : public TaskWork {
 public:
  explicit Vacuum(VacuumSettings settings) : settings_(std::move(settings)) {}

  Result<TaskOutcome> run(TaskContext& context) override {
    Tally tally;
    std::vector<std::string> databases = settings_.server.databases;
    if (databases.empty()) databases.emplace_back();
    for (const std::string& database : databases) {
      TC_TRY(MaintenanceSession session, open_session(settings_.server, database, context));
      if (session.skip) return TaskOutcome{session.skip, {}, {}};
      TC_TRY(run_database(*session.connection, context, tally));
    }
    if (tally.vacuumed == 0 && tally.skipped > 0) {
      return base::error(base::ErrorCode::Unavailable,
                         fmt::format("none of {} tables could be vacuumed: locked, or not the "
                                     "role's own",
                                     tally.skipped));
    }
    return outcome(tally, context.dry_run);
  }

 private:
  static TaskOutcome outcome(const Tally& tally, bool dry_run) {
    TaskOutcome outcome;
    outcome.evidence =
        dry_run ? fmt::format("would vacuum {} tables with {} dead rows.{}", tally.vacuumed,
                              tally.dead_before, tally.evidence)
                : fmt::format(
                      "vacuumed {} tables, dead rows {} before and {} after; {} locked or "
                      "not ours.{}",
                      tally.vacuumed, tally.dead_before, tally.dead_after, tally.skipped,
                      tally.evidence);
    outcome.numbers = {{"tables_vacuumed", static_cast<double>(tally.vacuumed)},
                       {"tables_skipped", static_cast<double>(tally.skipped)},
                       {"dead_rows_before", static_cast<double>(tally.dead_before)},
                       {"dead_rows_after", static_cast<double>(tally.dead_after)}};
    return outcome;
  }

  Result<void> run_database(postgres::Connection& connection, const TaskContext& context,
                            Tally& tally) const {
    const auto older =
        std::chrono::duration_cast<std::chrono::seconds>(settings_.older_than).count();
    TC_TRY(const postgres::Rows tables, read_rows(connection, kTables,
                                                  postgres::Values()
                                                      .integer(settings_.dead_rows_min)
                                                      .integer(settings_.dead_percent_min)
                                                      .integer(settings_.rows_min)
                                                      .integer(older)
                                                      .integer(settings_.tables_max)));
    for (std::size_t row = 0; row < tables.size(); ++row) {
      TC_TRY(context.check());
      const std::int64_t dead = tables.integer(row, 3);
      if (context.dry_run) {
        ++tally.vacuumed;
        tally.dead_before += dead;
        tally.evidence += ' ' + tables.text(row, 1);
        continue;
      }
      if (const auto done = connection.run_alone(tables.text(row, 2)); !done) {
        return base::with_context(without_detail(done.error()),
                                  fmt::format("VACUUM {}; before it {} tables were "
                                              "done",
                                              tables.text(row, 1), tally.vacuumed));
      }
      if (connection.server_version() < kStatisticsAtOnce) {
        TC_TRY(read_rows(connection, "SELECT pg_sleep(0.7)"));
      }
      TC_TRY(const postgres::Rows after,
             read_rows(connection, kAfter, postgres::Values().integer(tables.integer(row, 0))));
      // SKIP_LOCKED and a table of somebody else only warn; the counter tells the truth.
      const bool done = after.size() == 1 && after.integer(0, 0) > tables.integer(row, 4);
      if (!done) {
        ++tally.skipped;
        continue;
      }
      ++tally.vacuumed;
      tally.dead_before += dead;
      tally.dead_after += after.integer(0, 1);
      tally.evidence +=
          fmt::format(" {}: {} to {}", tables.text(row, 1), dead, after.integer(0, 1));
    }
    return base::ok();
  }

  VacuumSettings settings_;
};

}  // namespace

TaskWorkKind vacuum_analyze_kind() {
  return {"vacuum_analyze",
          [](config::Table& options) -> std::function<std::unique_ptr<TaskWork>()> {
            VacuumSettings settings;
            settings.server = read_maintenance_server(options);
            settings.dead_rows_min =
                options.integer("dead_rows_min", settings.dead_rows_min, 1, 1'000'000'000);
            settings.dead_percent_min =
                options.integer("dead_percent_min", settings.dead_percent_min, 0, 100);
            settings.rows_min = options.integer("rows_min", settings.rows_min, 1, 1'000'000'000);
            settings.older_than = options.duration("older_than", settings.older_than);
            settings.tables_max = options.integer("tables_max", settings.tables_max, 1, 10'000);
            return [settings] { return std::make_unique<Vacuum>(settings); };
          }};
}

}  // namespace tocsin::agent
