// Matchers in configuration tables, with mistakes reported at their very byte.
#pragma once

#include <string_view>
#include <vector>

#include "alertd/routing/silence_index.h"
#include "common/config/table.h"

namespace tocsin::routing {

/// Reads an array of texts such as 'host=~"db.*"', each with one or more matchers; all must match.
/// Marks the key as known; missing: empty.
std::vector<model::Matcher> read_matchers(config::Table& table, std::string_view key);

/// Reads an array of texts (one set) or an array of such arrays (several sets).
std::vector<MatcherSet> read_matcher_sets(config::Table& table, std::string_view key);

/// Adds an error at a byte of a string's value, which Table::error cannot.
void report_at(config::Context& context, const config::Node& node, std::size_t offset,
               std::string message, std::string hint);

}  // namespace tocsin::routing
