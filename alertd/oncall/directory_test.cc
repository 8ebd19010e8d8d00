#include <doctest/doctest.h>

#include "alertd/oncall/directory_config.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::oncall {
namespace {

using base::WallTime;

WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

constexpr std::string_view kPersons = R"([[person]]
name = "ada"
time_zone = "Europe/Berlin"
receiver = "ada"
important_receiver = "phone"
[[person]]
name = "ben"
receiver = "ben"
)";

struct Loaded {
  Directory directory;
  std::string errors;  ///< "line:column: message" of each, one a line.
};

Loaded load(std::string_view text, const base::FileSystem* given = nullptr) {
  const auto real = base::make_real_file_system();
  config::Source source{"alertd.toml", std::string(text)};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Context context{source, diagnostics, given ? *given : *real};
  config::Table root(context, &document);
  Loaded loaded;
  loaded.directory = read_directory(root, std::vector<std::string>{"ada", "ben", "phone", "ops"});
  root.finish();
  for (const base::Diagnostic& each : diagnostics) {
    loaded.errors += std::to_string(each.line) + ":" + std::to_string(each.column) + ": " +
                     each.message + (each.hint.empty() ? "" : " [" + each.hint + "]") + "\n";
  }
  return loaded;
}

std::string errors(const std::string& more) {
  return load(std::string(kPersons) + more).errors;
}

TEST_CASE("persons, teams and schedules are read") {
  const Loaded loaded = load(std::string(kPersons) + R"([[team]]
name = "dba"
persons = ["ben", "ada"]
[[schedule]]
name = "primary"
time_zone = "Europe/Berlin"
handover_notice = "15m"
[[schedule.layer]]
persons = ["ada", "ben", "ada+ben"]
rotation = "daily"
start = 2026-01-05T09:00:00
hours = ["08:00-12:00", "13:00-20:00"]
weekdays = "mon-fri"
[[schedule.override]]
person = "ben"
from = "2026-12-24T12:00"
to = "2026-12-25T00:00:00Z"
comment = "swap"
)");
  CHECK(loaded.errors == "");
  const Directory& directory = loaded.directory;
  CHECK(directory.persons.at("ada").zone.name() == "Europe/Berlin");
  CHECK(directory.persons.at("ada").important_receiver == "phone");
  CHECK(directory.persons.at("ben").zone == timezone::Zone());
  CHECK(directory.teams.at("dba").persons == std::vector<std::string>{"ada", "ben"});
  const Schedule& schedule = directory.schedules.at("primary");
  CHECK(schedule.notice == std::chrono::minutes(15));
  CHECK(schedule.layers.front().rotation.turns.size() == 3);
  CHECK(schedule.layers.front().rotation.length == std::chrono::hours(24));
  CHECK(schedule.layers.front().hours.size() == 2);
  CHECK(schedule.overrides.front().begin == at("2026-12-24T11:00:00Z"));
  CHECK(schedule.overrides.front().comment == "swap");
  CHECK(who(schedule, at("2026-01-07T09:00:00Z")).persons ==
        std::vector<std::string>{"ada", "ben"});
}

TEST_CASE("mistakes are named with their place") {
  CHECK(errors("[[team]]\nname = \"x\"\npersons = [\"adda\"]\n") ==
        "11:11: there is no person 'adda' [did you mean 'ada'?]\n");
  CHECK(errors("[[team]]\nname = \"x\"\npersons = []\n") ==
        "11:11: team 'x' is empty [name its persons: persons = [\"ada\", \"ben\"]]\n");
  CHECK(errors("[[person]]\nname = \"cleo\"\nreceiver = \"opps\"\n") ==
        "11:12: there is no receiver 'opps' [did you mean 'ops'?]\n");
  CHECK(errors("[[person]]\nname = \"ada\"\nreceiver = \"ops\"\n") ==
        "10:8: two persons are named 'ada'\n");
  CHECK(errors("[[person]]\nname = \"a:b\"\nreceiver = \"ops\"\n").find("is no name of a person") !=
        std::string::npos);
  CHECK(errors("[[person]]\nname = \"cleo\"\nreceiver = \"ops\"\ntime_zone = \"Europe/Bern\"\n")
            .find("12:13: time zone 'Europe/Bern' is not known") == 0);
  CHECK(errors("[[schedule]]\nname = \"p\"\n").find("schedule 'p' has nobody") !=
        std::string::npos);
  const std::string layer =
      "[[schedule]]\nname = \"p\"\n[[schedule.layer]]\nstart = \"2026-01-05T09:00\"\n";
  CHECK(errors(layer + "persons = []\n").find("13:11: layer 'layer 1' has nobody") == 0);
  CHECK(errors(layer + "persons = \"ada\"\nrotation = \"0s\"\n")
            .find("14:12: a turn of 0s is not possible") == 0);
  CHECK(errors(layer + "persons = \"ada\"\nrotation = \"90m\"\n").find("14:12: a turn of 90m") ==
        0);
  CHECK(errors(layer + "persons = \"ada\"\nrotation = \"often\"\n")
            .find("14:12: 'often' is no rotation") == 0);
  CHECK(errors(layer + "persons = \"ada\"\nhours = \"9-17\"\n").find("14:9: ") == 0);
  CHECK(errors(layer + "persons = \"ada\"\nweekdays = \"monday\"\n")
            .find("14:12: 'monday' are no days") == 0);
  CHECK(errors(layer + "persons = \"ada\"\nholidays = \"suppress\"\n")
            .find("14:12: the schedule has no calendar of holidays") == 0);
  CHECK(errors(layer + "persons = \"ada\"\n[[schedule.override]]\nperson = \"ben\"\n"
                       "from = \"2026-01-02T00:00\"\nto = \"2026-01-01T00:00\"\n")
            .find("the override ends before it begins") != std::string::npos);
  CHECK(errors(layer + "persons = \"ada\"\nstrat = 1\n").find("unknown key 'strat'") !=
        std::string::npos);
  CHECK(errors("[[schedule]]\nname = \"p\"\nholidays = \"/nonexistent.ics\"\n")
            .find("11:12: '/nonexistent.ics' cannot be read") == 0);
}

TEST_CASE("gaps of the next weeks are warnings at the schedule") {
  const Loaded loaded = load(std::string(kPersons) + R"([[schedule]]
name = "office"
[[schedule.layer]]
persons = "ada"
start = "2026-01-05T00:00"
hours = "00:00-23:00"
)");
  CHECK(loaded.errors == "");
  base::Diagnostics warnings;
  const WallTime from = at("2026-01-06T00:00:00Z");
  warn_of_gaps(loaded.directory, "alertd.toml", from, from + kGapHorizon, warnings);
  REQUIRE(warnings.size() == 5);
  CHECK(warnings[0].line == 9);
  CHECK(warnings[0].severity == base::DiagnosticSeverity::Warning);
  CHECK(warnings[0].message ==
        "schedule 'office': nobody is on call from 2026-01-06 23:00 UTC to 2026-01-07 00:00 UTC");
  CHECK(warnings[4].message.find("(and 23 more gaps)") != std::string::npos);
}

TEST_CASE("targets") {
  for (const char* text : {"person:ada", "team:dba", "schedule:primary", "receiver:chat",
                           "receiver:chat/slack", "route"}) {
    CHECK(parse_target(text).value().to_string() == text);
  }
  for (const char* text : {"", "ada", "person:", "receiver:/x", "receiver:chat/", "routes"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_target(text));
  }
}

TEST_CASE("targets become persons; overrides are put and taken away") {
  Directory directory = load(std::string(kPersons) + R"([[team]]
name = "dba"
persons = ["ada", "ben"]
[[schedule]]
name = "primary"
[[schedule.layer]]
persons = "ada"
start = "2026-01-05T00:00"
)")
                            .directory;
  const auto persons = [&](std::string_view target, std::string_view when) {
    std::string text;
    for (const auto& name : directory.persons_of(parse_target(target).value(), at(when)))
      text += name + " ";
    return text;
  };
  CHECK(persons("team:dba", "2026-01-06T00:00:00Z") == "ada ben ");
  CHECK(persons("schedule:primary", "2026-01-06T00:00:00Z") == "ada ");
  CHECK(persons("schedule:primary", "2026-01-01T00:00:00Z") == "");
  CHECK(persons("receiver:ops", "2026-01-06T00:00:00Z") == "");
  directory.put_override(
      {"7", "primary", {"ben"}, at("2026-01-06T00:00:00Z"), at("2026-01-07T00:00:00Z"), "ada", ""});
  CHECK(persons("schedule:primary", "2026-01-06T00:00:00Z") == "ben ");
  directory.put_override(
      {"7", "primary", {"ben"}, at("2026-01-06T12:00:00Z"), at("2026-01-07T00:00:00Z"), "ada", ""});
  CHECK(persons("schedule:primary", "2026-01-06T00:00:00Z") == "ada ");
  CHECK(directory.remove_override("primary", "7"));
  CHECK_FALSE(directory.remove_override("primary", "7"));
  CHECK(persons("schedule:primary", "2026-01-06T13:00:00Z") == "ada ");
}

}  // namespace
}  // namespace tocsin::oncall
