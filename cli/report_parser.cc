#include "cli/report_parser.h"

#include <CLI/CLI.hpp>

namespace tocsin::cli {
namespace {

void add_by(CLI::App* command, std::string& by) {
  command->add_option("--by", by, "who; default: you");
}

std::string check_field(const std::string& text) {
  const std::size_t equals = text.find('=');
  return equals == std::string::npos || equals == 0
             ? "expected NAME=TEXT, such as root_cause='the disk was full'"
             : "";
}

void add_actions(CLI::App& app, ActionOptions& options) {
  CLI::App* action = app.add_subcommand("action", "what shall be done after an incident");
  action->require_subcommand(1);
  CLI::App* list = action->add_subcommand("list", "open action items, the most urgent first");
  list->add_flag("--all", options.all, "done ones too");
  CLI::App* add = action->add_subcommand("add", "add one to an incident's report");
  add->add_option("incident", options.id, "such as T-1042")->required();
  add->add_option("text", options.text, "what shall be done")->required();
  add->add_option("--type", options.type, "prevent, detect or mitigate")
      ->check(CLI::IsMember({"prevent", "detect", "mitigate"}))
      ->capture_default_str();
  add->add_option("--ticket", options.ticket, "name or address in another system");
  CLI::App* change = action->add_subcommand("change", "another owner or day");
  CLI::App* done = action->add_subcommand("done", "it is done");
  for (CLI::App* command : {change, done}) {
    command->add_option("id", options.id, "such as A-1042-1")->required();
  }
  for (CLI::App* command : {add, change}) {
    command->add_option("--owner", options.owner, "who does it");
    command->add_option("--due", options.due, "2026-12-24, RFC 3339, or 14d; later it alerts");
  }
  for (CLI::App* command : {add, change, done}) add_by(command, options.by);
}

ActionOptions action_of(const ReportCommands& commands, const std::string& name) {
  using Action = ActionOptions::Action;
  ActionOptions options = commands.action;
  options.action = name == "add"      ? Action::Add
                   : name == "change" ? Action::Change
                   : name == "done"   ? Action::Done
                                      : Action::List;
  return options;
}

}  // namespace

void add_report_commands(CLI::App& app, ReportCommands& commands) {
  CLI::App* report = app.add_subcommand("report", "the report after an incident, or of a time");
  report
      ->add_option("id", commands.report.id,
                   "such as T-1042; or daily, weekly, monthly, compliance, capacity")
      ->required();
  report
      ->add_option("--format", commands.report.format,
                   "markdown, html; json of an incident; csv, text of a time")
      ->check(CLI::IsMember({"markdown", "md", "html", "json", "csv", "text"}))
      ->capture_default_str();
  report->add_option("--from", commands.report.from, "of a time's report: -7d, a date, RFC 3339");
  report->add_option("--to", commands.report.to, "as --from");
  report->add_option("--timezone", commands.report.time_zone,
                     "such as Asia/Phnom_Penh; default: that of the daemon's [report]");
  report->add_option("-o,--output", commands.report.output, "file to write; default: stdout");
  report
      ->add_option("--set", commands.report.set,
                   "write a part: root_cause=TEXT, or root_cause=@FILE; empty: take it back")
      ->check(CLI::Validator(check_field, "NAME=TEXT"));
  add_by(report, commands.report.by);

  add_actions(app, commands.action);

  CLI::App* news = app.add_subcommand("news", "tell stakeholders, or show what they were told");
  news->add_option("id", commands.news.id, "such as T-1042")->required();
  news->add_option("text", commands.news.text, "plain words; without: the drafted ones alone");
  news->add_option("--state", commands.news.state,
                   "investigating, identified, monitoring or resolved")
      ->check(CLI::IsMember({"investigating", "identified", "monitoring", "resolved"}));
  news->add_option("--audience", commands.news.audiences,
                   "only these; default: all whom the incident concerns; may be repeated")
      ->allow_extra_args(false);
  add_by(news, commands.news.by);

  CLI::App* stats =
      app.add_subcommand("stats", "times to acknowledge and resolve, noise, pages at night");
  stats->add_option("--from", commands.stats.from, "-30d, a date, RFC 3339")->capture_default_str();
  stats->add_option("--to", commands.stats.to, "as --from")->capture_default_str();
}

std::optional<Command> report_command(const ReportCommands& commands, const CLI::App& chosen) {
  const std::string& name = chosen.get_name();
  if (name == "report") return commands.report;
  if (name == "news") return commands.news;
  if (name == "stats") return commands.stats;
  if (name == "action") {
    return action_of(commands, chosen.get_subcommands().front()->get_name());
  }
  return std::nullopt;
}

}  // namespace tocsin::cli
