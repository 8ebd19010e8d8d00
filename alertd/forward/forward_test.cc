#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/forward/forwarding_appender.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/spool/memory_files.h"
#include "proto/codec.h"

using namespace tocsin;
using namespace tocsin::forward;
using namespace std::chrono_literals;

namespace {

/// Receivers by origin: each decodes what it gets, or is dead.
class Receivers final : public net::HttpClient {
 public:
  struct Taken {
    std::string series;
    model::Sample sample;
  };
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    requests.push_back(request);
    if (dead.contains(request.url)) {
      reply_on.post([done = std::move(done)] {
        done(base::error(base::ErrorCode::Unavailable, "cannot connect"));
      });
      return;
    }
    const int status = answers;
    if (status == 204) {
      const bool v1 =
          std::any_of(request.headers.begin(), request.headers.end(),
                      [](const auto& header) { return header.second == proto::kVersionV1; });
      const auto batch =
          proto::decode(v1 ? proto::Version::V1 : proto::Version::V2, request.body, {});
      REQUIRE(batch);
      for (const auto& series : batch->series()) {
        const auto labels = model::Labels::from_sorted(batch->labels(series)).to_string();
        for (const auto& sample : batch->samples(series)) {
          taken[request.url].push_back({labels, sample});
        }
      }
      for (const auto& about : batch->metadata()) {
        described.push_back(std::string(about.metric_name) + " " + std::string(about.help));
      }
    }
    reply_on.post([done = std::move(done), status] {
      net::HttpResponse response;
      response.status = status;
      if (status == 204) {
        response.headers = {{"x-prometheus-remote-write-samples-written", "1"}};
      }
      done(response);
    });
  }
  std::map<std::string, std::vector<Taken>> taken;
  std::vector<std::string> described;
  std::vector<net::HttpRequest> requests;
  std::set<std::string> dead;
  int answers = 204;
};

/// Commits when told to, in order.
class Store final : public model::Appender {
 public:
  void append(std::shared_ptr<const model::WriteBatch>, model::AppendDone done) override {
    waiting.push_back(std::move(done));
  }
  void commit(base::Result<model::AppendOutcome> outcome = model::AppendOutcome{}) {
    for (auto& done : std::exchange(waiting, {})) done(outcome);
  }
  std::vector<model::AppendDone> waiting;
};

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  std::unique_ptr<base::SimExecutor> executor = std::make_unique<base::SimExecutor>(clock);
  spool::MemoryFiles files;
  base::Metrics metrics;
  std::unique_ptr<base::Random> random = base::make_seeded_random(7);
  Receivers http;
  Store store;
  model::MetadataTable metadata;
  std::vector<ForwardSettings> settings;
  std::unique_ptr<ForwardingAppender> appender;
  int acknowledged = 0;

  ForwardSettings& receiver(const std::string& name) {
    ForwardSettings& one = settings.emplace_back();
    one.name = name;
    one.endpoint.url = "http://" + name + "/write";
    return one;
  }
  void start() {
    appender = std::make_unique<ForwardingAppender>(
        store, settings, ForwardWorld{*executor, http, files, *random, metrics, metadata},
        "/queues");
    appender->start();
    executor->run_for(2s);
  }
  void append(const model::Labels& labels, double value) {
    auto batch = std::make_shared<model::WriteBatch>();
    batch->add(labels, {base::to_ms(clock.wall()), value});
    appender->append(batch, [this](const auto& outcome) { acknowledged += outcome ? 1 : 0; });
  }
  std::vector<double> values(const std::string& name) {
    std::vector<double> all;
    for (const auto& taken : http.taken["http://" + name + "/write"]) {
      all.push_back(taken.sample.value);
    }
    return all;
  }
};

const model::Labels kX{{"__name__", "x"}, {"host", "a"}};

}  // namespace

TEST_CASE("a sample is acknowledged after the store's log and every queue, and sent then") {
  World world;
  world.receiver("vm");
  world.start();
  world.append(kX, 1);
  world.executor->run_for(1s);
  CHECK(world.files.files.empty());  // Not before the store has it.
  world.store.commit();
  CHECK(world.acknowledged == 0);
  world.executor->run_ready();
  CHECK(world.acknowledged == 1);
  CHECK_FALSE(world.files.files.empty());  // In the queue already.
  world.executor->run_for(1s);
  CHECK(world.values("vm") == std::vector<double>{1});

  world.append(kX, 2);
  world.store.commit(base::error(base::ErrorCode::Io, "no space"));
  world.executor->run_for(5s);
  CHECK(world.values("vm") == std::vector<double>{1});
  CHECK(world.acknowledged == 1);
}

TEST_CASE("killed at any point, everything acknowledged arrives, in order") {
  World world;
  world.receiver("vm");
  world.http.dead.insert("http://vm/write");
  world.start();
  for (int life = 0; life < 5; ++life) {
    for (int n = 0; n < 20; ++n) {
      world.append(kX, life * 100 + n);
      world.store.commit();
      world.executor->run_for(100ms);
    }
    world.append(kX, -1);  // The store commits it, and we die before the queue has it.
    world.store.commit();
    world.appender.reset();
    // What was posted dies with the process.
    world.executor = std::make_unique<base::SimExecutor>(world.clock);
    world.start();
  }
  CHECK(world.acknowledged == 100);
  world.http.dead.clear();
  world.executor->run_for(3min);
  std::vector<double> wanted;
  for (int life = 0; life < 5; ++life) {
    for (int n = 0; n < 20; ++n) wanted.push_back(life * 100 + n);
  }
  CHECK(world.values("vm") == wanted);
}

TEST_CASE("a dead receiver costs nobody anything but its own queue") {
  World world;
  world.receiver("dead");
  world.receiver("vm");
  world.http.dead.insert("http://dead/write");
  world.start();
  for (int n = 0; n < 50; ++n) {
    world.append(kX, n);
    world.store.commit();
    world.executor->run_for(1s);
  }
  CHECK(world.acknowledged == 50);
  CHECK(world.values("vm").size() == 50);
  CHECK(world.metrics.gauge("tocsin_alertd_forward_spool_records", "", {{"receiver", "dead"}})
            .value() == 50);
  CHECK(world.metrics
            .gauge("tocsin_alertd_forward_spool_oldest_age_seconds", "", {{"receiver", "dead"}})
            .value() >= 40);
  CHECK(world.metrics.gauge("tocsin_alertd_forward_spool_records", "", {{"receiver", "vm"}})
            .value() == 0);
}

TEST_CASE("what is refused for good is dropped and counted by reason") {
  World world;
  world.receiver("vm");
  world.http.answers = 400;
  world.start();
  world.append(kX, 1);
  world.store.commit();
  world.executor->run_for(10s);
  INFO(world.metrics.text());
  CHECK(world.http.requests.size() == 1);
  CHECK(world.metrics
            .counter("tocsin_alertd_forward_samples_dropped_total", "",
                     {{"receiver", "vm"}, {"reason", "refused"}})
            .value() == 1);
}

// Prometheus drops on each of these; a wrong token or path must not cost a day of samples.
TEST_CASE("what only a person can mend is kept up to the queue's bounds, counted and said once") {
  for (const int answer : {401, 403, 404, 405, 407, 302}) {
    CAPTURE(answer);
    World world;
    world.receiver("vm").queue_age = base::Duration{1'800'000};
    world.http.answers = answer;
    world.start();
    for (int n = 0; n < 60; ++n) {
      world.append(kX, n);
      world.store.commit();
      world.executor->run_for(60s);
    }
    CHECK(world.acknowledged == 60);
    // About one request a minute, not one for each batch or a storm.
    CHECK(world.http.requests.size() >= 50);
    CHECK(world.http.requests.size() <= 62);
    const auto counted = [&](const std::string& name, const std::string& reason) {
      return world.metrics.counter(name, "", {{"receiver", "vm"}, {"reason", reason}}).value();
    };
    CHECK(counted("tocsin_alertd_forward_send_failures_total", "http_" + std::to_string(answer)) ==
          static_cast<double>(world.http.requests.size()));
    CHECK(counted("tocsin_alertd_forward_samples_dropped_total", "refused") == 0);
    world.http.answers = 204;
    world.executor->run_for(120s);
    const double old = counted("tocsin_alertd_forward_samples_dropped_total", "too_old");
    CHECK(old >= 25);
    CHECK(old <= 35);
    CHECK(static_cast<double>(world.values("vm").size()) + old == 60);
    CHECK(world.values("vm").back() == 59);
  }
}

TEST_CASE("selection, labels, relabelling, metadata and login") {
  base::Diagnostics diagnostics;
  const config::Source source{"alertd.toml", R"toml([[forward]]
name = "vm"
url = "http://vm/write"
username = "me"
password = "${HOME}"
version = "1.0"
match = ['{host=~"a|b"}', 'always']
external_labels = { site = "s", host = "nobody" }
[[forward.relabel]]
action = "labeldrop"
regex = "secret"
[[forward.relabel]]
action = "drop"
source_labels = ["host"]
regex = "b"
)toml"};
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  World world;
  world.settings = read_forwards(root);
  root.finish();
  REQUIRE_FALSE(base::has_errors(diagnostics));
  world.metadata.note(
      std::vector<model::MetricMetadata>{{"x", model::MetricType::Gauge, "what x is", ""}});
  world.start();
  world.append(model::Labels{{"__name__", "x"}, {"host", "a"}, {"secret", "1"}}, 1);
  world.append(model::Labels{{"__name__", "x"}, {"host", "b"}}, 2);
  world.append(model::Labels{{"__name__", "x"}, {"host", "c"}}, 3);
  world.append(model::Labels{{"__name__", "always"}}, 4);
  world.store.commit();
  world.executor->run_for(5s);
  const auto& taken = world.http.taken["http://vm/write"];
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].series ==
        model::Labels{{"__name__", "x"}, {"host", "a"}, {"site", "s"}}.to_string());
  CHECK(taken[1].series ==
        model::Labels{{"__name__", "always"}, {"host", "nobody"}, {"site", "s"}}.to_string());
  CHECK(world.http.described == std::vector<std::string>{"x what x is"});
  CHECK(world.metrics
            .counter("tocsin_alertd_forward_samples_left_out_total", "", {{"receiver", "vm"}})
            .value() == 2);
  const auto& headers = world.http.requests.front().headers;
  CHECK(std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == "Authorization" && header.second.starts_with("Basic ");
  }));
}

TEST_CASE("mistakes in [[forward]] are said where they stand") {
  base::Diagnostics diagnostics;
  const config::Source source{"alertd.toml", R"toml([[forward]]
name = "../vm"
url = "vm"
match = ['rate(x[5m])']
queue_bytes = "1KiB"
)toml"};
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  read_forwards(root);
  std::string all;
  for (const auto& one : diagnostics) all += std::to_string(one.line) + ": " + one.message + "\n";
  CHECK(all.find("2: a name has letters, digits") != std::string::npos);
  CHECK(all.find("3: the url is no http:// or https:// address") != std::string::npos);
  CHECK(all.find("4: 'rate(x[5m])' is no selector") != std::string::npos);
  CHECK(all.find("5: queue_bytes must be at least 1MiB") != std::string::npos);
}
