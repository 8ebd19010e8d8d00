// What a dump says about itself, and what is wrong with it for that.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/backup/finding.h"

namespace tocsin::agent {

/// What was seen in a dump, whatever its format.
struct DumpFacts {
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;                 ///< At least; lines of table data.
  bool has_large_data = false;            ///< Large objects: then no rows is no surprise.
  std::string server_version{};           ///< "15.4 (Debian 15.4-1)"; empty: unknown.
  std::string dump_version{};             ///< Of pg_dump.
  std::set<std::string> expected_seen{};  ///< Of DumpRules::tables.
};

/// What a dump must have.
struct DumpRules {
  std::uint64_t tables_min = 1;
  bool rows_required = true;          ///< At least one table has a row.
  std::vector<std::string> tables{};  ///< "public.student"; each must be there.

  bool expects(const std::string& table) const;
};

/// Returns 15 for "15.4 (Debian)", 906 for "9.6.24"; nullopt if it is no version.
std::optional<int> major_version(std::string_view version);

/// Findings: "pg_dump_older_than_server", "empty_schema", "table_missing", "no_rows".
Found judge_dump(const DumpFacts& facts, const DumpRules& rules);

}  // namespace tocsin::agent
