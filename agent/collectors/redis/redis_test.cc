// Against a real server (skipped with a message where Redis is not installed): queues as Dramatiq,
// Celery and RQ lay them out, written by a stand-in; and the parts that need none.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <future>

#include "agent/collectors/redis/redis_info.h"
#include "agent/collectors/redis/redis_source.h"
#include "common/base/asio_executor.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "tests/sim/redis_server.h"

namespace tocsin::agent {
namespace {

/// Keeps samples as lines "name{a=b} 1".
struct TextSink final : RoundSink {
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::string line(metric.name);
    for (const model::LabelView label : labels) {
      if (label.name != "server" && label.name != "broker" && !label.value.empty()) {
        line += fmt::format(" {}={}", label.name, label.value);
      }
    }
    samples[line] = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }

  /// NaN: there is none.
  double operator[](const std::string& line) const {
    const auto found = samples.find(line);
    return found == samples.end() ? std::nan("") : found->second;
  }

  std::map<std::string, double> samples;
};

RedisAddress address_of(const sim::RedisServer& server) {
  RedisAddress address;
  address.socket = server.socket();
  return address;
}

/// A clean server, and what reads it at a time of the test's choice.
struct Bench {
  explicit Bench(const sim::RedisServer& server, RedisQueueSettings settings = {})
      : connection(RedisConnection::connect(address_of(server)).value()),
        queues(std::move(settings), clock) {
    run({"FLUSHALL"});
  }

  void run(const RedisCommand& command) {
    const auto reply = connection->run(command);
    REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().message));
  }

  /// As dispatch.lua does for an enqueued message.
  void enqueue(const std::string& queue, const std::string& id, base::Duration age) {
    run({"RPUSH", "dramatiq:" + queue, id});
    run({"HSET", "dramatiq:" + queue + ".msgs", id, message(age)});
    beat("producer", base::Duration{0});
  }

  std::string message(base::Duration age) const {
    return fmt::format(
        R"({{"queue_name": "default", "args": ["secret"], "message_timestamp": {}}})",
        base::to_ms(clock.wall() - age));
  }

  void beat(const std::string& id, base::Duration age) {
    run({"ZADD", "dramatiq:__heartbeats__", std::to_string(base::to_ms(clock.wall() - age)), id});
  }

  TextSink read() {
    const auto reading = queues.read(*connection);
    REQUIRE_MESSAGE(reading, (reading ? "" : reading.error().message));
    TextSink sink;
    add_queues(*reading, plan, "main", sink);
    return sink;
  }

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  std::unique_ptr<RedisConnection> connection;
  RedisQueues queues;
  WorkerPlan plan;
};

}  // namespace

TEST_CASE("redis: INFO becomes redis_exporter's samples") {
  const RedisInfo info = parse_info(
      "# "
      "Server\r\nredis_version:7.0.15\r\nrole:slave\r\nused_memory:1000\r\nlatest_fork_usec:250\r\n"
      "rdb_last_bgsave_status:err\r\nmaster_link_status:up\r\ndb3:keys=4,expires=1,avg_ttl="
      "2500\r\n");
  TextSink sink;
  add_info(info, "main", sink);
  CHECK(sink["redis_memory_used_bytes"] == 1000);
  CHECK(sink["redis_latest_fork_seconds"] == doctest::Approx(0.00025));
  CHECK(sink["redis_rdb_last_bgsave_status"] == 0);
  CHECK(sink["redis_master_link_up"] == 1);
  CHECK(sink["redis_db_keys db=db3"] == 4);
  CHECK(sink["redis_db_avg_ttl_seconds db=db3"] == 2.5);
  CHECK(sink["redis_db_keys db=db0"] == 0);
  CHECK(sink["redis_instance_info redis_version=7.0.15 role=slave"] == 1);
  CHECK(std::isnan(sink["redis_connected_clients"]));
}

TEST_CASE("redis: a message's time is found and nothing else") {
  CHECK(message_timestamp(R"({"args": [], "message_timestamp": 1700000000123})") == 1700000000123);
  CHECK(message_timestamp(R"({"message_timestamp":17})") == 17);
  CHECK(!message_timestamp(R"({"message_timestamp": "soon"})"));
  CHECK(!message_timestamp("\x80\x04pickled"));
}

TEST_CASE("redis: the configuration says what it cannot read") {
  const auto read = [](const std::string& text) {
    const config::Source source{"agent.toml", text};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    const auto all = read_redis_settings(root, base::Duration{15'000});
    std::string messages;
    for (const auto& each : diagnostics) messages += each.message + "\n";
    if (!messages.empty() || all.empty()) return messages;
    const RedisAddress& address = all.front().address;
    return fmt::format("{}|{}|{}", address.host, address.port, address.socket);
  };
  CHECK(read("[[redis]]\n") == "127.0.0.1|6379|");
  CHECK(read("[[redis]]\naddress = \"/run/r.sock\"\n") == "|6379|/run/r.sock");
  CHECK(read("[[redis]]\naddress = \"cache\"\n") == "cache|6379|");
  CHECK(read("[[redis]]\naddress = \"[::1]:7000\"\n") == "::1|7000|");
  CHECK(read("[[redis]]\naddress = \"cache:x\"\n") ==
        "'cache:x' is no host:port and no path of a socket\n");
  CHECK(read("[[redis]]\nqueues = [\"sidekiq\"]\n") ==
        "'sidekiq' is no task queue that is known here\n");
  CHECK(read("[[redis]]\nworkers_expected = { dramatiq = 4 }\nworker_threads = { celery = 2 }\n") ==
        "127.0.0.1|6379|");
  CHECK(read("[[redis]]\nworkers_expected = { sidekiq = 4 }\n") ==
        "'sidekiq' is no task queue whose workers are known here\n");
  CHECK(read("[[redis]]\nworker_threads = { rq = 0 }\n") ==
        "rq = 0: expected a number from 1 to 10000\n");
}

TEST_CASE("redis: Dramatiq's queues: waiting, taken, delayed, dead, and how old") {
  sim::RedisServer* server = sim::RedisServer::shared();
  if (server == nullptr) return;
  Bench bench(*server);
  bench.enqueue("default", "a", std::chrono::seconds(90));
  bench.enqueue("default", "b", std::chrono::seconds(10));
  bench.enqueue("mail", "c", std::chrono::seconds(5));
  // A worker has taken one more.
  bench.run({"HSET", "dramatiq:default.msgs", "t", bench.message(base::Duration{0})});
  bench.run({"SADD", "dramatiq:__acks__.w1.default", "t"});
  bench.beat("w1", std::chrono::seconds(1));
  bench.plan = {{{"dramatiq", 3}}, {{"dramatiq", 8}, {"rq", 1}}};
  // Delayed: the worker holds the id in memory, so the list is not there.
  bench.run({"HSET", "dramatiq:default.DQ.msgs", "d1", "{}", "d2", "{}"});
  bench.run({"ZADD", "dramatiq:default.XQ",
             std::to_string(base::to_ms(bench.clock.wall() - std::chrono::hours(1))), "x"});
  bench.run({"HSET", "dramatiq:default.XQ.msgs", "x", "{}"});
  const TextSink sink = bench.read();
  CHECK(sink["queue_messages system=dramatiq queue=default"] == 2);
  CHECK(sink["queue_messages system=dramatiq queue=mail"] == 1);
  CHECK(sink["queue_messages_unacked system=dramatiq queue=default"] == 1);
  CHECK(sink["queue_messages_delayed system=dramatiq queue=default"] == 2);
  CHECK(sink["queue_messages_dead system=dramatiq queue=default"] == 1);
  CHECK(sink["queue_oldest_message_age_seconds system=dramatiq queue=default"] == 90);
  CHECK(sink["queue_oldest_dead_message_age_seconds system=dramatiq queue=default"] == 3600);
  CHECK(sink["queue_orphan_messages system=dramatiq queue=default"] == 0);
  CHECK(sink["queue_workers_alive system=dramatiq"] == 1);  // a producer's heartbeat is no worker
  CHECK(sink["queue_workers_stuck system=dramatiq"] == 0);
  CHECK(sink["queue_workers_expected system=dramatiq"] == 3);
  CHECK(sink["queue_worker_threads system=dramatiq"] == 8);
  CHECK(std::isnan(sink["queue_worker_threads system=rq"]));  // none was seen
}

TEST_CASE("redis: a drained queue is told of with 0, a dead worker as stuck") {
  sim::RedisServer* server = sim::RedisServer::shared();
  if (server == nullptr) return;
  Bench bench(*server);
  bench.enqueue("default", "a", std::chrono::seconds(1));
  bench.run({"SADD", "dramatiq:__acks__.w1.default", "t"});
  bench.run({"SADD", "dramatiq:__acks__.w2.default", "u"});
  bench.beat("w1", std::chrono::seconds(70));
  bench.beat("w2", std::chrono::seconds(2));
  TextSink sink = bench.read();
  CHECK(sink["queue_workers_alive system=dramatiq"] == 1);
  CHECK(sink["queue_workers_stuck system=dramatiq"] == 1);
  // The good one is done with everything: its keys vanish, it goes on beating.
  bench.run({"DEL", "dramatiq:default", "dramatiq:default.msgs", "dramatiq:__acks__.w1.default",
             "dramatiq:__acks__.w2.default"});
  sink = bench.read();
  CHECK(sink["queue_messages system=dramatiq queue=default"] == 0);
  CHECK(sink["queue_oldest_message_age_seconds system=dramatiq queue=default"] == 0);
  CHECK(sink["queue_workers_alive system=dramatiq"] == 1);
  CHECK(sink["queue_workers_stuck system=dramatiq"] == 0);
  // Killed.
  bench.clock.advance(std::chrono::seconds(61));
  CHECK(bench.read()["queue_workers_alive system=dramatiq"] == 0);
}

TEST_CASE("redis: idle workers count by their steady beat, a producer does not") {
  sim::RedisServer* server = sim::RedisServer::shared();
  if (server == nullptr) return;
  Bench bench(*server);
  const std::string alive = "queue_workers_alive system=dramatiq";
  bench.enqueue("default", "a", std::chrono::seconds(1));
  CHECK(std::isnan(bench.read()[alive]));  // nobody knows yet
  bench.run({"DEL", "dramatiq:default", "dramatiq:default.msgs"});
  double seen = 0;
  for (int i = 0; i < 4; ++i) {  // started anew, and nothing to do
    bench.clock.advance(std::chrono::seconds(10));
    bench.beat("w9", std::chrono::seconds(1));
    seen = bench.read()[alive];
  }
  CHECK(seen == 1);
  // Somebody beats, and does not take what waits.
  bench.enqueue("default", "b", std::chrono::seconds(90));
  bench.beat("w9", std::chrono::seconds(1));
  CHECK(bench.read()[alive] == 0);
}

TEST_CASE("redis: a queue that was evicted leaves orphans") {
  sim::RedisServer* server = sim::RedisServer::shared();
  if (server == nullptr) return;
  Bench bench(*server);
  for (int i = 0; i < 200; ++i) {
    bench.enqueue("default", fmt::format("m{}", i), std::chrono::seconds(1));
  }
  CHECK(bench.read()["queue_orphan_messages system=dramatiq queue=default"] == 0);
  bench.run({"DEL", "dramatiq:default"});  // as eviction does; really evicted in the e2e test
  const TextSink sink = bench.read();
  CHECK(sink["queue_messages system=dramatiq queue=default"] == 0);
  CHECK(sink["queue_orphan_messages system=dramatiq queue=default"] == 200);
}

TEST_CASE("redis: Celery's priorities are one queue, RQ has its own names") {
  sim::RedisServer* server = sim::RedisServer::shared();
  if (server == nullptr) return;
  Bench bench(*server);
  CHECK(bench.read().samples.empty());
  bench.run({"LPUSH", "celery", "1", "2"});
  bench.run({"LPUSH", std::string("celery\x06\x16") + "9", "3"});
  bench.run({"HSET", "unacked", "tag", "{}"});
  bench.run({"SADD", "rq:queues", "rq:queue:reports"});
  bench.run({"LPUSH", "rq:queue:reports", "j1", "j2", "j3"});
  bench.run({"ZADD", "rq:failed:reports", "1", "j4"});
  bench.run({"SADD", "rq:workers", "rq:worker:a", "rq:worker:b"});
  const TextSink sink = bench.read();
  CHECK(sink["queue_messages system=celery queue=celery"] == 3);
  CHECK(sink["queue_messages_unacked system=celery"] == 1);
  CHECK(sink["queue_messages system=rq queue=reports"] == 3);
  CHECK(sink["queue_messages_dead system=rq queue=reports"] == 1);
  CHECK(sink["queue_workers_alive system=rq"] == 2);
  // Somebody else's key of that name.
  bench.run({"DEL", "celery"});
  bench.run({"SET", "celery", "text"});
  CHECK(bench.read()["queue_messages system=rq queue=reports"] == 3);
}

TEST_CASE("redis: a server that accepts and never answers is down in time, and is back") {
  const auto server = sim::RedisServer::make();
  if (!server) return;
  const base::RealClock clock;
  base::AsioExecutor thread(clock, "sampler", 1);
  base::FailureLog failures{"test"};
  base::set_log_level(base::LogLevel::Error);
  RedisSettings settings;
  settings.name = "main";
  settings.address = address_of(*server);
  settings.timeout = base::Duration{300};
  settings.address.timeout = base::Duration{150};
  auto source = make_redis_source(settings, {thread, clock}, failures);
  const auto round = [&] {
    std::promise<double> up;
    thread.post([&] {
      source->start(clock.wall(), [&](const Fill& fill) {
        TextSink sink;
        fill(sink);
        up.set_value(sink["redis_up"]);
      });
    });
    return up.get_future().get();
  };
  CHECK(round() == 1);
  server->signal(SIGSTOP);
  const base::MonotonicTime began = clock.monotonic();
  for (int i = 0; i < 10; ++i) CHECK(round() == 0);
  CHECK(clock.monotonic() - began < std::chrono::seconds(10));
  server->signal(SIGCONT);
  double up = 0;
  for (int i = 0; i < 20 && up == 0; ++i) up = round();
  CHECK(up == 1);
  std::promise<void> gone;
  thread.post([&] {
    source.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  thread.stop();
  base::set_log_level(base::LogLevel::Info);
}

}  // namespace tocsin::agent
