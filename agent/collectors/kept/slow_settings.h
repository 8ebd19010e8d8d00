// What the tables of slow sources in the agent's configuration have in common.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/collectors/kept/slow_source.h"
#include "common/config/table.h"

namespace tocsin::agent {

/// Reads `interval`, from 1s to 1d.
base::Duration read_slow_interval(config::Table& table, base::Duration usual);

/// Reads a path; what is not absolute is an error. An empty default may stay empty.
std::string read_absolute(config::Table& table, std::string_view key, std::string usual);

/// Reads a list of absolute paths or patterns.
std::vector<std::string> read_patterns(config::Table& table, std::string_view key,
                                       std::vector<std::string> usual);

/// Reads `checks`, names out of `all` (the default), less those in `checks_disabled`.
std::set<std::string> read_checks(config::Table& table, std::span<const char* const> all);

}  // namespace tocsin::agent
