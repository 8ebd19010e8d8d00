#include "cli/rules_parser.h"

#include <CLI/CLI.hpp>

#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

/// A duration that may be nothing.
std::string check_span(const std::string& text) {
  const auto parsed = base::parse_duration(text);
  return parsed ? "" : parsed.error().message;
}

std::string check_percent(const std::string& text) {
  const auto number = base::parse_double(text);
  return number && *number >= 0 && *number <= 100 ? "" : "must be a number from 0 to 100";
}

void add_check(CLI::App& app, RulesCommands& commands) {
  CLI::App* check = app.add_subcommand(
      "check", "check configuration and rules: syntax, names, joins, templates, routes");
  CheckOptions& options = commands.check;
  check->add_option("path", options.paths, "files and folders");
  check->add_option("-o,--output", commands.check_format, "text, json, sarif or junit")
      ->check(CLI::IsMember({"text", "table", "json", "sarif", "junit"}))
      ->type_name("FORMAT");
  check->add_option("--against", options.against, "compare names with this running server")
      ->type_name("URL");
  check->add_option("--inventory", options.inventory_file, "compare names with a saved inventory")
      ->type_name("FILE")
      ->excludes("--against");
  check->add_option("--allow", options.allow, "leave out findings with this id; may be repeated")
      ->allow_extra_args(false)
      ->type_name("ID");
  check->add_option("--scrape-interval", commands.scrape_interval, "how often samples come")
      ->check(CLI::Validator(check_duration, "DURATION"))
      ->capture_default_str();
  check->add_flag("--strict", options.strict, "warnings make it fail too");
  check->add_flag("--load-only", options.load_only, "only what the daemon would refuse");
  check->add_flag("--list", options.list, "print all checks with their ids");

  CLI::App* inventory = app.add_subcommand(
      "inventory", "print which metrics, labels and values the server has, for check --inventory");
  inventory->add_option("--values", commands.inventory.values, "kept of each label")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

CheckOptions check_of(const RulesCommands& commands) {
  CheckOptions options = commands.check;
  options.scrape_interval = *base::parse_duration(commands.scrape_interval);
  const std::string& format = commands.check_format;
  options.format = format == "json"    ? CheckOptions::Format::Json
                   : format == "sarif" ? CheckOptions::Format::Sarif
                   : format == "junit" ? CheckOptions::Format::Junit
                                       : CheckOptions::Format::Text;
  return options;
}

void add_test(CLI::App& app, RulesCommands& commands) {
  CLI::App* test = app.add_subcommand(
      "test", "run tests of rules: ours (*.test) and Prometheus's unit-test files (*.yml)");
  TestOptions& options = commands.test;
  test->add_option("path", options.paths, "test files, and folders with everything below")
      ->required();
  test->add_option("-o,--output", commands.test_format, "text, json or junit")
      ->check(CLI::IsMember({"text", "table", "json", "junit"}))
      ->type_name("FORMAT");
  test->add_option("--run", options.run, "only tests with such a name; may be repeated")
      ->allow_extra_args(false)
      ->type_name("REGEX");
  test->add_flag("--ignore-unknown-fields", options.ignore_unknown_fields,
                 "keys that are not known are no errors");
  test->add_flag("--diff", options.diff, "show what is as expected too, beside what is not");
  test->add_flag("--coverage", options.coverage, "say which rules no test saw at work");
  test->add_option("--coverage-min", commands.coverage_min,
                   "fail if fewer percent of the rules are covered")
      ->check(CLI::Validator(check_percent, "PERCENT"));
}

TestOptions test_of(const RulesCommands& commands) {
  TestOptions options = commands.test;
  options.format = commands.test_format == "json"    ? TestOptions::Format::Json
                   : commands.test_format == "junit" ? TestOptions::Format::Junit
                                                     : TestOptions::Format::Text;
  options.coverage_min = base::parse_double(commands.coverage_min);
  return options;
}

void add_import(CLI::App& app, RulesCommands& commands) {
  CLI::App* import = app.add_subcommand("import", "convert files of other programs to ours");
  import->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, ImportOptions& options) {
    CLI::App* command = import->add_subcommand(name, what);
    command->add_option("file", options.files, "files to convert")->required();
    command->add_option("-o,--to", options.output, "folder to write to; -: stdout")
        ->capture_default_str();
    command->add_option("--severity", options.severities, "what a label's value means: ticket=low");
    command->add_flag("--force", options.force, "overwrite files that are there");
    return command;
  };
  add("prometheus", "rule files, PrometheusRule manifests, prometheus.yml",
      commands.import_prometheus)
      ->add_flag("--merge-levels", commands.import_prometheus.merge_levels,
                 "make alerts that differ only in threshold and severity one with levels");
  add("alertmanager", "alertmanager.yml: receivers and routes", commands.import_alertmanager);
}

void add_past(CLI::App& app, RulesCommands& commands) {
  CLI::App* backtest =
      app.add_subcommand("backtest", "say what rules would have done over the past");
  BacktestOptions& options = commands.backtest;
  backtest->add_option("rules", options.rules, "rule files and folders")->required();
  backtest->add_option("--from", options.from, "-24h, a date, RFC 3339 or unix seconds")
      ->capture_default_str();
  backtest->add_option("--to", options.to, "until then")->capture_default_str();
  backtest->add_option("--against", options.against, "take the past from this Prometheus")
      ->type_name("URL");
  backtest->add_option("--against-token-file", options.against_token_file, "token for it")
      ->type_name("FILE");
  backtest->add_option("--baseline", options.baseline,
                       "compare with these rule files, those of this URL, or none; default: those "
                       "that --server evaluates");
  backtest->add_option("--config", options.config, "alertd.toml: count pages by its routing")
      ->type_name("FILE");
  backtest->add_option("--step", commands.backtest_step, "instead of each group's interval")
      ->check(CLI::Validator(check_duration, "DURATION"));
  backtest
      ->add_option("--warm-up", commands.backtest_warm_up,
                   "evaluate so long before --from; default: the longest `for`")
      ->check(CLI::Validator(check_span, "DURATION"));
  backtest->add_option("--limit", options.limit, "firings to list; 0: all")->capture_default_str();

  CLI::App* explain = app.add_subcommand(
      "explain", "say why a rule fires or does not, or why nobody was called about an alert");
  explain->add_option("rule", commands.explain.name, "name of an alert or recording rule");
  explain->add_option("label", commands.explain.labels, "the label set asked about: name=value");
  explain->add_option("--expr", commands.explain.expr, "an expression instead of a rule");
  explain->add_option("--group", commands.explain.group, "if several groups have such a rule");
  explain->add_option("--labels", commands.explain.alert,
                      "why nobody was called about this alert: a=\"b\",c=\"d\"");
  explain->add_option("--incident", commands.explain.incident, "the same of an incident: T-1042");
  explain->add_option("--fingerprint", commands.explain.fingerprint, "the same of an alert");
  explain->add_option("--at", commands.explain.at, "-1h, a date, RFC 3339 or unix seconds")
      ->capture_default_str();
}

BacktestOptions backtest_of(const RulesCommands& commands) {
  BacktestOptions options = commands.backtest;
  if (const auto step = base::parse_duration(commands.backtest_step)) options.step = *step;
  if (const auto warm_up = base::parse_duration(commands.backtest_warm_up)) {
    options.warm_up = *warm_up;
  }
  return options;
}

}  // namespace

std::string check_duration(const std::string& text) {
  const auto parsed = base::parse_duration(text);
  if (!parsed) return parsed.error().message;
  return *parsed > base::Duration{0} ? "" : "must be greater than 0s";
}

void add_rules_commands(CLI::App& app, RulesCommands& commands) {
  add_check(app, commands);
  add_test(app, commands);
  add_import(app, commands);
  add_past(app, commands);
}

std::optional<Command> rules_command(const RulesCommands& commands, const CLI::App& chosen) {
  const std::string& name = chosen.get_name();
  if (name == "check") return check_of(commands);
  if (name == "inventory") return commands.inventory;
  if (name == "test") return test_of(commands);
  if (name == "backtest") return backtest_of(commands);
  if (name == "explain") return commands.explain;
  if (name == "import") {
    const bool rules = chosen.get_subcommands().front()->get_name() == "prometheus";
    return rules ? commands.import_prometheus : commands.import_alertmanager;
  }
  return std::nullopt;
}

}  // namespace tocsin::cli
