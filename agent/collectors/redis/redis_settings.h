// What `[[redis]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "agent/collectors/redis/redis_queues.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One server.
struct RedisSettings {
  std::string name;  ///< The label `server`.
  RedisAddress address;
  int database = 0;               ///< Where the queues are.
  base::Duration timeout{3'000};  ///< Of a round.
  RedisQueueSettings queues;

  std::string key() const { return "redis " + name; }
};

/// Reads every `[[redis]]` table of the root. `interval` is the round's: a time-out must be
/// shorter. Mistakes go to the diagnostics.
std::vector<RedisSettings> read_redis_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent
