#include "agent/tasks/maintenance/reindex.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/tasks/maintenance/reindex_sql.h"
#include "agent/tasks/maintenance/server.h"
#include "common/base/log.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

namespace json = boost::json;

constexpr std::size_t kJournalBytesMax = 64 << 10;
constexpr mode_t kMode = 0600;
/// Whoever held the lock that ended the build keeps its leftover from being dropped, too.
constexpr int kDropTries = 5;
/// The new index is built beside the old one, and building sorts.
constexpr double kRoomFactor = 1.5;

struct ReindexSettings {
  MaintenanceServer server;
  std::int64_t bloat_percent_min = 40;
  std::uint64_t bytes_min = 100 << 20;
  std::int64_t indexes_max = 20;
  bool disk_check = true;
};

struct Index {
  std::string name;  ///< "schema.index", quoted.
  std::int64_t bytes = 0;
  std::int64_t bloat_percent = 0;
  std::string statement;
  std::int64_t table = 0;
  std::string plain_name;
  std::string path;  ///< Where it lies; empty: unknown.
};

/// What has to be known after a crash to drop what was left, and nothing else.
struct Journal {
  std::string database;
  std::int64_t table = 0;
  std::string index;
  std::string before = "{}";
};

std::string encode(const Journal& journal) {
  return json::serialize(json::object{{"database", journal.database},
                                      {"table", journal.table},
                                      {"index", journal.index},
                                      {"before", journal.before}}) +
         '\n';
}

Result<Journal> decode(const std::string& text) {
  boost::system::error_code failure;
  const json::value value = json::parse(text, failure);
  const json::object* object = !failure && value.is_object() ? &value.get_object() : nullptr;
  const auto text_of = [&](const char* key) -> const json::string* {
    const json::value* found = object ? object->if_contains(key) : nullptr;
    return found ? found->if_string() : nullptr;
  };
  const json::string* database = text_of("database");
  const json::string* index = text_of("index");
  const json::string* before = text_of("before");
  const json::value* table = object ? object->if_contains("table") : nullptr;
  if (!database || !index || !before || !table || !table->is_int64()) {
    return base::error(ErrorCode::Corruption, "the journal of reindex_bloated is damaged");
  }
  return Journal{std::string(std::string_view(*database)), table->get_int64(),
                 std::string(std::string_view(*index)), std::string(std::string_view(*before))};
}

struct Tally {
  std::int64_t reindexed = 0;
  std::int64_t found = 0;
  std::int64_t bytes_before = 0;
  std::int64_t bytes_after = 0;
  std::string evidence;
};

class Reindex final : public TaskWork {
 public:
  explicit Reindex(ReindexSettings settings) : settings_(std::move(settings)) {}

  Result<TaskOutcome> run(TaskContext& context) override {
    Tally tally;
    std::vector<std::string> databases = settings_.server.databases;
    if (databases.empty()) databases.emplace_back();
    for (const std::string& database : databases) {
      TC_TRY(MaintenanceSession session, open_session(settings_.server, database, context));
      if (session.skip) return TaskOutcome{session.skip, {}, {}};
      if (!context.dry_run) {
        TC_TRY(clean_up_after_crash(*session.connection, database, context));
      }
      TC_TRY(std::optional<TaskSkip> skip,
             run_database(*session.connection, database, context, tally));
      if (skip && tally.reindexed == 0) return TaskOutcome{std::move(skip), {}, {}};
      if (skip) tally.evidence += " Stopped early: " + skip->text + '.';
    }
    TaskOutcome outcome;
    const std::int64_t saved = tally.bytes_before - tally.bytes_after;
    outcome.evidence = context.dry_run
                           ? fmt::format("would reindex {} indexes.{}", tally.found, tally.evidence)
                           : fmt::format("reindexed {} of {} bloated indexes, saved {} bytes.{}",
                                         tally.reindexed, tally.found, saved, tally.evidence);
    outcome.numbers = {{"indexes_reindexed", static_cast<double>(tally.reindexed)},
                       {"indexes_bloated", static_cast<double>(tally.found)}};
    if (!context.dry_run) outcome.numbers["saved_bytes"] = static_cast<double>(saved);
    return outcome;
  }

 private:
  static std::string journal_path(const TaskContext& context) {
    return base::join_path(context.state_folder, "reindex_" + context.task + ".json");
  }

  Result<std::vector<Index>> bloated(postgres::Connection& connection) const {
    TC_TRY(const postgres::Rows rows,
           read_rows(connection, kBloatedIndexes,
                     postgres::Values()
                         .integer(static_cast<std::int64_t>(settings_.bytes_min))
                         .integer(settings_.bloat_percent_min)
                         .integer(settings_.indexes_max)));
    std::vector<Index> indexes;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      indexes.push_back({rows.text(row, 1), rows.integer(row, 2), rows.integer(row, 3),
                         rows.text(row, 4), rows.integer(row, 5), rows.text(row, 6),
                         rows.text(row, 7)});
    }
    return indexes;
  }

  Result<std::optional<TaskSkip>> run_database(postgres::Connection& connection,
                                               const std::string& database,
                                               const TaskContext& context, Tally& tally) const {
    TC_TRY(const std::vector<Index> indexes, bloated(connection));
    tally.found += static_cast<std::int64_t>(indexes.size());
    for (const Index& index : indexes) {
      TC_TRY(context.check());
      if (auto skip = no_room(index, context.files)) return std::optional(std::move(*skip));
      if (context.dry_run) {
        tally.evidence +=
            fmt::format(" {}: {} bytes, {} % bloat", index.name, index.bytes, index.bloat_percent);
        continue;
      }
      if (auto done =
              reindex(connection, {database, index.table, index.plain_name, "{}"}, index, context);
          !done) {
        return base::with_context(
            done.error(),
            fmt::format("REINDEX {}; before it {} indexes were done", index.name, tally.reindexed));
      }
      TC_TRY(const postgres::Rows after,
             read_rows(connection, kIndexBytes, postgres::Values().text(index.name)));
      const std::int64_t bytes = after.size() == 1 ? after.integer(0, 0) : index.bytes;
      ++tally.reindexed;
      tally.bytes_before += index.bytes;
      tally.bytes_after += bytes;
      tally.evidence += fmt::format(" {}: {} to {} bytes", index.name, index.bytes, bytes);
    }
    return std::optional<TaskSkip>();
  }

  std::optional<TaskSkip> no_room(const Index& index, const base::FileSystem& files) const {
    if (!settings_.disk_check) return std::nullopt;
    const auto space = index.path.empty()
                           ? Result<base::DiskSpace>(base::error(
                                 ErrorCode::PermissionDenied,
                                 "the role may not read data_directory (GRANT pg_monitor)"))
                           : files.space(index.path);
    if (!space) {
      return TaskSkip{"disk_unknown",
                      space.error().message + "; disk_check = false if there is always room"};
    }
    const double needed = kRoomFactor * static_cast<double>(index.bytes);
    if (static_cast<double>(space->available_bytes) >= needed) return std::nullopt;
    return TaskSkip{"disk", fmt::format("{} bytes are free, {} needs {:.0f}",
                                        space->available_bytes, index.name, needed)};
  }

  static Result<void> reindex(postgres::Connection& connection, Journal journal, const Index& index,
                              const TaskContext& context) {
    TC_TRY(const postgres::Rows before,
           read_rows(connection, kInvalidIndexes, postgres::Values().integer(index.table)));
    journal.before = before.text(0, 0);
    TC_TRY(context.files.write_atomic(journal_path(context), encode(journal), kMode));
    const auto done = connection.run_alone(index.statement);
    if (done) return context.files.remove(journal_path(context));
    if (connection.broken()) return without_detail(done.error());  // the next run cleans up
    base::Error error = without_detail(done.error());
    auto dropped = drop_leftovers(connection, journal);
    for (int tried = 1; !dropped && dropped.error().code == ErrorCode::Timeout &&
                        tried < kDropTries && context.check();
         ++tried) {
      TC_TRY(read_rows(connection, "SELECT pg_sleep(1)"));
      dropped = drop_leftovers(connection, journal);
    }
    if (dropped) {
      error.message += *dropped;
      TC_TRY(context.files.remove(journal_path(context)));
    } else {
      error.message += fmt::format(
          "; what it left could not be dropped and is tried again next "
          "time: {}",
          without_detail(dropped.error()).message);
    }
    return error;
  }

  /// Returns what was dropped, as the end of a sentence.
  static Result<std::string> drop_leftovers(postgres::Connection& connection,
                                            const Journal& journal) {
    TC_TRY(const postgres::Rows left,
           read_rows(
               connection, kLeftovers,
               postgres::Values().integer(journal.table).text(journal.index).text(journal.before)));
    std::string text;
    for (std::size_t row = 0; row < left.size(); ++row) {
      TC_TRY(connection.run_alone(left.text(row, 1)));
      text +=
          fmt::format("{} {}", text.empty() ? "; dropped its leftover" : ",", left.text(row, 0));
    }
    return text;
  }

  Result<void> clean_up_after_crash(postgres::Connection& connection, const std::string& database,
                                    const TaskContext& context) const {
    const std::string path = journal_path(context);
    if (!context.files.exists(path)) return base::ok();
    TC_TRY(const std::string text, context.files.read(path, kJournalBytesMax));
    TC_TRY(const Journal journal, decode(text));
    if (journal.database != database) return base::ok();
    TC_TRY(const std::string dropped, drop_leftovers(connection, journal));
    if (!dropped.empty()) {
      base::log_info("agent/tasks", "task '{}': after a run that was cut off{}", context.task,
                     dropped);
    }
    return context.files.remove(path);
  }

  ReindexSettings settings_;
};

}  // namespace

TaskWorkKind reindex_bloated_kind() {
  return {"reindex_bloated",
          [](config::Table& options) -> std::function<std::unique_ptr<TaskWork>()> {
            ReindexSettings settings;
            settings.server = read_maintenance_server(options);
            settings.bloat_percent_min =
                options.integer("bloat_percent_min", settings.bloat_percent_min, 10, 99);
            settings.bytes_min = options.bytes("bytes_min", settings.bytes_min);
            settings.indexes_max = options.integer("indexes_max", settings.indexes_max, 1, 1'000);
            settings.disk_check = options.boolean("disk_check", settings.disk_check);
            return [settings] { return std::make_unique<Reindex>(settings); };
          }};
}

}  // namespace tocsin::agent
