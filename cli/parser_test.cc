#include "cli/parser.h"

#include <doctest/doctest.h>

#include "cli/commands.h"

namespace tocsin::cli {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("commands and options") {
  const Defaults defaults{"http://env:1", "", "", "ann"};
  auto parsed = parse_arguments({"query", "up{a=\"b\"}", "--time", "12"}, defaults);
  REQUIRE(parsed.invocation);
  CHECK(parsed.invocation->global.server == "http://env:1");
  CHECK(parsed.invocation->global.timeout == base::Duration{10'000});
  CHECK(std::get<QueryOptions>(parsed.invocation->command).expr == "up{a=\"b\"}");
  CHECK(std::get<QueryOptions>(parsed.invocation->command).time == "12");

  parsed =
      parse_arguments({"query", "up", "--start", "-1h", "--step", "1m", "-o", "csv"}, defaults);
  REQUIRE(parsed.invocation);
  const auto range = std::get<QueryOptions>(parsed.invocation->command);
  CHECK(range.start == "-1h");
  CHECK(range.step == "1m");
  CHECK(range.csv);
  parsed = parse_arguments({"-o", "json", "query", "up"}, defaults);
  REQUIRE(parsed.invocation);
  CHECK(parsed.invocation->global.output == OutputFormat::Json);
  CHECK_FALSE(parse_arguments({"query", "up", "--step", "1m"}, defaults).invocation);
  CHECK_FALSE(parse_arguments({"query", "up", "--time", "1", "--start", "1"}, defaults).invocation);

  parsed = parse_arguments({"--server", "https://a", "ack", "1042", "-m", "on it", "--for", "2h",
                            "-o", "json", "--timeout", "3s"},
                           defaults);
  REQUIRE(parsed.invocation);
  CHECK(parsed.invocation->global.server == "https://a");
  CHECK(parsed.invocation->global.output == OutputFormat::Json);
  CHECK(parsed.invocation->global.timeout == base::Duration{3'000});
  const auto ack = std::get<AckOptions>(parsed.invocation->command);
  CHECK(ack.id == "1042");
  CHECK(ack.by == "ann");
  CHECK(ack.message == "on it");
  CHECK(ack.hold == "2h");

  parsed = parse_arguments({"incident", "snooze", "T-1", "--for", "2h"}, defaults);
  REQUIRE(parsed.invocation);
  const auto snooze = std::get<IncidentActionOptions>(parsed.invocation->command);
  CHECK(snooze.action == "snooze");
  CHECK(snooze.id == "T-1");
  CHECK(snooze.by == "ann");
  CHECK(snooze.hold == "2h");
  parsed = parse_arguments({"oncall", "override", "primary", "ben", "--for", "1h"}, defaults);
  REQUIRE(parsed.invocation);
  CHECK(std::get<OnCallOptions>(parsed.invocation->command).person == "ben");
  CHECK_FALSE(parse_arguments({"incident", "note", "T-1"}, defaults).invocation);
  CHECK_FALSE(parse_arguments({"incident", "severity", "T-1", "bad"}, defaults).invocation);

  parsed = parse_arguments({"agent", "add", "db1", "-l", "env=prod", "-l", "a=b=c"}, defaults);
  REQUIRE(parsed.invocation);
  const auto agent = std::get<AgentOptions>(parsed.invocation->command);
  CHECK(agent.action == AgentOptions::Action::Add);
  CHECK(agent.labels == std::vector<std::string>{"env=prod", "a=b=c"});

  parsed = parse_arguments({"check", "a.toml", "rules"}, defaults);
  REQUIRE(parsed.invocation);
  CHECK(std::get<CheckOptions>(parsed.invocation->command).paths ==
        std::vector<std::string>{"a.toml", "rules"});

  parsed = parse_arguments({"check", "--allow", "a-b", "--allow", "c", "-o", "sarif", "--strict",
                            "--scrape-interval", "1m", "rules"},
                           defaults);
  REQUIRE(parsed.invocation);
  const auto check = std::get<CheckOptions>(parsed.invocation->command);
  CHECK(check.allow == std::vector<std::string>{"a-b", "c"});
  CHECK(check.paths == std::vector<std::string>{"rules"});
  CHECK(check.format == CheckOptions::Format::Sarif);
  CHECK(check.strict);
  CHECK(check.scrape_interval == std::chrono::minutes(1));
  CHECK(parse_arguments({"check"}, defaults).exit_code == kUsage);
  CHECK(parse_arguments({"check", "--list"}, defaults).invocation);
  CHECK(parse_arguments({"check", "--against", "http://x", "--inventory", "f", "r"}, defaults)
            .exit_code == kUsage);
}

TEST_CASE("a mistyped command is explained") {
  const auto error = [](const std::vector<std::string>& arguments) {
    const Parsed parsed = parse_arguments(arguments, {});
    CHECK_FALSE(parsed.invocation);
    CHECK(parsed.exit_code == kUsage);
    CHECK(parsed.out.empty());
    return parsed.err;
  };
  CHECK(has(error({"quer", "up"}), "unknown command 'quer'; did you mean 'query'?"));
  CHECK(has(error({"--server", "x", "incidnets"}), "did you mean 'incidents'?"));
  CHECK(has(error({"agent", "lsit"}), "did you mean 'list'?"));
  CHECK(has(error({"zzzzzz"}), "known: "));
  CHECK(has(error({"a\x1b[31m"}), "\\x1b"));
  CHECK(has(error({"ack"}), "id"));
  CHECK(has(error({"status", "--nonsense"}), "--nonsense"));
  CHECK(has(error({"-o", "xml", "status"}), "xml"));
  CHECK(has(error({"--timeout", "0", "status"}), "greater than"));
  CHECK(has(error({"--timeout", "soon", "status"}), "timeout"));
  CHECK(has(error({"alerts", "-l", "=x"}), "name=value"));
  CHECK(has(error({"completion", "csh"}), "csh"));
  CHECK(has(error({}), "Exit codes:"));
}

TEST_CASE("help and version are no errors") {
  Parsed parsed = parse_arguments({"--help"}, {});
  CHECK(parsed.exit_code == kOk);
  CHECK(has(parsed.out, "Exit codes:"));
  CHECK(has(parsed.out, "send-test"));
  parsed = parse_arguments({"ack", "--help"}, {});
  CHECK(parsed.exit_code == kOk);
  CHECK(has(parsed.out, "--for"));
  parsed = parse_arguments({"--version"}, {});
  CHECK(parsed.out == "tocsin " TOCSIN_VERSION "\n");
}

TEST_CASE("completion scripts know every command and option") {
  const auto table = command_table();
  CHECK(table.contains("agent remove"));
  for (const char* shell : {"bash", "zsh", "fish"}) {
    CAPTURE(shell);
    const std::string script = completion_script(shell);
    for (const auto& [command, options] : table) {
      CHECK(has(script, command.substr(command.find(' ') + 1)));
      for (const std::string& option : options) {
        CHECK(has(script, std::string(shell) == "fish" ? "-l " + option.substr(2) : option));
      }
    }
    CHECK(has(script, "tocsin incidents --ids"));
    CHECK_FALSE(has(script, "{{"));
  }
  CHECK(has(completion_script("bash"), "complete -o filenames -F _tocsin tocsin\n"));
  CHECK(completion_script("zsh").starts_with("#compdef tocsin\n"));
}

}  // namespace
}  // namespace tocsin::cli
