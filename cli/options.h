// What was asked for on the command line, as values. parser.cc fills them; one command reads each.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/audit_options.h"
#include "cli/backup_options.h"
#include "cli/check.h"
#include "cli/import.h"
#include "cli/inventory_options.h"
#include "cli/report_options.h"
#include "cli/tasks_options.h"
#include "cli/test_rules.h"
#include "cli/top_options.h"
#include "common/base/time.h"

namespace tocsin::cli {

/// What a script may rely on, the same for every command; `tocsin --help` and docs/exit-codes.md
/// say so too.
enum ExitCode : int {
  kOk = 0,
  kNegative = 1,     ///< The server refused, the daemon is degraded, the check found errors.
  kUnreachable = 2,  ///< Nothing to work on: no answer in time, no such file, no test found.
  kUsage = 64,       ///< The command line is wrong, whatever there is to work on.
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
  std::string time;     ///< As parse_when() reads it; empty: now.
  std::string start{};  ///< The same; a range query unless empty.
  std::string end{};    ///< Empty: now.
  std::string step{};   ///< Empty: so that there are 250 points.
  bool csv = false;     ///< One line a sample, instead of the context's format.
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

/// `tocsin incident ...`: one action on an incident, or a new one.
struct IncidentActionOptions {
  std::string action;  ///< "create", "snooze", ... as in the API's path.
  std::string id;      ///< Empty for create.
  std::string by;
  std::string message;
  std::string hold;   ///< `--for`
  std::string value;  ///< merge: into; severity and create: severity; owner: who.
  std::string title;
  std::string receiver;
  std::string policy;
  std::vector<std::string> labels;  ///< "name=value"
};

/// `tocsin oncall ...`
struct OnCallOptions {
  enum class Action { Now, Shifts, Override, Remove };
  Action action = Action::Now;
  std::string schedule;
  std::string person;  ///< "ada+ben": together.
  std::string from;    ///< RFC 3339; of Now: the time asked about. Empty: now.
  std::string to;
  std::string hold;  ///< `--for`
  std::string id;    ///< Of an override.
  std::string by;
  std::string message;
};

/// `tocsin change ...`
struct ChangeOptions {
  bool list = false;
  std::string service;
  std::string version;
  std::string author;
  std::string link;
  std::string text;
  std::string at;  ///< RFC 3339; empty: now.
  std::string by;
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

struct ChannelOptions {
  enum class Action { List, Preview };
  Action action = Action::List;
  std::string channel;        ///< "receiver/channel"
  std::string incident;       ///< Empty: the newest.
  std::string template_file;  ///< In place of the configured text; "-": stdin.
};

struct DrillOptions {
  std::string severity = "high";
  std::vector<std::string> labels;  ///< "name=value", for the routes.
};

struct BacktestOptions {
  std::vector<std::string> rules;  ///< Files and folders.
  std::string from = "-24h";
  std::string to = "now";
  std::string against;             ///< URL of a Prometheus-compatible server; empty: --server.
  std::string against_token_file;  ///< For it; the admin token is never sent there.
  /// What to compare with: files or folders, a URL, or "none"; empty: what --server evaluates.
  std::vector<std::string> baseline;
  std::string config;                     ///< alertd.toml, for routing and defaults; may be empty.
  std::optional<base::Duration> step;     ///< Instead of each group's interval.
  std::optional<base::Duration> warm_up;  ///< Default: the longest `for` of all rules.
  std::size_t limit = 100;                ///< Firings listed; 0: all.
};

struct ExplainOptions {
  std::string name;                 ///< Of the rule; empty with `expr`.
  std::vector<std::string> labels;  ///< "name=value": the label set asked about.
  std::string expr;                 ///< Instead of a rule.
  std::string group;                ///< If several rules have the name; empty: all of them.
  std::string at = "now";
  // Instead of a rule: why somebody was called about an alert, or nobody. One of the three.
  std::string alert{};        ///< Labels of the alert: a="b",c="d".
  std::string fingerprint{};  ///< Of the alert.
  std::string incident{};     ///< "T-1042", or its number.
};

struct CompletionOptions {
  std::string shell;  ///< "bash", "zsh" or "fish"
};

using Command =
    std::variant<QueryOptions, AlertsOptions, IncidentsOptions, AckOptions, ResolveOptions,
                 AgentOptions, StatusOptions, SendTestOptions, CheckOptions, CompletionOptions,
                 ImportOptions, InventoryOptions, TopOptions, BacktestOptions, ExplainOptions,
                 TestOptions, ChannelOptions, DrillOptions, IncidentActionOptions, OnCallOptions,
                 ChangeOptions, ReportOptions, ActionOptions, NewsOptions, StatsOptions,
                 TasksOptions, BackupOptions, RestoreOptions, AuditOptions>;

struct Invocation {
  GlobalOptions global;
  Command command;
};

}  // namespace tocsin::cli
