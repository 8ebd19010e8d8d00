#include "cli/parser.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/audit_parser.h"
#include "cli/backup_parser.h"
#include "cli/report_parser.h"
#include "cli/rules_parser.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  tocsin status
  tocsin query 'sum by (instance) (up)'
  tocsin incidents
  tocsin ack T-1042 -m 'looking into it' --for 2h
  tocsin check /etc/tocsin
  tocsin test --coverage /etc/tocsin/rules

Exit codes:
  0   done; status: healthy
  1   the server refused, check found errors, a test failed, status: degraded
  2   nothing to work on: no answer from the server in time, no such file, no test found
  64  the command line is wrong: an unknown option, a value that cannot be read

Environment:
  TOCSIN_SERVER, TOCSIN_TOKEN_FILE, TOCSIN_CA_FILE  defaults of the options of that name
  NO_COLOR                                          if set, no colours)";

/// The parser with the values it writes to.
struct Program {
  CLI::App app{"Tocsin: asks and tells the alert daemon.", "tocsin"};
  GlobalOptions global;
  QueryOptions query;
  std::string query_format;
  AlertsOptions alerts;
  TasksOptions tasks;
  IncidentsOptions incidents;
  AckOptions ack;
  ResolveOptions resolve;
  IncidentActionOptions incident;
  OnCallOptions oncall;
  ChangeOptions change;
  ReportCommands reports;
  BackupCommands backups;
  AuditOptions audit;
  AgentOptions agent_add{AgentOptions::Action::Add, {}, {}};
  AgentOptions agent_list;
  AgentOptions agent_remove{AgentOptions::Action::Remove, {}, {}};
  TopOptions top;
  SendTestOptions send_test;
  ChannelOptions channels;
  ChannelOptions channel_preview{ChannelOptions::Action::Preview, {}, {}, {}};
  DrillOptions drill;
  RulesCommands rules;
  CompletionOptions completion;
  std::string output = "table";
  std::string color = "auto";
  std::string timeout = "10s";
};

std::string check_pair(const std::string& text) {
  const std::size_t equals = text.find('=');
  const bool good = equals != std::string::npos && equals > 0;
  return good ? "" : fmt::format("'{}' is not of the form name=value", text);
}

void add_global_options(Program& program) {
  CLI::App& app = program.app;
  app.set_version_flag("--version", "tocsin " TOCSIN_VERSION);
  app.add_option("--server", program.global.server, "URL of tocsin-alertd")->type_name("URL");
  app.add_option("--token-file", program.global.token_file,
                 "file that holds the admin token (mode 0600)")
      ->type_name("FILE");
  app.add_option("--ca-file", program.global.ca_file, "authority of the server's certificate, PEM")
      ->type_name("FILE");
  app.add_option("-o,--output", program.output, "table, wide (more columns) or json")
      ->check(CLI::IsMember({"table", "wide", "json"}))
      ->type_name("FORMAT");
  app.add_option("--color", program.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app.add_option("--timeout", program.timeout, "how long to wait for the server")
      ->check(CLI::Validator(check_duration, "DURATION"))
      ->capture_default_str();
  app.fallthrough();
  app.require_subcommand(1);
  app.footer(kFooter);
}

void add_reading_commands(Program& program) {
  CLI::App& app = program.app;
  CLI::App* query = app.add_subcommand("query", "evaluate a PromQL expression");
  query->add_option("expr", program.query.expr, "the expression")->required();
  CLI::Option* time =
      query->add_option("--time", program.query.time, "-1h, a date, RFC 3339 or unix seconds");
  query->add_option("--start", program.query.start, "as --time: a range query from then on")
      ->excludes(time);
  query->add_option("--end", program.query.end, "until then; default: now")->needs("--start");
  query->add_option("--step", program.query.step, "between two points; default: 250 points")
      ->check(CLI::Validator(check_duration, "DURATION"))
      ->needs("--start");
  query->add_option("-o,--output", program.query_format, "table, wide, json or csv")
      ->check(CLI::IsMember({"table", "wide", "json", "csv"}))
      ->type_name("FORMAT");

  CLI::App* alerts = app.add_subcommand("alerts", "list pending and firing alerts");
  alerts->add_option("--severity", program.alerts.severity, "only this severity")
      ->check(CLI::IsMember({"critical", "high", "medium", "low"}));
  alerts->add_option("-l,--label", program.alerts.labels, "only alerts with this label")
      ->check(CLI::Validator(check_pair, "NAME=VALUE"));
  alerts->add_flag("--exit-code", program.alerts.exit_code, "exit 1 if one of them is firing");

  CLI::App* tasks =
      app.add_subcommand("tasks", "list the tasks of hosts: what has to happen, and by when");
  tasks->add_option("--host", program.tasks.host, "only this host's");
  tasks->add_flag("--problems", program.tasks.problems, "only what is overdue, hung or failed");
  tasks->add_flag("--exit-code", program.tasks.exit_code, "exit 1 if one of them is");

  CLI::App* incidents = app.add_subcommand("incidents", "list incidents, or show one");
  incidents->add_option("id", program.incidents.id, "such as T-1042");
  incidents->add_flag("--all", program.incidents.all, "resolved ones too");
  incidents->add_flag("--ids", program.incidents.ids_only, "print only the ids");

  app.add_subcommand("status", "say whether the daemon is healthy");
}

void add_top(Program& program) {
  CLI::App* top = program.app.add_subcommand("top", "what there is most of: series");
  top->require_subcommand(1);
  CLI::App* series =
      top->add_subcommand("series", "which agents, hosts, metrics and labels have most series");
  series->add_option("--by", program.top.by, "one list only; default: all of them")
      ->check(CLI::IsMember({"agent", "host", "metric", "label", "pair", "memory"}));
  series->add_option("-n,--limit", program.top.limit, "rows of each list")
      ->check(CLI::Range(1, 10'000));
}

void add_changing_commands(Program& program) {
  CLI::App& app = program.app;
  CLI::App* ack = app.add_subcommand("ack", "acknowledge an incident: it stops escalating");
  ack->add_option("id", program.ack.id, "such as T-1042")->required();
  ack->add_option("-m,--message", program.ack.message, "comment for the timeline");
  ack->add_option("--for", program.ack.hold, "escalate again after this time")
      ->check(CLI::Validator(check_duration, "DURATION"));
  ack->add_option("--by", program.ack.by, "who; default: you");

  CLI::App* resolve = app.add_subcommand("resolve", "close an incident");
  resolve->add_option("id", program.resolve.id, "such as T-1042")->required();
  resolve->add_option("-m,--message", program.resolve.message, "comment for the timeline");
  resolve->add_option("--by", program.resolve.by, "who; default: you");

  CLI::App* agent = app.add_subcommand("agent", "agents that may push: add, list, remove");
  agent->require_subcommand(1);
  CLI::App* add = agent->add_subcommand("add", "enrol an agent and print its token, once");
  add->add_option("name", program.agent_add.name, "name of the host")->required();
  add->add_option("-l,--label", program.agent_add.labels, "label put on all it sends")
      ->check(CLI::Validator(check_pair, "NAME=VALUE"));
  agent->add_subcommand("list", "list the agents and when they were last seen");
  CLI::App* remove = agent->add_subcommand("remove", "refuse an agent's token from now on");
  remove->add_option("name", program.agent_remove.name, "name of the host")->required();

  CLI::App* send_test = app.add_subcommand("send-test", "send a test message through a channel");
  send_test->add_option("channel", program.send_test.channel, "as configured")->required();

  CLI::App* completion = app.add_subcommand("completion", "print a completion script");
  completion->add_option("shell", program.completion.shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();
}

void add_channel_commands(Program& program) {
  CLI::App& app = program.app;
  app.add_subcommand("channels", "list the channels, how they are doing and when last proven");
  CLI::App* channel = app.add_subcommand("channel", "one channel: test, preview");
  channel->require_subcommand(1);
  CLI::App* test = channel->add_subcommand("test", "send a test message through it");
  test->add_option("channel", program.send_test.channel, "receiver/channel")->required();
  CLI::App* preview =
      channel->add_subcommand("preview", "print what it would say; nothing is sent");
  preview->add_option("channel", program.channel_preview.channel, "receiver/channel")->required();
  preview->add_option("--incident", program.channel_preview.incident,
                      "about this incident; default: the newest");
  preview
      ->add_option("--template", program.channel_preview.template_file,
                   "with this text instead of the configured one; -: stdin")
      ->type_name("FILE");

  CLI::App* drill = app.add_subcommand("drill", "fire drill: an alert that goes the whole way");
  drill->add_option("--severity", program.drill.severity, "critical, high, medium or low")
      ->check(CLI::IsMember({"critical", "high", "medium", "low"}))
      ->capture_default_str();
  drill->add_option("-l,--label", program.drill.labels, "label for the routes")
      ->check(CLI::Validator(check_pair, "NAME=VALUE"));
}

/// One sub-command an action; all write to the same options, of which one run has one.
void add_incident_actions(Program& program) {
  CLI::App* incident =
      program.app.add_subcommand("incident", "open, snooze, merge, ... an incident");
  incident->require_subcommand(1);
  IncidentActionOptions& options = program.incident;
  const auto add = [&](const char* name, const char* what, bool on_one) {
    CLI::App* command = incident->add_subcommand(name, what);
    if (on_one) command->add_option("id", options.id, "such as T-1042")->required();
    command->add_option("-m,--message", options.message, "comment for the timeline");
    command->add_option("--by", options.by, "who; default: you");
    return command;
  };
  const auto add_for = [&](CLI::App* command, const char* what) {
    command->add_option("--for", options.hold, what)
        ->check(CLI::Validator(check_duration, "DURATION"));
  };
  const auto severities = CLI::IsMember({"critical", "high", "medium", "low"});
  CLI::App* create = add("create", "open an incident by hand", false);
  create->add_option("title", options.title, "what is wrong")->required();
  create->add_option("--severity", options.value, "critical, high, medium or low")
      ->check(severities)
      ->required();
  create->add_option("--receiver", options.receiver, "who is told; default: the root route's");
  create->add_option("--policy", options.policy, "escalation policy; default: by severity");
  create->add_option("-l,--label", options.labels, "label of the incident")
      ->check(CLI::Validator(check_pair, "NAME=VALUE"));
  add_for(add("snooze", "say nothing before, unless it becomes worse", true), "default: 1h");
  add("unsnooze", "end a snooze", true);
  add("unack", "take an acknowledgement back: it escalates again", true);
  CLI::App* merge = add("merge", "tell an incident as a part of another", true);
  merge->add_option("into", options.value, "the other incident")->required();
  add("unmerge", "make a part an incident of its own again", true);
  CLI::App* note = add("note", "add a line to the timeline", true);
  note->get_option("--message")->required();
  CLI::App* severity = add("severity", "set the severity by hand", true);
  severity->add_option("severity", options.value, "critical, high, medium or low")
      ->check(severities)
      ->required();
  CLI::App* owner = add("owner", "say who leads; default: you", true);
  owner->add_option("owner", options.value, "name of the person");
  add_for(add("mitigate", "the impact is over; acknowledges too", true),
          "as of ack: escalate again after this time");
  add("review", "it was looked at afterwards", true);
  add("resolve", "close it, as `tocsin resolve`", true);
}

void add_oncall(Program& program) {
  CLI::App* oncall = program.app.add_subcommand("oncall", "who is on call: now, shifts, override");
  oncall->require_subcommand(1);
  OnCallOptions& options = program.oncall;
  CLI::App* now = oncall->add_subcommand("now", "who is on call, until when, and who then");
  now->add_option("--at", options.from, "RFC 3339 instead of now");
  CLI::App* shifts = oncall->add_subcommand("shifts", "the coming shifts, gaps in red");
  shifts->add_option("schedule", options.schedule, "only this one");
  shifts->add_option("--from", options.from, "RFC 3339; default: now");
  shifts->add_option("--to", options.to, "RFC 3339; default: four weeks later");
  CLI::App* put = oncall->add_subcommand("override", "put somebody else on call for a time");
  put->add_option("schedule", options.schedule, "name of the schedule")->required();
  put->add_option("person", options.person, "who; ada+ben: together")->required();
  put->add_option("--from", options.from, "RFC 3339; default: now");
  CLI::Option* to = put->add_option("--to", options.to, "RFC 3339");
  put->add_option("--for", options.hold, "instead of --to")
      ->check(CLI::Validator(check_duration, "DURATION"))
      ->excludes(to);
  put->add_option("-m,--message", options.message, "why");
  put->add_option("--by", options.by, "who does this; default: you");
  CLI::App* remove = oncall->add_subcommand("remove", "take an override back");
  remove->add_option("id", options.id, "as `override` printed it")->required();
  remove->add_option("--by", options.by, "who does this; default: you");

  CLI::App* change = program.app.add_subcommand("change", "announce a change, such as a deploy");
  change->require_subcommand(1);
  ChangeOptions& what = program.change;
  CLI::App* add = change->add_subcommand("add", "incidents that open soon after list it");
  add->add_option("text", what.text, "what changed");
  add->add_option("--service", what.service, "only incidents of this service");
  add->add_option("--version", what.version, "of the service");
  add->add_option("--author", what.author, "who changed it; default: --by");
  add->add_option("--link", what.link, "where to read about it");
  add->add_option("--at", what.at, "RFC 3339; default: now");
  add->add_option("--by", what.by, "who announces it; default: you");
  change->add_subcommand("list", "the changes of the last week");
}

OnCallOptions oncall_of(const Program& program, const std::string& action) {
  OnCallOptions options = program.oncall;
  options.action = action == "shifts"     ? OnCallOptions::Action::Shifts
                   : action == "override" ? OnCallOptions::Action::Override
                   : action == "remove"   ? OnCallOptions::Action::Remove
                                          : OnCallOptions::Action::Now;
  return options;
}

std::unique_ptr<Program> make_program() {
  auto program = std::make_unique<Program>();
  add_global_options(*program);
  add_reading_commands(*program);
  add_top(*program);
  add_changing_commands(*program);
  add_channel_commands(*program);
  add_incident_actions(*program);
  add_oncall(*program);
  add_report_commands(program->app, program->reports);
  add_backup_commands(program->app, program->backups);
  add_audit_commands(program->app, program->audit);
  add_rules_commands(program->app, program->rules);
  return program;
}

Command chosen(const Program& program) {
  const CLI::App* command = program.app.get_subcommands().front();
  const std::string& name = command->get_name();
  if (name == "query") return program.query;
  if (name == "alerts") return program.alerts;
  if (name == "tasks") return program.tasks;
  if (name == "incidents") return program.incidents;
  if (name == "ack") return program.ack;
  if (name == "resolve") return program.resolve;
  if (name == "incident") {
    IncidentActionOptions options = program.incident;
    options.action = command->get_subcommands().front()->get_name();
    return options;
  }
  if (name == "oncall") {
    return oncall_of(program, command->get_subcommands().front()->get_name());
  }
  if (name == "change") {
    ChangeOptions options = program.change;
    options.list = command->get_subcommands().front()->get_name() == "list";
    return options;
  }
  if (auto report = report_command(program.reports, *command)) return std::move(*report);
  if (auto backup = backup_command(program.backups, *command)) return std::move(*backup);
  if (auto audit = audit_command(program.audit, *command)) return std::move(*audit);
  if (auto rules = rules_command(program.rules, *command)) return std::move(*rules);
  if (name == "send-test") return program.send_test;
  if (name == "channels") return program.channels;
  if (name == "channel") {
    if (command->get_subcommands().front()->get_name() == "test") return program.send_test;
    return program.channel_preview;
  }
  if (name == "drill") return program.drill;
  if (name == "top") return program.top;
  if (name == "completion") return program.completion;
  if (name == "agent") {
    const std::string& action = command->get_subcommands().front()->get_name();
    if (action == "add") return program.agent_add;
    if (action == "remove") return program.agent_remove;
    return program.agent_list;
  }
  return StatusOptions{};
}

/// The first argument that is neither option nor the value of one, from `begin`.
const std::string* first_word(const std::vector<std::string>& arguments, std::size_t begin) {
  constexpr const char* kWithValue[] = {"--server", "--token-file", "--ca-file", "-o",
                                        "--output", "--color",      "--timeout"};
  for (std::size_t i = begin; i < arguments.size(); ++i) {
    if (!arguments[i].starts_with('-')) return &arguments[i];
    const bool takes_value = std::find(std::begin(kWithValue), std::end(kWithValue),
                                       arguments[i]) != std::end(kWithValue);
    if (takes_value) ++i;
  }
  return nullptr;
}

/// "unknown command 'quer'; did you mean 'query'?" if that is what is wrong, else "".
std::string explain_unknown(const std::vector<std::string>& arguments, const CLI::App& app) {
  const CLI::App* level = &app;
  std::size_t begin = 0;
  while (const std::string* word = first_word(arguments, begin)) {
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* command : level->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(command->get_name());
      if (command->get_name() == *word) next = command;
    }
    if (names.empty()) return "";
    if (next == nullptr) {
      const auto near = base::closest(*word, names);
      return fmt::format("unknown command '{}'{}", base::escape_control(*word),
                         near ? fmt::format("; did you mean '{}'?", *near)
                              : "; known: " + base::join(names, ", "));
    }
    level = next;
    begin = static_cast<std::size_t>(word - arguments.data()) + 1;
  }
  return "";
}

Parsed usage_error(const std::string& message) {
  return Parsed{std::nullopt, kUsage, "",
                fmt::format("tocsin: {}\nRun 'tocsin --help' for the commands.\n", message)};
}

}  // namespace

Parsed parse_arguments(const std::vector<std::string>& arguments, const Defaults& defaults) {
  const std::unique_ptr<Program> program = make_program();
  if (!defaults.server.empty()) program->global.server = defaults.server;
  program->global.token_file = defaults.token_file;
  program->global.ca_file = defaults.ca_file;
  program->ack.by = defaults.person;
  program->resolve.by = defaults.person;
  program->incident.by = defaults.person;
  program->oncall.by = defaults.person;
  program->change.by = defaults.person;
  program->reports.set_person(defaults.person);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    program->app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      std::ostringstream out;
      std::ostringstream err;
      program->app.exit(error, out, err);
      return Parsed{std::nullopt, kOk, out.str(), err.str()};
    }
    if (arguments.empty()) {
      return Parsed{std::nullopt, kUsage, "", program->app.help()};
    }
    const std::string unknown = explain_unknown(arguments, program->app);
    return usage_error(unknown.empty() ? base::escape_control(error.what()) : unknown);
  }
  program->query.csv = program->query_format == "csv";
  if (!program->query_format.empty()) program->output = program->query_format;
  program->global.output = program->output == "json"   ? OutputFormat::Json
                           : program->output == "wide" ? OutputFormat::Wide
                                                       : OutputFormat::Table;
  program->global.color = program->color == "always"  ? ColorMode::Always
                          : program->color == "never" ? ColorMode::Never
                                                      : ColorMode::Auto;
  program->global.timeout = *base::parse_duration(program->timeout);
  Command command = chosen(*program);
  const auto* check = std::get_if<CheckOptions>(&command);
  if (const auto* backup = std::get_if<BackupOptions>(&command); backup && backup->path.empty()) {
    return usage_error("backup: name where to, for example: tocsin backup --to /backup/today.tar");
  }
  if (check != nullptr && check->paths.empty() && !check->list) {
    return usage_error("check: name files or folders, for example: tocsin check /etc/tocsin/rules");
  }
  return Parsed{Invocation{program->global, std::move(command)}, kOk, "", ""};
}

std::map<std::string, std::vector<std::string>> command_table() {
  const std::unique_ptr<Program> program = make_program();
  std::map<std::string, std::vector<std::string>> table;
  const auto every = [](const CLI::App*) { return true; };
  const auto options_of = [](const CLI::App& app) {
    std::vector<std::string> options;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    return options;
  };
  table[""] = options_of(program->app);
  for (const CLI::App* command : program->app.get_subcommands(every)) {
    table[command->get_name()] = options_of(*command);
    for (const CLI::App* inner : command->get_subcommands(every)) {
      table[command->get_name() + " " + inner->get_name()] = options_of(*inner);
    }
  }
  return table;
}

}  // namespace tocsin::cli
