// What is kept over restarts: positions in files, the journal's cursors, known fingerprints.
//
// One text file in the agent's state folder, written as a whole. Fields are separated by tabs:
//
//   tocsin-logs 1
//   file  LOG device inode offset skipping head_bytes head_hash role path
//   cursor LOG TEXT
//   data  LOG field...
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/collectors/logs/tail.h"

namespace tocsin::agent {

/// Of one log, by its key ("log shop").
struct LogState {
  std::vector<TailPosition> positions;
  std::string cursor;
  std::vector<std::vector<std::string>> data;
};

/// By the key of the log.
using LogStates = std::map<std::string, LogState>;

std::string format_log_states(const LogStates& states);

/// What is malformed is left out: after damage a log begins anew. Errors: Corruption (not ours).
base::Result<LogStates> parse_log_states(std::string_view text);

}  // namespace tocsin::agent
