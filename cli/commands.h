// The commands, one function and one file each. All return the exit code.
#pragma once

#include <iosfwd>
#include <string>

#include "cli/api_client.h"
#include "cli/options.h"
#include "cli/table.h"

namespace tocsin::cli {

/// What a command works with.
struct Context {
  ApiClient& api;
  OutputFormat output;
  Terminal terminal;
  const base::Clock& clock;
  std::ostream& out;  ///< Results.
  std::ostream& err;  ///< Errors, warnings, hints.
};

int run_query(const QueryOptions& options, Context& context);
int run_alerts(const AlertsOptions& options, Context& context);
int run_tasks(const TasksOptions& options, Context& context);
int run_incidents(const IncidentsOptions& options, Context& context);
int run_ack(const AckOptions& options, Context& context);
int run_resolve(const ResolveOptions& options, Context& context);
int run_incident_action(const IncidentActionOptions& options, Context& context);
int run_oncall(const OnCallOptions& options, Context& context);
int run_change(const ChangeOptions& options, Context& context);
/// `files` is where the report, or a part of it, is written to or read from.
int run_report(const ReportOptions& options, Context& context, base::FileSystem& files);
int run_action(const ActionOptions& options, Context& context);
int run_news(const NewsOptions& options, Context& context);
int run_stats(const StatsOptions& options, Context& context);
int run_agent(const AgentOptions& options, Context& context);
int run_top(const TopOptions& options, Context& context);
int run_inventory(const InventoryOptions& options, Context& context);
int run_status(Context& context);
int run_send_test(const SendTestOptions& options, Context& context);
/// `files` is where a template is read from.
int run_channel(const ChannelOptions& options, Context& context, const base::FileSystem& files);
/// `files` is where a copy of the trail is.
int run_audit(const AuditOptions& options, Context& context, base::FileSystem& files);
int run_drill(const DrillOptions& options, Context& context);

/// Returns the script for "bash", "zsh" or "fish", made from parser.h's command_table().
std::string completion_script(const std::string& shell);

/// Asks, and deals with everything but a good answer in table format: prints errors and warnings to
/// `err`, and with -o json the data to `out`. Returns true if the command has to print `answer`.
bool ask(Context& context, const ApiRequest& request, ApiAnswer& answer);

/// The second half of ask(), for a command that changes the answer before it is shown.
bool show(Context& context, const ApiAnswer& answer);

/// "1042" -> "T-1042"; anything else stays.
std::string incident_id(const std::string& text);

}  // namespace tocsin::cli
