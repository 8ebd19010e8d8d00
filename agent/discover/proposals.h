// From what runs on a host to tables of agent.toml, with the reason and the missing grant of each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/discover/host_look.h"

namespace tocsin::agent {

/// One part of the proposed file.
struct Proposal {
  std::vector<std::string> notes;  ///< Why, and what is still missing; without "#".
  std::string toml;                ///< Tables; empty: there is nothing but notes.
  bool ready = true;               ///< False: it needs something first, and is left as a comment.
};

/// What is tried out on the host; tests answer themselves.
struct Trials {
  const base::FileSystem& files;
  /// Each returns "" if it can be read, else why not.
  std::function<std::string(const std::string& address)> redis;
  std::function<std::string(const std::string& dsn)> postgres;
};

/// Returns the proposals in the order of the file.
std::vector<Proposal> propose(const HostLook& look, const Trials& trials);

/// Returns `text` as a TOML string: in double quotes, escaped.
std::string toml_string(std::string_view text);

/// Puts the file together. `accepts` says whether this agent understands a text; what it does not
/// is left as a comment. The result is understood as a whole.
std::string render_proposals(const std::vector<Proposal>& proposals, const std::string& heading,
                             const std::function<bool(const std::string&)>& accepts);

}  // namespace tocsin::agent
