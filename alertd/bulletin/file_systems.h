// File systems, how full they are and how they grow: for the daily and the capacity report.
// Internal to the folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alertd/bulletin/builder.h"

namespace tocsin::bulletin {

struct FileSystem {
  std::string name;  ///< "db1 /var"
  double size = 0;   ///< Bytes that users can fill.
  double used_percent = 0;
  std::optional<Trend> trend;  ///< Of used bytes.
  Curve used;
};

/// Returns those that hold data, by name; the trend is that of `look_back` before the period's end.
std::vector<FileSystem> read_file_systems(const Builder& builder, Section& section,
                                          base::Duration look_back);

}  // namespace tocsin::bulletin
