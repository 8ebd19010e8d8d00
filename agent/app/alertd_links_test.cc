#include "agent/app/alertd_links.h"

#include <doctest/doctest.h>

#include "common/base/sim_executor.h"
#include "common/model/labels.h"
#include "common/sim/sim_file_system.h"
#include "proto/codec.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

constexpr const char* kA = "http://a:9464/api/v1/write";
constexpr const char* kB = "http://b:9464/api/v1/write";

// The receivers: what each took of the series "x", in order; one that is dead does not answer at
// all until the client gives up.
class Receivers final : public net::HttpClient {
 public:
  explicit Receivers(base::SimExecutor& executor) : executor_(executor) {}
  std::map<std::string, std::vector<int>> taken;
  std::set<std::string> dead;
  int called = 0;  // past alertd

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    if (request.url == "http://bell/") {
      ++called;
      return answer(200, 1ms, reply_on, std::move(done));
    }
    CHECK(request.bearer_token.reveal() == "secret");
    if (dead.contains(request.url)) {
      executor_.post_after(request.timeout, [&reply_on, done] {
        reply_on.post([done] { done(base::error(base::ErrorCode::Timeout, "no answer")); });
      });
      return;
    }
    const auto batch = proto::decode(proto::Version::V2, request.body, proto::Limits{});
    REQUIRE(batch);
    for (const auto& series : batch->series()) {
      for (const model::Sample& sample : batch->samples(series)) {
        taken[request.url].push_back(static_cast<int>(sample.value));
      }
    }
    answer(204, 20ms, reply_on, std::move(done));
  }

 private:
  void answer(int status, base::Duration after, base::Executor& reply_on, net::HttpDone done) {
    net::HttpResponse response;
    response.status = status;
    response.headers.emplace_back("x-prometheus-remote-write-samples-written", "1");
    executor_.post_after(after, [&reply_on, response, done] {
      reply_on.post([done, response] { done(response); });
    });
  }
  base::SimExecutor& executor_;
};

// A disk, and processes over it.
struct World {
  base::SimClock clock{base::wall_time(0)};
  base::SimExecutor executor{clock};
  sim::SimFileSystem files;
  std::unique_ptr<base::Random> random = base::make_seeded_random(1);
  Receivers receivers{executor};
  std::unique_ptr<base::Metrics> metrics;
  std::unique_ptr<EmergencyCaller> emergency;
  std::unique_ptr<AlertdLinks> links;
  int pushed = 0;

  static LinkSettings settings(std::vector<std::string> urls) {
    LinkSettings settings;
    settings.sender.host = "h";
    settings.sender.token = base::Secret("secret");
    settings.sender.url = urls.front();
    settings.urls = std::move(urls);
    settings.spool.folder = "/spool";
    return settings;
  }

  /// A former process is killed.
  void start(std::vector<std::string> urls) {
    links.reset();
    emergency.reset();
    metrics = std::make_unique<base::Metrics>();
    emergency =
        std::make_unique<EmergencyCaller>(EmergencyCaller::World{executor, receivers, *metrics});
    EmergencySettings calls;
    calls.url = "http://bell/";
    emergency->configure(calls, {"h", "a, b"});
    links = std::make_unique<AlertdLinks>(
        settings(std::move(urls)),
        AlertdLinks::World{executor, receivers, files, *random, *metrics, *emergency});
    links->start();
  }

  /// One sample each 15 s, as rounds are.
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      model::WriteBatch batch;
      model::LabelsBuilder labels;
      labels.set("__name__", "x");
      batch.add(labels.build(), {base::to_ms(clock.wall()), static_cast<double>(++pushed)});
      links->push(std::move(batch));
      executor.run_for(15s);
    }
  }

  double metric(const std::string& name, const std::string& alertd) const {
    for (const base::MetricPoint& point : metrics->points()) {
      const auto label = point.labels.find("alertd");
      const std::string its = label == point.labels.end() ? "" : label->second;
      if (point.name == name && its == alertd) return point.value;
    }
    return -1;
  }
};

std::vector<int> numbers(int from, int to) {
  std::vector<int> all;
  for (int i = from; i <= to; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("links: all get everything; one that is dead delays nobody and gets it later") {
  World world;
  world.start({kA, kB});
  world.receivers.dead.insert(kA);
  world.rounds(20);
  CHECK(world.receivers.taken[kB] == numbers(1, 20));
  CHECK(world.receivers.taken[kA].empty());
  CHECK(world.metric("tocsin_agent_spool_records", "a:9464") == 20);
  CHECK(world.metric("tocsin_agent_spool_records", "b:9464") == 0);
  CHECK(world.metric("tocsin_agent_samples_sent_total", "b:9464") == 20);
  CHECK(world.metric("tocsin_agent_send_last_success_timestamp_seconds", "a:9464") == 0);
  world.receivers.dead.clear();
  world.rounds(10);
  CHECK(world.receivers.taken[kA] == numbers(1, 30));
  CHECK(world.receivers.taken[kB] == numbers(1, 30));
  CHECK(world.receivers.called == 0);  // somebody watched all the time
}

TEST_CASE("links: nobody is called as long as one answers, and somebody when none does") {
  World world;
  world.start({kA, kB});
  world.receivers.dead = {kA};
  world.rounds(60);
  CHECK(world.receivers.called == 0);
  world.receivers.dead = {kA, kB};
  world.rounds(19);
  CHECK(world.receivers.called == 0);
  world.rounds(3);
  CHECK(world.receivers.called == 1);
}

TEST_CASE("links: what waits survives the process, whatever the order of the addresses") {
  World world;
  world.start({kA, kB});
  world.receivers.dead.insert(kA);
  world.rounds(5);
  world.start({kB, kA});
  world.receivers.dead.clear();
  world.rounds(5);
  CHECK(world.receivers.taken[kA] == numbers(1, 10));
  CHECK(world.receivers.taken[kB] == numbers(1, 10));
}

TEST_CASE("links: what waited for a single address is taken over, both ways") {
  World world;
  world.start({kA});
  CHECK(world.metric("tocsin_agent_spool_records", "") == 0);
  world.receivers.dead.insert(kA);
  world.rounds(5);
  CHECK(world.metric("tocsin_agent_spool_records", "") == 5);
  world.start({kA, kB});
  world.rounds(5);
  CHECK(world.receivers.taken[kB] == numbers(6, 10));
  SUBCASE("two it stays") {
    world.receivers.dead.clear();
    world.rounds(5);
  }
  SUBCASE("and one again") {
    world.start({kA});
    world.receivers.dead.clear();
    world.rounds(5);
  }
  CHECK(world.receivers.taken[kA] == numbers(1, 15));
}

TEST_CASE("links: a move that the disk breaks off goes on at the next start") {
  for (std::uint64_t at = 1; at <= 4; ++at) {
    CAPTURE(at);
    World world;
    world.start({kA});
    world.receivers.dead.insert(kA);
    world.rounds(5);
    world.links.reset();
    world.files.fail_at(at, true);
    world.start({kA, kB});
    world.files.heal();
    world.start({kA, kB});
    world.receivers.dead.clear();
    world.rounds(5);
    CHECK(world.receivers.taken[kA] == numbers(1, 10));
  }
}

TEST_CASE("links: the queue of an address that is gone is kept for a while, and then removed") {
  World world;
  world.start({kA, kB});
  world.receivers.dead.insert(kB);
  world.rounds(5);
  const std::string queue = "/spool/" + link_folder(kB);
  REQUIRE(world.files.list(queue)->size() >= 1);
  world.start({kA});
  CHECK(world.files.list(queue)->size() >= 1);
  // It was a mistake.
  world.start({kA, kB});
  world.receivers.dead.clear();
  world.rounds(5);
  CHECK(world.receivers.taken[kB] == numbers(1, 10));
  world.receivers.dead.insert(kB);
  world.rounds(1);
  world.start({kA});
  world.executor.run_for(25h);
  world.start({kA});
  CHECK(world.files.list(queue)->empty());
}

TEST_CASE("links: a reload changes a single address at once, several after a restart") {
  World world;
  world.start({kA});
  CHECK(world.links->configure(World::settings({kB})));
  world.rounds(1);
  CHECK(world.receivers.taken[kB] == numbers(1, 1));
  CHECK_FALSE(world.links->configure(World::settings({kA, kB})));
  world.start({kA, kB});
  CHECK(world.links->configure(World::settings({kB, kA})));
  CHECK_FALSE(world.links->configure(World::settings({kA})));
  world.rounds(1);
  CHECK(world.receivers.taken[kA] == numbers(2, 2));
  CHECK(world.receivers.taken[kB] == numbers(1, 2));
  bool stopped = false;
  world.links->stop([&] { stopped = true; });
  world.executor.run_for(1s);
  CHECK(stopped);
}

TEST_CASE("links: names show nothing that may be secret, and folders differ") {
  CHECK(link_name("https://me:secret@alerts:9464/hush/write?key=x") == "alerts:9464");
  CHECK(link_folder("https://alerts:9464/a") == link_folder("http://alerts:9464/b"));
  CHECK(link_folder("https://a_b/") != link_folder("https://a:b/"));
  CHECK(link_folder("https://[::1]:9464/w").find('/') == std::string::npos);
}
