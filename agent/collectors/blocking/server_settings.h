// What the tables of servers in the agent's configuration have in common.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/config/table.h"

namespace tocsin::agent {

/// Reads `timeout`, the time of a round; default: `usual`, or four fifths of the interval.
base::Duration read_round_timeout(config::Table& table, base::Duration usual,
                                  base::Duration interval);

/// Reads every table `[[key]]` with `read_one`; the `name` of each is the label `server`, and no
/// two are the same.
template <class ReadOne>
auto read_servers(config::Table& root, std::string_view key, ReadOne read_one) {
  std::vector<decltype(read_one(std::declval<config::Table&>()))> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables(key)) {
    all.push_back(read_one(table));
    if (!names.insert(all.back().name).second) {
      table.error("name", "two servers are called '" + all.back().name + "'",
                  "the name is the label `server` of their metrics");
    }
  }
  return all;
}

}  // namespace tocsin::agent
