// The configuration files of others, as far as a proposal needs them. Pure parsers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// What an nginx configuration says about logs and certificates.
struct NginxFiles {
  std::vector<std::string> access_logs;
  std::vector<std::string> certificates;
  std::vector<std::string> certificate_keys;  ///< In step with `certificates`; "" if none follows.
  std::vector<std::string> names;             ///< Of servers.
};

/// Reads the file and what it includes (patterns in the last part of a path, three files deep, at
/// most 200 files). Paths that are not absolute are taken from `prefix`.
NginxFiles read_nginx_files(const base::FileSystem& files, const std::string& path,
                            const std::string& prefix);

/// One `command[name]=...` of nrpe.cfg.
struct NrpeCommand {
  std::string name;
  std::vector<std::string> arguments;
};

/// Returns the commands that need no shell: an absolute path, no quotes, variables or pipes.
/// `others` gets the names of those that do.
std::vector<NrpeCommand> parse_nrpe_commands(std::string_view text,
                                             std::vector<std::string>& others);

}  // namespace tocsin::agent
