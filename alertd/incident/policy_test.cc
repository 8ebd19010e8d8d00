#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/incident/policy_config.h"
#include "alertd/oncall/directory_config.h"
#include "common/base/file_system.h"
#include "common/config/toml.h"

namespace tocsin::incident {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

struct Loaded {
  Policies policies;
  std::string errors;  ///< "line:column: message [hint]" of each, one a line.
};

Loaded load(const std::string& text) {
  const auto files = base::make_real_file_system();
  const config::Source source{"alertd.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  const std::map<std::string, std::vector<std::string>> receivers{{"chat", {"slack", "mail"}},
                                                                  {"ada", {"phone"}}};
  const auto directory = oncall::read_directory(root, std::vector<std::string>{"chat", "ada"});
  Loaded loaded;
  loaded.policies = read_policies(root, directory, receivers);
  root.finish();
  for (const auto& each : diagnostics) {
    loaded.errors += fmt::format("{}:{}: {}{}\n", each.line, each.column, each.message,
                                 each.hint.empty() ? "" : " [" + each.hint + "]");
  }
  return loaded;
}

const std::string kPerson = "[[person]]\nname = \"ada\"\nreceiver = \"ada\"\n";
const std::string kSchedule =
    "[[schedule]]\nname = \"primary\"\n[[schedule.layer]]\npersons = \"ada\"\n"
    "start = \"2026-01-05T00:00\"\n";

std::string policy_error(const std::string& lines) {
  return load(kPerson + "[[policy]]\nname = \"p\"\n" + lines).errors;
}

TEST_CASE("policies are read") {
  const Loaded loaded = load(kPerson + R"([policies]
critical = "page"
[[policy]]
name = "page"
time_zone = "Europe/Berlin"
fallback = "receiver:chat/mail"
repeat = { times = 3, every = "10m", then = "1h" }
[[policy.step]]
notify = ["person:ada", "route"]
important = true
[[policy.step]]
after = "5m"
notify = "receiver:chat/slack"
hours = ["09:00-12:00", "13:00-17:00"]
weekdays = "mon-fri"
outside_hours = "skip"
severity = "high"
alerts_min = 3
within = "10m"
[[policy]]
name = "daily"
digest = "09:00"
[[policy.step]]
notify = "route"
)");
  CHECK(loaded.errors == "");
  const Policy& page = loaded.policies.by_name.at("page");
  CHECK(page.steps.size() == 2);
  CHECK(page.steps[0].important);
  CHECK(page.steps[1].hours.size() == 2);
  CHECK(page.steps[1].skip_outside);
  CHECK(page.steps[1].severity_min == model::Severity::High);
  CHECK(page.steps[1].within == minutes(10));
  CHECK(page.loops == 3);
  CHECK(page.fallback.front().to_string() == "receiver:chat/mail");
  CHECK(loaded.policies.by_name.at("daily").digest == minutes(9 * 60));
  CHECK(loaded.policies.choose("", model::Severity::Critical) == &page);
  CHECK(loaded.policies.choose("", model::Severity::High) == nullptr);
  CHECK(loaded.policies.choose("daily", model::Severity::High)->name == "daily");
  CHECK(loaded.policies.choose("gone", model::Severity::High) == nullptr);
}

TEST_CASE("mistakes in policies are named with their place") {
  CHECK(policy_error("").find("policy 'p' is empty: nobody would be told [add a [[policy.step]]") !=
        std::string::npos);
  const std::string step = "[[policy.step]]\n";
  CHECK(policy_error(step).find("the step tells nobody") != std::string::npos);
  CHECK(policy_error(step + "notify = []\n").find("7:10: the step tells nobody") == 0);
  CHECK(policy_error(step + "notify = \"ada\"\n").find("7:10: 'ada' is no target") == 0);
  CHECK(policy_error(step + "notify = \"person:adda\"\n") ==
        "7:10: there is no person 'adda' [did you mean 'ada'?]\n");
  CHECK(policy_error(step + "notify = \"schedule:x\"\n").find("there is no schedule 'x'") !=
        std::string::npos);
  CHECK(policy_error(step + "notify = \"team:x\"\n").find("there is no team 'x'") !=
        std::string::npos);
  CHECK(policy_error(step + "notify = \"receiver:chat/sms\"\n") ==
        "7:10: receiver 'chat' has no channel 'sms' [it has slack, mail]\n");
  CHECK(policy_error(step + "notify = [\"route\", \"route\"]\n")
            .find("7:10: 'route' is named twice") == 0);
  const std::string good = step + "notify = \"route\"\n";
  CHECK(policy_error(good + "after = \"8d\"\n").find("8:9: must be at most 7d") == 0);
  CHECK(policy_error(good + "hours = \"9-5\"\n").find("8:9: ") == 0);
  CHECK(policy_error(good + "weekdays = \"x\"\n").find("8:12: 'x' are no days") == 0);
  CHECK(policy_error(good + "outside_hours = \"skip\"\n").find("8:17: the step has no hours") == 0);
  CHECK(policy_error(good + "within = \"5m\"\n").find("8:10: 'within' belongs to alerts_min") == 0);
  CHECK(policy_error(good + "severity = \"bad\"\n").find("8:12: 'bad' is none of") == 0);
  CHECK(policy_error(good + "befor = 1\n").find("unknown key 'befor'") != std::string::npos);
  CHECK(policy_error("digest = \"noon\"\n" + good).find("6:10: 'noon' is not a time of the day") ==
        0);
  CHECK(policy_error("digest = \"09:00\"\n" + good + good).find("6:10: a policy with a digest") ==
        0);
  CHECK(policy_error("time_zone = \"Mars\"\n" + good).find("6:13: time zone 'Mars'") == 0);
  CHECK(
      policy_error("repeat = { times = 1, every = \"1s\" }\n" + good).find("must be at least 1m") !=
      std::string::npos);
  CHECK(policy_error("fallback = \"person:x\"\n" + good).find("6:12: there is no person 'x'") == 0);
  CHECK(
      policy_error(good + "[[policy]]\nname = \"p\"\n" + good).find("two policies are named 'p'") !=
      std::string::npos);
  CHECK(policy_error(good + "[policies]\nhigh = \"q\"\n").find("9:8: there is no policy 'q'") == 0);
}

TEST_CASE("without policies, but with persons and a schedule, there are some") {
  const Policies policies =
      load(kPerson + "[[person]]\nname = \"lead\"\nreceiver = \"chat\"\n" + kSchedule).policies;
  const Policy* critical = policies.choose("", model::Severity::Critical);
  REQUIRE(critical);
  REQUIRE(critical->steps.size() == 2);
  CHECK(critical->steps[0].notify[0].to_string() == "schedule:primary");
  CHECK(critical->steps[0].notify[1].to_string() == "route");
  CHECK(critical->steps[1].notify[0].to_string() == "person:lead");
  CHECK(critical->loops == 3);
  CHECK(policies.choose("", model::Severity::Low)->digest == minutes(9 * 60));
  CHECK(policies.choose("", model::Severity::Medium)->steps.back().hours.size() == 1);
  // An empty table says: none. So does a file without persons.
  CHECK(load(kPerson + "[policies]\n").policies.choose("", model::Severity::Critical) == nullptr);
  CHECK(load("").policies.choose("", model::Severity::Critical) == nullptr);
}

TEST_CASE("after the last step: loops, then reminders; Critical at least hourly") {
  Policy policy;
  policy.loops = 2;
  policy.loop_every = minutes(7);
  CHECK(policy.after_last(0, model::Severity::High) == minutes(7));
  CHECK(policy.after_last(2, model::Severity::High) == std::nullopt);
  CHECK(policy.after_last(2, model::Severity::Critical) == hours(1));
  policy.then = hours(3);
  CHECK(policy.after_last(2, model::Severity::Critical) == hours(3));
}

}  // namespace
}  // namespace tocsin::incident
