// From arguments to an Invocation. Only parser.cc, report_parser.cc and
// rules_parser.cc compile CLI11 (15 seconds each).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"

namespace tocsin::cli {

/// An invocation, or what to print instead (help, version, a usage error) and how to exit.
struct Parsed {
  std::optional<Invocation> invocation;
  int exit_code = kOk;
  std::string out;
  std::string err;
};

/// What the environment contributes; options on the command line win.
struct Defaults {
  std::string server;      ///< TOCSIN_SERVER
  std::string token_file;  ///< TOCSIN_TOKEN_FILE
  std::string ca_file;     ///< TOCSIN_CA_FILE
  std::string person;      ///< Who acknowledges unless --by says otherwise.
};

/// Parses the arguments without the program's name. Pure.
Parsed parse_arguments(const std::vector<std::string>& arguments, const Defaults& defaults);

/// Returns each command (with its sub-commands as "agent add") and the long options it takes, as
/// the parser has them: the completion scripts are made from this.
std::map<std::string, std::vector<std::string>> command_table();

}  // namespace tocsin::cli
