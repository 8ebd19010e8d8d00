// Sudoers: who may do what as another user, with aliases resolved and includes named. Pure: text
// in, values out.
//
// An alias counts in all files, wherever it is defined; so files are taken apart one by one, and
// judged together. Source: sudoers(5).
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

/// Another file, or a folder of files, that is to be read as well.
struct SudoersInclude {
  std::string path;  ///< As written; relative to the including file's folder; `%h` is the host.
  bool folder = false;
};

/// One file taken apart.
struct SudoersFile {
  struct Grant {
    std::vector<std::string> users;     ///< "alice", "%sudo", or aliases.
    std::vector<std::string> commands;  ///< One text for each list of hosts, tags included.
  };
  using Aliases = std::map<std::string, std::vector<std::string>>;

  std::vector<Grant> grants;
  Aliases users;
  Aliases commands;
  std::vector<SudoersInclude> includes;
};
SudoersFile parse_sudoers(std::string_view text);

/// What all files of a host grant together.
struct Sudoers {
  int nopasswd_all = 0;              ///< Grants of every command without a password.
  std::vector<std::string> may_all;  ///< Whom every command is granted: "alice", "%sudo".
};
Sudoers judge_sudoers(std::span<const SudoersFile> files);

/// Returns where an include leads, for one in the file `from` on the host `host` (its short name).
std::string include_path(const SudoersInclude& include, std::string_view from,
                         std::string_view host);

}  // namespace tocsin::agent
