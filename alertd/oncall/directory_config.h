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

/// Adds a warning for each gap of each schedule between two instants, at the schedule's place.
void warn_of_gaps(const Directory& directory, const std::string& file, base::WallTime from,
                  base::WallTime to, base::Diagnostics& diagnostics);

/// How far `tocsin check` looks ahead.
inline constexpr base::Duration kGapHorizon = std::chrono::hours(24 * 28);

}  // namespace tocsin::oncall
