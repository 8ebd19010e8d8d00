// What is in a restored database: tables, rows, answers to people's questions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/backup/backup_set.h"
#include "agent/backup/scratch_cluster.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {

struct RestoredData {
  std::vector<std::string> databases{};
  std::uint64_t tables = 0;
  std::map<std::string, std::uint64_t> rows{};  ///< Of the largest tables, counted.
  std::optional<base::WallTime> last_change{};  ///< Last transaction that recovery replayed.
};

/// Errors: those of connecting.
base::Result<std::unique_ptr<postgres::Connection>> connect_restored(const ScratchCluster& cluster,
                                                                     const std::string& database);
/// To the live server, read only.
base::Result<std::unique_ptr<postgres::Connection>> connect_live(const DrillSettings& drill);

/// Runs one statement as a transaction that is rolled back.
base::Result<postgres::Rows> ask(postgres::Connection& connection, const char* sql,
                                 const postgres::Values& values = {});

/// In which database questions are asked: the set's, else the first that has tables.
std::string main_database(const DrillSettings& drill, const RestoredData& data);

/// Counts, after it has taken away what could reach out: subscriptions, logins of foreign servers.
Found count_restored(const ScratchCluster& cluster, const DrillSettings& drill, RestoredData& data);

/// Rows by table as the live server estimates them.
base::Result<std::map<std::string, std::uint64_t>> live_rows(const DrillSettings& drill);

/// Restored to expected, for each table with enough rows: the better of the two comparisons,
/// because a live table grows after the backup, and a last drill is older than it.
std::map<std::string, double> rows_ratios(const DrillSettings& drill,
                                          const std::map<std::string, std::uint64_t>& restored,
                                          const std::map<std::string, std::uint64_t>& live,
                                          const std::map<std::string, std::uint64_t>& last_drill);

/// Asks the assertions. Findings: "assertion_failed" (names it).
Found ask_assertions(const ScratchCluster& cluster, const DrillSettings& drill,
                     const RestoredData& data);

}  // namespace tocsin::agent
