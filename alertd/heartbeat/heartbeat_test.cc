#include "alertd/heartbeat/heartbeat.h"

#include <doctest/doctest.h>

#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"

using namespace tocsin;
using namespace tocsin::heartbeat;
using namespace std::chrono_literals;

namespace {

class Outside final : public net::HttpClient {
 public:
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    requests.push_back(std::move(request));
    reply_on.post([done = std::move(done), code = status] {
      net::HttpResponse response;
      response.status = code;
      done(response);
    });
  }
  std::vector<net::HttpRequest> requests;
  int status = 200;
};

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  Outside outside;
  std::string problem;
  bool answers = true;
  Heartbeats heartbeats{{executor, outside, metrics, [this](const auto& done) {
                           if (answers) done(problem);
                         }}};

  World() {
    HeartbeatSettings settings;
    settings.name = "service";
    settings.url = "https://hc.example.org/key";
    heartbeats.start({settings});
    executor.run_for(1s);
  }
  double counted(const std::string& outcome) {
    return metrics
        .counter("tocsin_alertd_heartbeats_total", "Signs of life to somebody outside.",
                 {{"heartbeat", "service"}, {"outcome", outcome}})
        .value();
  }
};

std::vector<HeartbeatSettings> read(const std::string& text, base::Diagnostics& diagnostics) {
  const config::Source source{"alertd.toml", text};
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  return read_heartbeat_settings(root);
}

}  // namespace

TEST_CASE("a healthy daemon gives a sign of life at once and every interval") {
  World world;
  CHECK(world.outside.requests.size() == 1);
  world.executor.run_for(5min);
  CHECK(world.outside.requests.size() == 6);
  CHECK(world.outside.requests[0].method == "POST");
  CHECK(world.counted("sent") == 6);
  world.heartbeats.stop();
  world.executor.run_for(5min);
  CHECK(world.outside.requests.size() == 6);
}

TEST_CASE("a daemon that cannot page gives none, and again when it can") {
  World world;
  world.problem = "rules are not evaluated";
  world.executor.run_for(5min);
  CHECK(world.outside.requests.size() == 1);
  CHECK(world.counted("withheld") == 5);
  world.problem.clear();
  world.executor.run_for(1min);
  CHECK(world.outside.requests.size() == 2);
}

TEST_CASE("no answer about the health is a bad one, and a late one changes nothing") {
  World world;
  world.answers = false;
  world.executor.run_for(3min);
  CHECK(world.outside.requests.size() == 1);
  CHECK(world.counted("withheld") >= 2);
}

TEST_CASE("a receiver that refuses is counted and asked again in its time") {
  World world;
  world.outside.status = 500;
  world.executor.run_for(2min);
  CHECK(world.counted("failed") == 2);
  CHECK(world.outside.requests.size() == 3);
}

TEST_CASE("settings") {
  base::Diagnostics diagnostics;
  const auto good = read(
      "[[heartbeat]]\nurl = \"https://hc.example.org/key\"\nmethod = \"GET\"\ninterval = \"30s\"\n",
      diagnostics);
  CHECK(diagnostics.empty());
  REQUIRE(good.size() == 1);
  CHECK(good[0].interval == 30s);
  CHECK(good[0].method == "GET");
  read("[[heartbeat]]\nurl = \"hc/key\"\ninterval = \"1s\"\n[[heartbeat]]\nurl = \"http://x/\"\n",
       diagnostics);
  REQUIRE(diagnostics.size() == 3);  // no address, too often, the same name
  for (const auto& each : diagnostics) CHECK(each.message.find("hc/key") == std::string::npos);
}
