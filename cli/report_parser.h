// The commands that tell the others, for parser.cc: report, action, news, stats.
#pragma once

#include <optional>
#include <string>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace tocsin::cli {

/// The values that the parser writes to; outlives the parse.
struct ReportCommands {
  ReportOptions report;
  ActionOptions action;
  NewsOptions news;
  StatsOptions stats;

  /// Who does it, unless --by says so.
  void set_person(const std::string& person) { report.by = action.by = news.by = person; }
};

void add_report_commands(CLI::App& app, ReportCommands& commands);

/// Returns what was asked for; nullopt: `chosen` is another command.
std::optional<Command> report_command(const ReportCommands& commands, const CLI::App& chosen);

}  // namespace tocsin::cli
