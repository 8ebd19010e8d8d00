// When the daemon may say that it is ready, and that a reload is done: once the rules are running,
// not once they are read. Evaluation has an executor of its own here, which can be held back.
#include <doctest/doctest.h>

#include <memory>

#include "alertd/app/app.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::alertd {
namespace {

const std::string kConfig = R"(
[store]
path = "/alertd"
[rules]
paths = ["/rules"]
interval = "15s"
)";

std::string rule_over(int limit) {
  return "[[group]]\nname = \"shop\"\n[[group.alert]]\nname = \"OrdersStuck\"\nexpr = \"orders > " +
         std::to_string(limit) + "\"\nseverity = \"high\"\n";
}

struct SlowToEvaluate {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor evaluation{clock};
  base::SimExecutor rest{clock};
  sim::SimFileSystem files;
  std::unique_ptr<base::Random> random = base::make_seeded_random(7);
  base::Metrics metrics;
  notify::FakeHttp http;
  notify::FakeMail mail;
  incident::FakeStateStore state{std::make_shared<incident::FakeStateStore::Disk>()};
  std::unique_ptr<App> app;

  SlowToEvaluate() {
    REQUIRE(files.create_folders("/alertd"));
    REQUIRE(files.create_folders("/rules"));
    write_rule(10);
    REQUIRE(files.write_atomic("/alertd.toml", kConfig, 0644));
    auto loaded = load_settings("/alertd.toml", files);
    REQUIRE(loaded);
    REQUIRE_FALSE(base::has_errors(loaded->diagnostics));
    const World world{.clock = clock,
                      .files = files,
                      .random = *random,
                      .metrics = metrics,
                      .http = http,
                      .mail = mail,
                      .state = state,
                      .host_name = "alertd-host",
                      .store = rest,
                      .eval = evaluation,
                      .core = rest,
                      .notify = rest,
                      .queries = rest,
                      .background = rest};
    auto made = App::make(world, std::move(loaded->settings), "/alertd.toml");
    REQUIRE(made);
    app = std::move(*made);
  }
  ~SlowToEvaluate() {
    app->stop();
    settle();
  }

  void write_rule(int limit) {
    REQUIRE(files.write_atomic("/rules/shop.toml", rule_over(limit), 0644));
  }
  /// Runs everything that is due, evaluation too.
  void settle() {
    while (rest.run_ready() + evaluation.run_ready() > 0) {
    }
  }
  int ask(const std::string& path) {
    net::ServerRequest request;
    request.method = "GET";
    request.path = path;
    request.peer_address = "127.0.0.1";
    request.peer_is_loopback = true;
    request.headers.emplace_back("host", "localhost");
    int status = 0;
    app->handle(std::move(request),
                [&status](const net::ServerResponse& response) { status = response.status; });
    return status;
  }
  std::string running() const {
    const ruler::RulerView view = app->rules();
    return view.groups.empty() ? "none" : view.groups.front()->rules.front().expr;
  }
};

TEST_CASE("ready: not before the rules run") {
  SlowToEvaluate world;
  bool started = false;
  world.app->start([&](const base::Result<void>& result) {
    CHECK(result);
    started = true;
  });
  world.rest.run_ready();
  CHECK(world.running() == "none");
  CHECK_FALSE(started);
  CHECK(world.ask("/-/ready") == 503);

  world.settle();
  CHECK(world.running() == "orders > 10");
  CHECK(started);
  CHECK(world.ask("/-/ready") == 200);
}

TEST_CASE("reload: answered when the new rules run") {
  SlowToEvaluate world;
  world.app->start([](const base::Result<void>& result) { CHECK(result); });
  world.settle();
  world.write_rule(99);
  std::string at_answer = "no answer";
  world.app->reload("test", [&](const base::Result<api::ReloadOutcome>& outcome) {
    CHECK(outcome);
    at_answer = world.running();
  });
  world.rest.run_ready();
  CHECK(at_answer == "no answer");

  world.settle();
  CHECK(at_answer == "orders > 99");
}

TEST_CASE("reload: rules that are refused are answered at once, and the old ones run") {
  SlowToEvaluate world;
  world.app->start([](const base::Result<void>& result) { CHECK(result); });
  world.settle();
  REQUIRE(world.files.write_atomic("/rules/shop.toml", "[[group]]\nnam = 1\n", 0644));
  bool refused = false;
  world.app->reload("test",
                    [&](const base::Result<api::ReloadOutcome>& outcome) { refused = !outcome; });
  world.rest.run_ready();
  CHECK(refused);
  CHECK(world.running() == "orders > 10");
}

TEST_CASE("stopped before its rules ran: never ready") {
  SlowToEvaluate world;
  bool started = false;
  world.app->start([&](const base::Result<void>&) { started = true; });
  world.rest.run_ready();
  world.app->stop();
  world.settle();
  CHECK_FALSE(started);
  CHECK(world.ask("/-/ready") == 503);
}

}  // namespace
}  // namespace tocsin::alertd
