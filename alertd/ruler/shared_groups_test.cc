// Groups that move between daemons: whoever holds them, they go on as if nobody had moved them.
#include <doctest/doctest.h>

#include <map>

#include "alertd/ruler/ruler.h"
#include "alertd/ruler/shared_state.h"
#include "alertd/ruler/test_world.h"
#include "common/base/random.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler {
namespace {

using base::Duration;
using std::chrono::seconds;

constexpr const char* kRules = R"(
[[group]]
name = "shared"
interval = "15s"

[[group.alert]]
name = "Plain"
expr = "load1 > 4"
severity = "high"
runbook = "https://x.org"
for = "45s"
keep_firing_for = "40s"
no_data = "alert"

[[group.alert]]
name = "Kept"
expr = "load1 > 6"
severity = "low"
runbook = "https://x.org"
no_data = "keep"

[[group.alert]]
name = "Levelled"
value = "load1"
runbook = "https://x.org"
medium = { above = 3, for = "30s" }
high = { above = 5, for = "1m" }
critical = { above = 8 }
clear = { below = 2 }
no_data = "alert"
)";

/// What the shared tables do: the last record of each epoch counts.
struct Book final : GroupRecords {
  void keep(GroupRecord record) override {
    if (record.epoch != epoch) {
      ++refused;
      return;
    }
    if (!record.state.empty()) tenure.state = record.state;
    tenure.evaluated_at = record.evaluated_at;
    if (!record.alerts_changed) return;
    for (const model::Alert& alert : record.alerts) {
      const std::string line = alert.labels.to_string() +
                               std::string(model::to_string(alert.severity)) +
                               (alert.ends_at ? " ended" : " firing since ") +
                               (alert.ends_at ? "" : std::to_string(base::to_ms(alert.starts_at)));
      std::string& last = said[alert.labels.to_string()];
      if (line != last) told.push_back(line);
      last = line;
    }
    tenure.alerts = std::move(record.alerts);
  }

  void pass_on(const Forgetting& forgetting) override { passed_on.push_back(forgetting); }

  std::uint64_t epoch = 0;
  Tenure tenure;
  std::map<std::string, std::string> said;
  std::vector<std::string> told;  ///< What changed for people, in order.
  std::size_t refused = 0;
  std::vector<Forgetting> passed_on;
};

struct Sharing : TestWorld {
  Sharing() {
    base::set_log_level(base::LogLevel::Error);
    REQUIRE(files.create_folders("/rules"));
    write(kRules);
    world.datasources = [this](const RuleGroup&) {
      return make_local_evaluator(engine, store, {});
    };
    world.records = &book;
    options.paths = {"/rules"};
    options.files.datasources.all = "vm";
    options.shared_changed = [this](std::vector<std::string> now) { keys = std::move(now); };
  }
  void write(const std::string& text) { REQUIRE(files.write_atomic("/rules/a.toml", text, 0644)); }
  Ruler& add_daemon() {
    daemons.push_back(std::make_unique<Ruler>(world, options, files));
    REQUIRE(daemons.back()->load().ok);
    executor.run_ready();
    return *daemons.back();
  }
  void grant(Ruler& daemon) {
    book.tenure.epoch = ++book.epoch;
    daemon.grant("a.toml:shared", book.tenure);
    executor.run_ready();
  }
  void revoke(Ruler& daemon) {
    bool ended = false;
    daemon.revoke("a.toml:shared", [&] { ended = true; });
    executor.run_ready();
    CHECK(ended);
  }
  void pass(const std::map<std::string, double>& values) {
    for (const auto& [host, value] : values) {
      this->add(model::Labels{{"__name__", "load1"}, {"host", host}}, value);
    }
    executor.run_for(seconds(15));
  }
  std::vector<std::string> alerts(const Ruler& daemon) const {
    std::vector<std::string> all;
    for (const auto& group : daemon.view().groups) {
      for (const RuleView& rule : group->rules) {
        for (const AlertView& alert : rule.alerts) {
          const auto time = [](const std::optional<base::WallTime>& at) {
            return at ? std::to_string(base::to_ms(*at)) : "-";
          };
          all.push_back(rule.name + alert.labels.to_string() + std::string(to_string(alert.phase)) +
                        std::string(model::to_string(alert.severity)) + " " +
                        time(alert.active_at) + " " + time(alert.fired_at) + " " +
                        time(alert.keep_firing_since) + " " + time(alert.no_data_since));
        }
      }
    }
    return all;
  }

  sim::SimFileSystem files;
  RulerOptions options;
  Book book;
  std::vector<std::string> keys;
  std::vector<std::unique_ptr<Ruler>> daemons;
};

/// Values of three hosts over time: they climb, fall, vanish and return.
std::vector<std::map<std::string, double>> random_course(std::uint64_t seed, std::size_t steps) {
  const auto random = base::make_seeded_random(seed);
  std::vector<std::map<std::string, double>> course;
  std::map<std::string, double> now;
  std::map<std::string, int> away;
  for (std::size_t i = 0; i < steps; ++i) {
    std::map<std::string, double> shown;
    for (const std::string host : {"a", "b", "c"}) {
      if (random->below(4) == 0) now[host] = static_cast<double>(random->below(10));
      if (random->below(60) == 0) away[host] = 60;  // past the look-back and no_data_after
      if (--away[host] <= 0) shown[host] = now[host];
    }
    course.push_back(shown);
  }
  return course;
}

}  // namespace

TEST_CASE("shared group: without a tenure nothing is evaluated; the key tells hosts alike") {
  Sharing test;
  Ruler& daemon = test.add_daemon();
  CHECK(test.keys == std::vector<std::string>{"a.toml:shared"});
  for (int i = 0; i < 10; ++i) test.pass({{"a", 9}});
  CHECK(test.alerts(daemon).empty());
  CHECK(test.sink.alerts.empty());
  test.grant(daemon);
  for (int i = 0; i < 10; ++i) test.pass({{"a", 9}});
  CHECK(test.alerts(daemon).size() == 3);
  CHECK(test.sink.alerts.empty());  // they go into the record
  CHECK(test.book.told.size() == 3);
}

TEST_CASE("shared group: moved at random, it does what it would have done at rest") {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    CAPTURE(seed);
    Sharing rest;
    Sharing moved;
    Ruler& at_rest = rest.add_daemon();
    for (int i = 0; i < 3; ++i) moved.add_daemon();
    rest.grant(at_rest);
    moved.grant(*moved.daemons[0]);
    std::size_t holder = 0;
    const auto random = base::make_seeded_random(seed + 100);
    for (const auto& values : random_course(seed, 700)) {
      rest.pass(values);
      moved.pass(values);
      const Ruler& here = *moved.daemons[holder];
      REQUIRE(moved.alerts(here) == rest.alerts(at_rest));
      if (random->below(5) != 0) continue;
      if (random->below(2) == 0) moved.revoke(*moved.daemons[holder]);  // else it died
      holder = (holder + 1) % 3;
      moved.revoke(*moved.daemons[holder]);  // what it held before is out of date
      moved.grant(*moved.daemons[holder]);
    }
    CHECK(moved.book.told == rest.book.told);
    CHECK(rest.book.told.size() > 20);
  }
}

TEST_CASE("shared group: who has lost it goes on unheard, and no `for` begins anew") {
  Sharing test;
  Ruler& first = test.add_daemon();
  Ruler& second = test.add_daemon();
  test.grant(first);
  for (int i = 0; i < 3; ++i) test.pass({{"a", 5}});  // Plain: 45s; pending
  const auto told = test.book.told.size();
  test.grant(second);  // the first was only stopped, and evaluates on
  test.pass({{"a", 5}});
  test.pass({{"a", 5}});
  CHECK(test.book.refused >= 2);
  CHECK(test.book.told.size() == told + 1);  // Plain fires, 45 s after it began
  CHECK(test.book.said.size() == 2);
}

TEST_CASE("shared group: a reload goes on under the same tenure; what is gone is told as ended") {
  Sharing test;
  Ruler& daemon = test.add_daemon();
  test.grant(daemon);
  for (int i = 0; i < 6; ++i) test.pass({{"a", 9}});
  CHECK(test.book.said.size() == 3);
  std::string fewer = kRules;
  fewer.erase(fewer.find("[[group.alert]]\nname = \"Kept\""),
              fewer.find("[[group.alert]]\nname = \"Levelled\"") -
                  fewer.find("[[group.alert]]\nname = \"Kept\""));
  test.write(fewer);
  REQUIRE(daemon.load().ok);
  for (int i = 0; i < 3; ++i) test.pass({{"a", 9}});
  CHECK(test.alerts(daemon).size() == 2);
  std::size_t ended = 0;
  for (const std::string& line : test.book.told) ended += line.ends_with(" ended") ? 1 : 0;
  CHECK(ended == 1);
  CHECK(test.sink.alerts.empty());
  test.write("");
  REQUIRE(daemon.load().ok);
  test.executor.run_for(seconds(1));
  CHECK(test.keys.empty());
  ended = 0;
  for (const auto& [labels, line] : test.book.said) ended += line.ends_with(" ended") ? 1 : 0;
  CHECK(ended == 3);
}

TEST_CASE("shared group: what is to be forgotten is passed on to its holder, and moves with it") {
  Sharing test;
  Ruler& first = test.add_daemon();
  Ruler& second = test.add_daemon();
  test.grant(second);
  for (int i = 0; i < 10; ++i) test.pass({{"a", 1}, {"b", 1}});
  for (int i = 0; i < 60; ++i) test.pass({{"a", 1}});  // b is silent: Plain and Levelled tell
  CHECK(test.alerts(second).size() == 2);
  first.forget_owner("host", "b", "it was taken out of service");
  test.executor.run_ready();
  CHECK(test.alerts(second).size() == 2);  // the first does not hold it
  REQUIRE(test.book.passed_on.size() == 1);
  second.heard(test.book.passed_on.front());
  test.executor.run_ready();
  CHECK(test.book.passed_on.size() == 1);
  CHECK(test.alerts(second).empty());
  for (const auto& [labels, line] : test.book.said) CHECK(line.ends_with(" ended"));
  test.revoke(second);
  test.grant(first);
  for (int i = 0; i < 60; ++i) test.pass({{"a", 1}});
  CHECK(test.alerts(first).empty());
}

TEST_CASE("shared group: a daemon that gave it away does not seem to be late with it") {
  Sharing test;
  Ruler& daemon = test.add_daemon();
  test.grant(daemon);
  test.pass({{"a", 9}});
  const std::string last = "tocsin_alertd_rule_group_last_evaluation_timestamp_seconds";
  CHECK(test.metric(last) > 0);
  test.revoke(daemon);
  CHECK(test.metric(last) == 0);
}

TEST_CASE("shared group: time that nobody saw does not count towards a `for`") {
  Sharing test;
  Ruler& first = test.add_daemon();
  Ruler& second = test.add_daemon();
  test.grant(first);
  test.pass({{"a", 5}});
  test.pass({{"a", 5}});
  test.revoke(first);
  test.executor.run_for(std::chrono::minutes(20));
  test.grant(second);
  test.pass({{"a", 5}});
  for (const std::string& alert : test.alerts(second)) {
    if (alert.starts_with("Plain")) CHECK(alert.find("firing") != std::string::npos);
  }
  Sharing other;  // a minute of the gap counts, so a longer `for` is still pending
  std::string longer = kRules;
  longer.replace(longer.find("\"45s\""), 5, "\"10m\"");
  other.write(longer);
  Ruler& third = other.add_daemon();
  other.grant(third);
  other.pass({{"a", 5}});
  other.revoke(third);
  other.executor.run_for(std::chrono::minutes(20));
  other.grant(third);
  other.pass({{"a", 5}});
  bool pending = false;
  for (const std::string& alert : other.alerts(third)) {
    pending = pending || (alert.starts_with("Plain") && alert.find("pending") != std::string::npos);
  }
  CHECK(pending);
}

TEST_CASE("shared group: a state that cannot be read is refused whole") {
  Sharing test;
  Ruler& daemon = test.add_daemon();
  test.grant(daemon);
  for (int i = 0; i < 6; ++i) test.pass({{"a", 9}});
  const std::string good = test.book.tenure.state;
  for (std::size_t cut = 0; cut < good.size(); cut += 7) {
    Runners none;
    CHECK_FALSE(load_state(good.substr(0, cut), none, Duration{0}, Duration{0}));
  }
  Runners none;
  CHECK(load_state(good, none, Duration{0}, Duration{0}));
  for (const char* bad : {"[]", "{\"rules\":[{}]}", "{\"rules\":{}}", "{\"rules\":[1]}",
                          R"({"rules":[{"levels":["high"],"alerts":[{"phase":7}]}]})"}) {
    CHECK_FALSE(load_state(bad, none, Duration{0}, Duration{0}));
  }
  test.book.tenure.state = "{";
  test.revoke(daemon);
  test.grant(daemon);
  for (int i = 0; i < 10; ++i) test.pass({{"a", 9}});
  CHECK(test.alerts(daemon).size() == 3);
}

}  // namespace tocsin::ruler
