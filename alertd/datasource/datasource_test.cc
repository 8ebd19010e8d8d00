#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/datasource/fake_engine.h"
#include "alertd/ruler/ruler.h"
#include "alertd/ruler/test_world.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::datasource {
namespace {

using base::Duration;
using model::Labels;
using ruler::AlertPhase;
using ruler::AlertView;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kRules = R"toml(
[[group]]
name = "elsewhere"
interval = "15s"
datasource = "vm"
[[group.record]]
name = "load:max"
expr = 'max(load1)'
[[group.alert]]
name = "High"
expr = 'load1 > 4'
severity = "high"
for = "1m"
no_data = "alert"
summary = '{{ $labels.host }}: {{ with query "sum(load1)" }}{{ . | first | value }}{{ end }}'
runbook = "https://x.org"
[[group.alert]]
name = "Levels"
value = 'load1'
medium = { above = 2 }
critical = { above = 8, for = "30s" }
clear = { below = 1 }
no_data = "keep"
summary = "load is {{ $value }}"
runbook = "https://x.org"
[[group.alert]]
name = "Twin"
expr = 'load1 > 4'
severity = "low"
no_data = "ok"
keep_firing_for = "1m"
runbook = "https://x.org"
)toml";

/// A daemon's rules over its own store, some of them asking an engine that holds `series`.
struct Rules {
  ruler::TestWorld world;
  sim::SimFileSystem files;
  ruler::MemoryStore series;
  FakeEngine engine{series};
  std::unique_ptr<base::Random> random = base::make_seeded_random(1);
  DatasourceSettings settings;
  std::unique_ptr<Datasources> datasources;
  ruler::RulerOptions options;
  std::unique_ptr<ruler::Ruler> rules;
  std::string text = kRules;
  std::vector<model::Alert> told;
  bool here = false;  ///< Samples come into our own store.

  Rules() {
    settings.name = "vm";
    settings.endpoint.url = "http://vm:8428";
    options.paths = {"/rules"};
    options.group.state.restore_window = seconds(30);
  }
  void start() {
    REQUIRE(files.create_folders("/rules"));
    REQUIRE(files.write_atomic("/rules/a.toml", text, 0644));
    datasources = std::make_unique<Datasources>(
        std::vector{settings}, DatasourceWorld{world.executor, engine, *random, world.metrics},
        world.engine, world.store);
    world.world.datasources = [this](const ruler::RuleGroup& group) {
      return datasources->make(group);
    };
    rules = std::make_unique<ruler::Ruler>(world.world, options, files);
    rules->set_told(told);
    const auto outcome = rules->load();
    for (const auto& diagnostic : outcome.diagnostics) INFO(diagnostic.message);
    REQUIRE(outcome.ok);
    world.executor.run_ready();
  }
  /// load1 of both hosts every 15 s while time passes; nothing of a host whose value is below 0.
  void run(Duration time, double a, double b = 0) {
    for (Duration passed{0}; passed < time; passed += seconds(15)) {
      for (const auto& [host, value] : {std::pair("a", a), std::pair("b", b)}) {
        if (value < 0) continue;
        (here ? world.store : series)
            .add(Labels{{"__name__", "load1"}, {"host", host}},
                 {base::to_ms(world.clock.wall()), value});
      }
      world.executor.run_for(seconds(15));
    }
  }
  std::vector<AlertView> alerts() const {
    std::vector<AlertView> all;
    for (const auto& group : rules->view().groups) {
      for (const auto& rule : group->rules) {
        all.insert(all.end(), rule.alerts.begin(), rule.alerts.end());
      }
    }
    return all;
  }
  std::string shown() const {
    std::string out;
    for (const AlertView& alert : alerts()) {
      out += alert.labels.to_string() + alert.annotations.to_string() +
             std::string(to_string(alert.phase)) + std::string(model::to_string(alert.severity)) +
             std::to_string(base::to_ms(alert.active_at)) + "\n";
    }
    return out;
  }
  std::string error_of(std::string_view rule) const {
    for (const auto& group : rules->view().groups) {
      for (const auto& one : group->rules) {
        if (one.name == rule) return one.last_error;
      }
    }
    return "no such rule";
  }
  std::size_t firing(std::string_view name) const {
    std::size_t count = 0;
    for (const AlertView& alert : alerts()) {
      count += alert.labels.get("alertname") == name && alert.phase == AlertPhase::Firing ? 1 : 0;
    }
    return count;
  }
  bool resolved_anything() const {
    return std::any_of(world.sink.alerts.begin(), world.sink.alerts.end(),
                       [](const model::Alert& alert) { return alert.ends_at.has_value(); });
  }
};

std::vector<DatasourceSettings> read(const std::string& text, base::Diagnostics& diagnostics) {
  const config::Source source{"alertd.toml", text};
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  auto all = read_datasources(root);
  root.finish();
  return all;
}

}  // namespace

TEST_CASE("an engine elsewhere gives the same alerts as our own, at every step") {
  Rules remote;
  Rules local;
  const std::string key = "datasource = \"vm\"\n";
  local.text.erase(local.text.find(key), key.size());
  local.here = true;
  remote.start();
  local.start();
  struct Part {
    int steps;
    double a, b;
  };
  for (const Part part : {Part{4, 0.5, 0.5}, Part{3, 5, 0.5}, Part{6, 9, 5}, Part{3, 3, 5},
                          Part{40, -1, 5}, Part{4, 0.5, 0.5}}) {
    for (int step = 0; step < part.steps; ++step) {
      remote.run(seconds(15), part.a, part.b);
      local.run(seconds(15), part.a, part.b);
      REQUIRE(remote.shown() == local.shown());
    }
  }
  CHECK(remote.world.sink.alerts.size() == local.world.sink.alerts.size());
  CHECK(remote.world.sink.alerts.size() > 10);
  CHECK_FALSE(remote.world.store.samples(Labels{{"__name__", "load:max"}}).empty());
}

TEST_CASE("equal expressions of a round are asked once, at the slot's time, with our parameters") {
  Rules test;
  test.settings.endpoint.headers = {{"X-Scope-OrgID", "shop"}};
  test.settings.step = seconds(30);
  test.start();
  test.run(minutes(1), 1);
  const std::size_t rounds = test.engine.asked("max(load1)");
  REQUIRE(rounds >= 4);
  CHECK(test.engine.asked("load1 > 4") == rounds);
  const net::HttpRequest& request = test.engine.requests.back();
  CHECK(request.method == "POST");
  CHECK(request.url == "http://vm:8428/api/v1/query");
  CHECK(request.headers.front().second == "shop");
  const net::Query& form = test.engine.forms.back();
  CHECK(form.find("nocache")->second == "1");
  CHECK(form.find("partial_response")->second == "false");
  CHECK(form.find("step")->second == "30000ms");
}

TEST_CASE("an engine that is dead, slow, partial or something else ends no alert and begins none") {
  using Mode = FakeEngine::Mode;
  for (const Mode mode :
       {Mode::Broken, Mode::Silent, Mode::Partial, Mode::Warning, Mode::Garbage, Mode::Refusing}) {
    CAPTURE(static_cast<int>(mode));
    Rules test;
    test.start();
    test.run(minutes(2), 5, 1);
    REQUIRE(test.firing("High") == 1);
    const auto up =
        test.world.metrics.gauge("tocsin_alertd_datasource_up", "", {{"datasource", "vm"}});
    CHECK(up.value() == 1);

    test.engine.mode = mode;
    const std::size_t before = test.world.sink.alerts.size();
    test.run(minutes(3), 0.5, 9);
    CHECK(test.firing("High") == 1);
    CHECK(test.firing("Levels") == 1);
    CHECK_FALSE(test.resolved_anything());
    CHECK(test.error_of("High").find("datasource 'vm'") == 0);
    CHECK(up.value() == (mode == Mode::Refusing ? 1 : 0));
    // Who was told goes on being told.
    CHECK(test.world.sink.alerts.size() > before);

    test.engine.mode = Mode::Well;
    test.run(seconds(45), 0.5, 9);
    CHECK(test.error_of("High").empty());
    CHECK(up.value() == 1);
    CHECK(test.resolved_anything());
  }
}

TEST_CASE("a partial answer is taken where the datasource says so, with a warning") {
  Rules test;
  test.settings.partial = Partial::Accept;
  test.start();
  test.engine.mode = FakeEngine::Mode::Partial;
  test.run(minutes(2), 5, 1);
  CHECK(test.firing("High") == 1);
  CHECK(test.rules->view().groups.front()->rules.front().warnings ==
        std::vector<std::string>{"the answer is partial"});
}

TEST_CASE("a passing failure is asked again within the slot") {
  Rules test;
  test.start();
  test.run(seconds(30), 1);
  test.engine.mode = FakeEngine::Mode::Broken;
  test.run(seconds(15), 1);
  const std::size_t asked = test.engine.asked("max(load1)");
  test.world.executor.run_for(seconds(8));
  test.engine.mode = FakeEngine::Mode::Well;
  test.world.executor.run_for(seconds(7));
  CHECK(test.engine.asked("max(load1)") > asked);
  CHECK(test.error_of("High").empty());
}

TEST_CASE("groups that ask nobody do not wait for an engine that hangs") {
  Rules test;
  test.text += R"(
[[group]]
name = "here"
interval = "15s"
[[group.record]]
name = "own"
expr = 'vector(1)'
)";
  test.engine.mode = FakeEngine::Mode::Silent;
  test.start();
  test.run(minutes(2), 1);
  CHECK(test.world.store.samples(Labels{{"__name__", "own"}}).size() >= 8);
}

TEST_CASE("after a restart `for` goes on from what the engine was told of alerts") {
  Rules test;
  test.run(minutes(5), 5, 1);
  const std::int64_t now_ms = base::to_ms(test.world.clock.wall());
  const Labels pending{
      {"__name__", "ALERTS_FOR_STATE"}, {"alertname", "High"}, {"host", "a"}, {"severity", "high"}};
  // Begun 50 s ago by whoever evaluated the group before; `for` is a minute.
  for (int i = 3; i >= 1; --i) {
    test.series.add(pending, {now_ms - i * 15'000, static_cast<double>(now_ms) / 1000 - 50});
  }
  test.options.group.state.restore_grace = Duration{0};
  test.start();
  test.run(seconds(45), 5, 1);
  CHECK(test.firing("High") == 1);
}

TEST_CASE("an engine that is dead when we start: what receivers believe to fire goes on") {
  Rules test;
  test.engine.mode = FakeEngine::Mode::Broken;
  model::Alert told;
  told.labels = Labels{{"alertname", "High"}, {"host", "a"}, {"severity", "high"}};
  told.rule_source = "/rules/a.toml:10";
  told.valid_until = test.world.clock.wall() + seconds(30);
  test.told = {told};
  // What the last process wrote here.
  const std::int64_t last_ms = base::to_ms(test.world.clock.wall()) - 15'000;
  const Labels since{
      {"__name__", "ALERTS_FOR_STATE"}, {"alertname", "High"}, {"host", "a"}, {"severity", "high"}};
  test.world.store.add(since, {last_ms, static_cast<double>(last_ms) / 1000 - 300});
  test.world.store.add(
      model::LabelsBuilder(since).set("__name__", "ALERTS").set("alertstate", "firing").build(),
      {last_ms, 1});
  test.start();
  test.run(minutes(3), 5, 1);
  REQUIRE_FALSE(test.world.sink.alerts.empty());
  CHECK_FALSE(test.resolved_anything());
  CHECK(test.world.sink.alerts.back().valid_until > test.world.clock.wall());
  CHECK(test.error_of("High").find("the state before the restart cannot be read") == 0);

  test.engine.mode = FakeEngine::Mode::Well;
  test.run(minutes(2), 5, 1);
  CHECK(test.firing("High") == 1);
  CHECK_FALSE(test.resolved_anything());
}

TEST_CASE("what is wrong with [[datasource]] is said where it stands") {
  base::Diagnostics diagnostics;
  read(R"([[datasource]]
name = "local"
url = "ftp://x"
flavour = "influx"
max_parallel = 0
[[datasource]]
name = "local"
url = "http://user:pw@vm:8428"
token = "${TOKEN_THAT_IS_NOT_SET}"
)",
       diagnostics);
  std::string all;
  for (const auto& diagnostic : diagnostics) {
    all += std::to_string(diagnostic.line) + ": " + diagnostic.message + "\n";
  }
  CHECK(all.find("2: 'local' is our own engine") != std::string::npos);
  CHECK(all.find("3: the url is no http:// or https:// address") != std::string::npos);
  CHECK(all.find("7: two datasources are called 'local'") != std::string::npos);
  CHECK(all.find("8: the url holds a user name") != std::string::npos);
  CHECK(all.find("pw") == std::string::npos);
}

TEST_CASE("answers that are bad in themselves are refused with their reason") {
  CHECK(read_query_error(R"({"status":"error","errorType":"bad_data","error":"parse error"})") ==
        "bad_data: parse error");
  CHECK(read_query_error("<html>").empty());
  const auto partial = read_query_answer(
      R"({"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}})");
  REQUIRE(partial);
  CHECK(partial->partial);
}

}  // namespace tocsin::datasource
