// A check of PostgreSQL: one statement, and what the columns of its answer are.
//
// The label columns come first, then one column for each metric; a NULL there is no sample. The
// tables of checks (checks_*.cc) are data; what reads them is the same for all, and for the
// statements that people write into the configuration, whose columns are found by their names.
#pragma once

#include <climits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/collectors/collector.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {

/// A metric that owns its texts; those of the configuration have nobody else to own them.
struct NamedMetric {
  std::string name;
  std::string help{};
  model::MetricType type = model::MetricType::Gauge;

  MetricInfo info() const { return {name, help, type}; }
};

struct Check {
  enum class Scope { Server, EachDatabase };

  std::string name{};  ///< The label `collector` of pg_scrape_collector_success.
  std::string sql{};   ///< For versions within [version_min, version_max].
  std::vector<std::string> labels{};
  std::vector<NamedMetric> metrics{};
  base::Duration every{0};  ///< Not more often; 0: each round.
  Scope scope = Scope::Server;
  std::string database{};     ///< Of one database only; empty: all of its scope.
  int version_min = 90'600;   ///< As PostgreSQL counts: 150004 is 15.4.
  int version_max = INT_MAX;  ///< Inclusive.
  std::string needs{};        ///< What the user lacks if permission is denied.
  std::size_t rows_max = 1'000;
  std::string optional_extension{};  ///< Absent: the check is left out, and that is no failure.
  bool from_people = false;  ///< Of the configuration: label values are checked for personal data.

  bool is_for(int version) const { return version_min <= version && version <= version_max; }
};

/// One sample as it was read.
struct Reading {
  const NamedMetric* metric;  ///< Of the check.
  std::vector<std::pair<std::string, std::string>> labels;
  double value;
};

/// Takes the answer of a check apart; `database` becomes a label unless it is empty.
///
/// Errors: InvalidArgument (other columns than the check says, no number), LimitExceeded (more rows
/// than rows_max), PermissionDenied (a label value that looks like personal data).
base::Result<std::vector<Reading>> readings_of(const Check& check, const postgres::Rows& rows,
                                               const std::string& database);

/// Returns all checks that come with the agent.
std::vector<Check> standard_checks();

// The parts of standard_checks(): activity and locks; databases, tables and indexes; WAL,
// replication and backup; roles, connections and settings.
std::vector<Check> activity_checks();
std::vector<Check> database_checks();
std::vector<Check> wal_checks();
std::vector<Check> security_checks();

}  // namespace tocsin::agent
