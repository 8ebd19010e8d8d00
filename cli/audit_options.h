// tocsin audit: what was asked for.
#pragma once

#include <cstdint>
#include <string>

namespace tocsin::cli {

struct AuditOptions {
  enum class Action { List, Verify, Export };
  Action action = Action::List;
  std::string actor;   ///< Empty: everybody; so is the next.
  std::string object;  ///< "T-1042", "silence:4711", ...
  std::string from;    ///< As parse_when() reads it; empty: no bound.
  std::string to;
  std::uint64_t limit = 100;
  std::string file;  ///< Verify: empty for the daemon's own; export: the copy.
};

}  // namespace tocsin::cli
