// `tocsin-agent discover`: looks at the host and proposes an agent.toml.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct DiscoverWorld {
  base::FileSystem& files;
  const base::Clock& clock;
  std::string host_name;
  bool is_root = false;
  /// Whether this agent understands a configuration.
  std::function<bool(const std::string& text)> accepts;
};

/// Runs the command with the words after its name. Prints the proposal, or writes it to
/// `--output FILE`, which must not exist. Returns the exit status: 0, 1 (could not write), 2
/// (usage).
int run_discover(std::span<char*> words, const DiscoverWorld& world);

}  // namespace tocsin::agent
