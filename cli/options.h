// What was asked for on the command line, as values. parser.cc fills them; one command reads each.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/check.h"
#include "cli/import.h"
#include "cli/inventory_options.h"
#include "common/base/time.h"

namespace tocsin::cli {

/// What a script may rely on; `tocsin --help` says the same.
enum ExitCode : int {
  kOk = 0,
  kNegative = 1,     ///< The server refused, the daemon is degraded, the check found errors.
  kUnreachable = 2,  ///< No answer from the server, or not within the time-out.
  kUsage = 64,       ///< The command line is wrong.
};

enum class OutputFormat { Table, Wide, Json };
enum class ColorMode { Auto, Always, Never };

struct GlobalOptions {
  std::string server = "http://127.0.0.1:9464";
  std::string token_file;  ///< Holds the admin token; empty: none is sent.
  std::string ca_file;     ///< PEM; empty: the system's authorities.
  OutputFormat output = OutputFormat::Table;
  ColorMode color = ColorMode::Auto;
  base::Duration timeout{10'000};
};

struct QueryOptions {
  std::string expr;
  std::string time;  ///< Unix seconds or RFC 3339; empty: now.
};

struct AlertsOptions {
  std::string severity;             ///< Empty: all.
  std::vector<std::string> labels;  ///< "name=value"; all must match.
  bool exit_code = false;           ///< 1 if any alert is firing.
};

struct IncidentsOptions {
  std::string id;  ///< Empty: the list.
  bool all = false;
  bool ids_only = false;  ///< For completion.
};

struct AckOptions {
  std::string id;
  std::string by;
  std::string message;
  std::string hold;  ///< `--for`
};

struct ResolveOptions {
  std::string id;
  std::string by;
  std::string message;
};

struct AgentOptions {
  enum class Action { Add, List, Remove };
  Action action = Action::List;
  std::string name;
  std::vector<std::string> labels;  ///< "name=value"
};

struct StatusOptions {};

struct SendTestOptions {
  std::string channel;
};

struct CompletionOptions {
  std::string shell;  ///< "bash", "zsh" or "fish"
};

using Command = std::variant<QueryOptions, AlertsOptions, IncidentsOptions, AckOptions,
                             ResolveOptions, AgentOptions, StatusOptions, SendTestOptions,
                             CheckOptions, CompletionOptions, ImportOptions, InventoryOptions>;

struct Invocation {
  GlobalOptions global;
  Command command;
};

}  // namespace tocsin::cli
