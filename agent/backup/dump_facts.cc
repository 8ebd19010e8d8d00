#include "agent/backup/dump_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

bool DumpRules::expects(const std::string& table) const {
  return std::find(tables.begin(), tables.end(), table) != tables.end();
}

std::optional<int> major_version(std::string_view version) {
  const auto digits = [&version] {
    const std::size_t end = std::min(version.find_first_not_of("0123456789"), version.size());
    const auto number = base::parse_u64(version.substr(0, end));
    version.remove_prefix(end);
    return number;
  };
  const auto first = digits();
  if (!first || *first > 1'000) return std::nullopt;
  if (*first >= 10) return static_cast<int>(*first);
  if (!version.starts_with('.')) return std::nullopt;
  version.remove_prefix(1);
  const auto second = digits();
  if (!second || *second > 99) return std::nullopt;
  return static_cast<int>(*first * 100 + *second);
}

Found judge_dump(const DumpFacts& facts, const DumpRules& rules) {
  const auto server = major_version(facts.server_version);
  const auto dump = major_version(facts.dump_version);
  // 9.6 counts as 906, which is older than 10 all the same.
  const auto rank = [](int version) { return version < 100 ? version * 1'000 : version; };
  if (server && dump && rank(*dump) < rank(*server)) {
    return finding("pg_dump_older_than_server",
                   fmt::format("pg_dump {} dumped a server of version {}: what is new there may be "
                               "missing",
                               facts.dump_version, facts.server_version));
  }
  if (facts.tables < rules.tables_min) {
    return finding("empty_schema", fmt::format("the dump has {} tables, at least {} are expected",
                                               facts.tables, rules.tables_min));
  }
  for (const std::string& table : rules.tables) {
    if (!facts.expected_seen.contains(table)) {
      return finding("table_missing", fmt::format("table {} is not in the dump", table));
    }
  }
  if (rules.rows_required && facts.tables > 0 && facts.rows == 0 && !facts.has_large_data) {
    return finding("no_rows", "no table in the dump has a row");
  }
  return {};
}

}  // namespace tocsin::agent
