// The commands that work on rules, for parser.cc: check, inventory, test, import, backtest,
// explain.
#pragma once

#include <optional>
#include <string>

#include "cli/options.h"

namespace CLI {
class App;
}

namespace tocsin::cli {

/// The values that the parser writes to; outlives the parse.
struct RulesCommands {
  CheckOptions check;
  std::string check_format;
  std::string scrape_interval = "15s";
  InventoryOptions inventory;
  TestOptions test;
  std::string test_format;
  std::string coverage_min;
  ImportOptions import_prometheus;
  ImportOptions import_alertmanager{ImportOptions::From::Alertmanager, {}, "-", {}, false, false};
  BacktestOptions backtest;
  std::string backtest_step;
  std::string backtest_warm_up;
  ExplainOptions explain;
};

void add_rules_commands(CLI::App& app, RulesCommands& commands);

/// Returns what was asked for; nullopt: `chosen` is another command.
std::optional<Command> rules_command(const RulesCommands& commands, const CLI::App& chosen);

/// What is wrong with an option's text, or "": a duration of more than nothing.
std::string check_duration(const std::string& text);

}  // namespace tocsin::cli
