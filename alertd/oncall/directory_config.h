// Reads [[person]], [[team]] and [[schedule]] of alertd.toml.
#pragma once

#include "alertd/oncall/directory.h"
#include "common/config/table.h"

namespace tocsin::oncall {

/// Reads who can be told; every mistake goes to the context's diagnostics.
///
/// `root` is the whole file. `receivers` are the configured names (nullopt: not checked). Calendar
/// files are read here; a relative path is relative to the working directory.
Directory read_directory(config::Table& root,
                         const std::optional<std::vector<std::string>>& receivers);

/// Reads `time_zone`; missing or wrong (reported): `otherwise`.
timezone::Zone read_zone(config::Table& table, const timezone::Zone& otherwise);

/// Reads `hours` ("09:00-17:30", several) and `weekdays` ("mon-fri"); neither: always (empty).
std::vector<timezone::Hours> read_hours(config::Table& table);

/// Adds a warning for each gap of each schedule between two instants, at the schedule's place.
void warn_of_gaps(const Directory& directory, const std::string& file, base::WallTime from,
                  base::WallTime to, base::Diagnostics& diagnostics);

/// How far `tocsin check` looks ahead.
inline constexpr base::Duration kGapHorizon = std::chrono::hours(24 * 28);

}  // namespace tocsin::oncall
