// Checks of rules as a whole, of routes, of files; and the comments that allow things.
#include "cli/lint/rule_checks.h"
#include "cli/lint/lint_test_support.h"

namespace tocsin::lint {
namespace {

using test::World;
using test::yaml_alert;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string toml_alert(const std::string& name, const std::string& more) {
  return "[[group.alert]]\nname = \"" + name +
         "\"\nexpr = 'x > 1'\nseverity = \"high\"\nsummary = \"s\"\n" +
         "runbook = \"https://example.org\"\n" + more + "\n";
}

const std::string kGroup = "[[group]]\nname = \"g\"\ninterval = \"15s\"\n\n";

TEST_CASE("an alert twice, in two files") {
  World world;
  world.write("/r/a.yml", yaml_alert("x > 1"));
  world.write("/r/b.yml", yaml_alert("x > 1"));
  const auto twice = world.check({"/r"});
  REQUIRE_MESSAGE(twice.ids() == std::vector<std::string>{"alert-duplicate"}, twice.text());
  CHECK(has(twice.text(), "/r/b.yml:4:"));
  CHECK(has(twice.text(), "also defined at /r/a.yml:4"));
  world.write("/r/b.yml", kGroup + toml_alert("B", ""));
  std::string other = yaml_alert("x>1");
  other.replace(other.find("alert: A"), 8, "alert: C");
  world.write("/r/b.yml", other);
  CHECK(world.check({"/r"}).ids() == std::vector<std::string>{"expr-duplicate"});
  other.replace(other.find("x>1"), 3, "x>2");
  world.write("/r/b.yml", other);
  CHECK(world.check({"/r"}).ids().empty());
}

TEST_CASE("the same alert twice in one group is the reader's to say") {
  World world;
  world.write("/r/a.toml", kGroup + toml_alert("A", "") + toml_alert("A", ""));
  CHECK(world.check({"/r/a.toml"}).has("rule-duplicate"));
}

TEST_CASE("severity, summary, runbook") {
  World world;
  world.write("/r/a.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x > 1\n");
  const auto bare = world.check({"/r/a.yml"});
  CHECK(bare.find("severity-missing")->level == Level::Warning);
  CHECK(bare.find("summary-missing")->level == Level::Warning);
  CHECK(bare.find("runbook-missing")->level == Level::Info);
  std::string text = yaml_alert("x > 1");
  text.replace(text.find("high"), 4, "soon");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).has("severity-unknown"));
  text = yaml_alert("x > 1");
  text.replace(text.find("https://example.org/a"), 21, "runbooks/a.md");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).has("runbook-missing"));
  REQUIRE(world.files.create_folders("/r/runbooks"));
  world.write("/r/runbooks/a.md", "# A");
  CHECK(world.check({"/r/a.yml"}).ids().empty());
  world.write("/r/b.toml", kGroup +
                               "[[group.alert]]\nname = \"B\"\nexpr = 'y > 1'\n"
                               "severity = \"low\"\nrunbook = \"none\"\n");
  const auto toml = world.check({"/r/b.toml"});
  CHECK(toml.find("runbook-missing")->level == Level::Error);  // named, and not there
  CHECK(toml.has("summary-missing"));
}

TEST_CASE("for and the interval") {
  World world;
  world.write("/r/a.toml", kGroup + toml_alert("A", "for = \"20s\""));
  const auto odd = world.check({"/r/a.toml"});
  REQUIRE_MESSAGE(odd.ids() == std::vector<std::string>{"for-interval"}, odd.text());
  CHECK(has(odd.text(), "it acts as 30s"));
  CHECK(odd.result.findings[0].line == 11);
  world.write("/r/a.toml", kGroup + toml_alert("A", "for = \"30s\""));
  CHECK(world.check({"/r/a.toml"}).ids().empty());
}

TEST_CASE("levels that the value cannot reach") {
  World world;
  world.write("/r/a.toml", kGroup +
                               "[[group.alert]]\nname = \"A\"\nvalue = 'up'\n"
                               "high = { above = 1 }\nsummary = \"s\"\nrunbook = \"https://x\"\n");
  const auto never = world.check({"/r/a.toml"});
  REQUIRE_MESSAGE(never.ids() == std::vector<std::string>{"comparison-never"}, never.text());
  CHECK(never.result.findings[0].line == 8);
  CHECK(has(never.text(), "the value is between 0 and 1"));
}

TEST_CASE("comments and options allow") {
  World world;
  const std::string bad = "x > bool 5";
  world.write("/r/a.yml", yaml_alert(bad));
  CHECK(world.check({"/r/a.yml"}).ids() == std::vector<std::string>{"alert-always"});
  LintOptions options;
  options.allowed = {"alert-always"};
  const auto allowed = world.check({"/r/a.yml"}, options);
  CHECK(allowed.ids().empty());
  CHECK(allowed.result.suppressed == 1);
  options.allowed = {"alert-alway"};
  CHECK(has(world.check({"/r/a.yml"}, options).text(), "did you mean 'alert-always'?"));

  std::string text = yaml_alert(bad);
  text.insert(text.find("  - alert"), "  # tocsin: allow alert-always, range-short\n");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).ids().empty());
  // Within the rule, and with a reason.
  text = yaml_alert(bad, "text", "      # tocsin: allow alert-always because it is a test\n");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).ids().empty());
  // Of another rule: not this one's.
  text = yaml_alert("y > 1") + yaml_alert(bad).substr(yaml_alert(bad).find("  - alert"));
  text.replace(text.rfind("alert: A"), 8, "alert: B");
  text.insert(text.find("  - alert"), "  # tocsin: allow alert-always\n");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).ids() == std::vector<std::string>{"alert-always"});
  // Above the first rule's own comments: the whole file.
  text.insert(0, "# tocsin: allow alert-always\n\n");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).ids().empty());
  world.write("/r/a.yml", "# tocsin: allow nonsense\n" + yaml_alert("y > 1"));
  CHECK(world.check({"/r/a.yml"}).ids() == std::vector<std::string>{"allow-unknown"});
}

TEST_CASE("allowances are read from comments only") {
  const auto found =
      find_allowances("a = 1 # tocsin: allow x, y-z done\n\"tocsin: allow q\"\n", {});
  REQUIRE(found.size() == 2);
  CHECK(found[0].id == "x");
  CHECK(found[1].id == "y-z");
  CHECK(found[0].first == 0);
}

const std::string kReceivers =
    "[rules]\npaths = [\"/r/rules\"]\n"
    "[[receiver]]\nname = \"a\"\n[[receiver.webhook]]\nname = \"h\"\nurl = \"https://a\"\n"
    "[[receiver]]\nname = \"b\"\n[[receiver.webhook]]\nname = \"h\"\nurl = \"https://b\"\n"
    "[route]\nreceiver = \"a\"\n";

test::Outcome routes(const std::string& text) {
  World world;
  REQUIRE(world.files.create_folders("/r/rules"));
  world.write("/r/rules/a.yml", yaml_alert("x > 1"));
  world.write("/r/alertd.toml", kReceivers + text);
  return world.check({"/r/alertd.toml"});
}

TEST_CASE("routes that nothing reaches") {
  const auto route = [](const std::string& matchers, const std::string& more = "") {
    return "[[route.routes]]\nmatchers = [" + matchers + "]\nreceiver = \"b\"\n" + more;
  };
  CHECK(routes(route("'team=\"x\"'")).ids().empty());
  CHECK(routes(route("'team=~\"x|y\"'") + route("'team=\"x\"', 'host=\"h\"'")).ids() ==
        std::vector<std::string>{"route-unreachable"});
  CHECK(
      routes(route("'team=~\"x|y\"'", "continue = true\n") + route("'team=\"x\"'")).ids().empty());
  CHECK(routes(route("'team=\"x\"'") + route("'team=~\"x|y\"'")).ids().empty());
  CHECK(routes(route("'team=~\"x.*\"'") + route("'team=~\"xa|xb\"'")).has("route-unreachable"));
  CHECK(routes(route("'team=\"x\"'") + "[[route.routes.routes]]\nmatchers = ['team=\"y\"']\n")
            .has("route-unreachable"));
  CHECK(routes(route("'severity=\"page\"'")).has("route-severity"));
  CHECK(routes("").ids() == std::vector<std::string>{"receiver-unused"});
  CHECK(routes(route("'team=\"x\"'", "receiver = 7\n")).has("config"));
}

TEST_CASE("severities that no route takes") {
  const auto unrouted = routes(
      "[[route.routes]]\nmatchers = ['severity=\"critical\"']\n"
      "receiver = \"b\"\n");
  REQUIRE_MESSAGE(unrouted.ids() == std::vector<std::string>{"severity-unrouted"}, unrouted.text());
  CHECK(has(unrouted.text(), "/r/rules/a.yml:7:"));
  CHECK(routes("[[route.routes]]\nmatchers = ['severity=~\"critical|high\"']\nreceiver = \"b\"\n")
            .ids()
            .empty());
  // A route by another label takes what it may take.
  CHECK(routes("[[route.routes]]\nmatchers = ['severity=\"critical\"']\nreceiver = \"b\"\n"
               "[[route.routes]]\nmatchers = ['team=\"x\"']\nreceiver = \"b\"\n")
            .ids()
            .empty());
}

TEST_CASE("folders") {
  World world;
  REQUIRE(world.files.create_folders("/r/rules"));
  CHECK(world.check({"/r/rules"}).ids() == std::vector<std::string>{"rules-empty"});
  world.write("/r/rules/a.yml", yaml_alert("x > 1"));
  world.write("/r/alertd.toml", "[rules]\npaths = [\"/r/rules\"]\n");
  const auto gone = [&](const char* text) {
    world.write("/r/b/alertd.toml", text);
    return world.check({"/r/b/alertd.toml"}).ids();
  };
  REQUIRE(world.files.create_folders("/r/b"));
  CHECK(gone("[rules]\npaths = [\"/gone\"]\n") == std::vector<std::string>{"rules-empty"});
  const auto all = world.check({"/r"});
  CHECK_MESSAGE(all.ids().empty(), all.text());
  CHECK(all.result.files == 2);  // the configuration, and its rule file once
  CHECK(all.result.rules.size() == 1);
}

// The reader's wording decides the id: if it changes, this must be told.
TEST_CASE("the reader's messages have ids") {
  World world;
  const auto id_of = [&](const std::string& text, const char* file) {
    world.write(file, text);
    const auto outcome = world.check({file});
    for (const Finding& finding : outcome.result.findings) {
      if (finding.level == Level::Error) return finding.id + " " + finding.message;
    }
    return outcome.text();
  };
  const auto expect = [&](const std::string& text, const char* file, const std::string& id) {
    const std::string got = id_of(text, file);
    CHECK_MESSAGE(got.starts_with(id + " "), id << ": " << got);
  };
  expect(yaml_alert("sum(x"), "/r/a.yml", "rule-syntax");
  expect(yaml_alert("avg_over_tim(x[5m]) > 1"), "/r/a.yml", "rule-syntax");
  expect(yaml_alert("x > 1", "{{ $value | humanizeBytes }}"), "/r/a.yml", "template-function");
  expect(yaml_alert("x > 1", "{{ $value"), "/r/a.yml", "template-error");
  expect(yaml_alert("x > 1", "{{ $lables.a }}"), "/r/a.yml", "template-error");
  expect(yaml_alert("x > 1", "t", "    forr: 5m\n"), "/r/a.yml", "rule-field");
  expect(kGroup + toml_alert("A", "forr = \"5m\""), "/r/a.toml", "rule-field");
  expect(kGroup + "[[group.alert]]\nname = \"A\"\nexpr = 'x > 1'\n", "/r/a.toml",
         "severity-missing");
  expect(kGroup + "[[group.alert]]\nname = \"A\"\n", "/r/a.toml", "rule-syntax");
  expect("[rules\n", "/r/alertd.toml", "config");
  expect("[rules]\npath = 1\n", "/r/alertd.toml", "config");
  world.write("/r/alertd.toml", kReceivers + "[[route.routes]]\nreceiver = \"c\"\n");
  CHECK(world.check({"/r/alertd.toml"}).has("receiver-missing"));
}

TEST_CASE("every check is in the list once") {
  for (const CheckInfo& check : checks()) {
    CHECK(find_check(check.id) == &check);
    CHECK_FALSE(check.what.empty());
  }
  CHECK(find_check("no-such") == nullptr);
}

TEST_CASE("an inventory survives writing and reading") {
  const auto first = read_inventory(test::kInventory, "test");
  REQUIRE(first);
  const std::string text = write_inventory(*first);
  const auto second = read_inventory(text, "test");
  REQUIRE(second);
  CHECK(write_inventory(*second) == text);
  CHECK(second->metrics.size() == 4);
  const MetricStock* metric = second->find("http_seconds_bucket");
  REQUIRE(metric != nullptr);
  CHECK(metric->type == model::MetricType::Counter);
  CHECK_FALSE(metric->labels.at("path").always);
  CHECK(metric->labels.at("le").complete);
  CHECK(has(read_inventory("{}", "x.json").error().message, "x.json is no inventory"));
  CHECK(has(read_inventory("[", "x.json").error().message, "not JSON"));
  CHECK_FALSE(read_inventory(R"({"format":"tocsin-inventory-1","metrics":{"a":1}})", "x"));
}

}  // namespace
}  // namespace tocsin::lint
