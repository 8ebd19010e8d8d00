// What `[packages]` in the agent's configuration says.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/collectors/kept/state_file.h"
#include "agent/collectors/packages/end_of_life.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// The parts that can be left out, by `checks`.
inline constexpr const char* kPackagesChecks[] = {"apt", "reboot", "end_of_life", "libraries"};

struct PackagesSettings {
  base::Duration interval{3'600'000};
  base::Duration timeout{10'000};  ///< Of a round.
  std::string root = "/";
  std::string proc = "/proc";
  std::set<std::string> checks;  ///< Names out of kPackagesChecks.
  EndOfLife end_of_life = EndOfLife::shipped();
  std::vector<std::string> virtual_environments;  ///< Patterns of Python's.
  StateOptions state;
};

/// Reads `[packages]` of the root; nullopt if there is none. `state_folder` is where its memory
/// goes by default, `interval` the round's. Mistakes go to the diagnostics.
std::optional<PackagesSettings> read_packages_settings(config::Table& root, base::Duration interval,
                                                       const std::string& state_folder);

}  // namespace tocsin::agent
