// What `[[findings]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "agent/collectors/findings/scan_report.h"
#include "agent/collectors/kept/state_file.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One scanner.
struct FindingsTool {
  std::string name;                ///< The label `tool`.
  std::string format;              ///< One of scan_formats().
  std::vector<std::string> files;  ///< Patterns.
  bool all = false;                ///< Every file counts; else the newest alone.
  FindingSeverity unrated = FindingSeverity::High;
  std::uint64_t bytes_max = std::uint64_t{64} << 20U;
};

/// All of them.
struct FindingsSettings {
  std::vector<FindingsTool> tools;
  base::Duration interval{1'000};  ///< Every round; what has not changed is not read again.
  base::Duration timeout{10'000};  ///< Of a round.
  StateOptions state;
};

/// Reads every `[[findings]]` table of the root. `state_folder` is where their memory goes,
/// `interval` the round's. Mistakes go to the diagnostics.
FindingsSettings read_findings_settings(config::Table& root, base::Duration interval,
                                        const std::string& state_folder);

}  // namespace tocsin::agent
