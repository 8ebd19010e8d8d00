// The answers are those of RabbitMQ 3.10, shortened; the broker itself is met in tests/e2e.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "agent/collectors/blocking/recording_round.h"
#include "agent/collectors/rabbitmq/rabbitmq_metrics.h"
#include "agent/collectors/rabbitmq/rabbitmq_source.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

constexpr const char* kOverviewText = R"({"rabbitmq_version":"3.10.8","erlang_version":"25.2.3",
  "cluster_name":"rabbit@mq1","message_stats":{"publish":3,"drop_unroutable":1},
  "queue_totals":{"messages":3},"object_totals":{"connections":2,"queues":4}})";
constexpr const char* kNodesText = R"([{"name":"rabbit@mq1","running":true,"partitions":[],
  "mem_used":100,"mem_limit":400,"mem_alarm":false,"disk_free_alarm":true,"uptime":26436},
  {"name":"rabbit@mq2","running":false,"mem_used":7}])";

std::string queue(const std::string& name, int ready, int unacked, int consumers) {
  return fmt::format(R"({{"name":"{}","vhost":"/","messages_ready":{},)"
                     R"("messages_unacknowledged":{},"messages":{},"consumers":{}}})",
                     name, ready, unacked, ready + unacked, consumers);
}

std::string page(const std::vector<std::string>& queues, int pages = 1) {
  return fmt::format(R"({{"items":[{}],"page_count":{},"total_count":{}}})", fmt::join(queues, ","),
                     pages, queues.size() * static_cast<std::size_t>(pages));
}

/// Answers by path; what has no answer is 404.
class FakeBroker final : public net::HttpClient {
 public:
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    asked.push_back(request.url);
    const std::string path = request.url.substr(std::string("http://mq:15672").size());
    base::Result<net::HttpResponse> answer = net::HttpResponse{404, {}, "Not found"};
    for (const auto& [begin, response] : answers) {
      if (path.starts_with(begin)) answer = response;
    }
    reply_on.post_after(base::Duration{10}, [answer, done = std::move(done)] { done(answer); });
  }
  void set(const std::string& path, const std::string& body, int status = 200) {
    answers[path] = net::HttpResponse{status, {}, body};
  }

  std::map<std::string, net::HttpResponse> answers;
  std::vector<std::string> asked;
};

struct RabbitWorld {
  RabbitWorld() {
    settings.name = "main";
    settings.url = "http://mq:15672";
    settings.user = "tocsin";
    http.set("/api/overview", kOverviewText);
    http.set("/api/nodes", kNodesText);
    http.set("/api/queues", page({}));
  }

  RecordingRound round() {
    if (!source) {
      source = std::make_unique<RabbitmqSource>(settings,
                                                RabbitmqSource::World{executor, http, failures});
    }
    std::optional<RecordingRound> told;
    source->start(clock.wall(), [&](const Fill& fill) {
      REQUIRE_FALSE(told);
      told.emplace();
      fill(*told);
    });
    executor.run_for(base::Duration{15'000});
    REQUIRE(told);
    CHECK_FALSE(told->repeated);
    return *told;
  }

  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::FailureLog failures{"test"};
  FakeBroker http;
  RabbitmqSettings settings;
  std::unique_ptr<RabbitmqSource> source;
};

std::string rabbit_configured(const std::string& text) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  const auto all = read_rabbitmq_settings(root, base::Duration{15'000});
  std::string messages;
  for (const auto& each : diagnostics) messages += each.message + "\n";
  return messages.empty() && !all.empty() ? all.front().url + "|" + all.front().user : messages;
}

}  // namespace

TEST_CASE("rabbitmq: the broker's numbers, its nodes and alarms") {
  RabbitWorld world;
  const RecordingRound sink = world.round();
  CHECK(sink.value("rabbitmq_up") == 1);
  CHECK(sink.value("rabbitmq_build_info,erlang_version=25.2.3,rabbitmq_version=3.10.8") == 1);
  CHECK(sink.value("rabbitmq_connections") == 2);
  CHECK(sink.value("rabbitmq_queue_messages_global") == 3);
  CHECK(sink.value("rabbitmq_channel_messages_unroutable_dropped_total") == 1);
  // Not gathered yet is not 0.
  CHECK_FALSE(sink.value("rabbitmq_channel_messages_acked_total"));
  CHECK(sink.value("rabbitmq_alarms_memory_used_watermark,node=rabbit@mq1") == 0);
  CHECK(sink.value("rabbitmq_alarms_free_disk_space_watermark,node=rabbit@mq1") == 1);
  CHECK(sink.value("rabbitmq_erlang_uptime_seconds,node=rabbit@mq1") == doctest::Approx(26.436));
  CHECK(sink.value("rabbitmq_running,node=rabbit@mq2") == 0);
  CHECK_FALSE(sink.value("rabbitmq_process_resident_memory_bytes,node=rabbit@mq2"));
}

TEST_CASE("rabbitmq: Dramatiq's three queues are one; delayed are those that a worker holds too") {
  RabbitWorld world;
  world.http.set("/api/queues", page({queue("mail", 4, 2, 1), queue("mail.DQ", 1, 30, 1),
                                      queue("mail.XQ", 5, 0, 0), queue("celery", 7, 0, 0),
                                      queue("orders", 3, 0, 2), queue("orders.dead", 9, 0, 0),
                                      queue("amq.gen-x", 1, 0, 1)}));
  const RecordingRound sink = world.round();
  const std::string mail = ",queue=mail,system=dramatiq,vhost=/";
  CHECK(sink.value("queue_messages" + mail) == 4);
  CHECK(sink.value("queue_messages_unacked" + mail) == 2);
  CHECK(sink.value("queue_messages_delayed" + mail) == 31);
  CHECK(sink.value("queue_messages_dead" + mail) == 5);
  CHECK(sink.value("queue_consumers" + mail) == 1);
  CHECK(sink.value("queue_workers_alive,system=dramatiq,vhost=/") == 1);
  CHECK(sink.value("queue_consumers,queue=celery,system=celery,vhost=/") == 0);
  // Nobody has seen a Celery worker: there may be none by design.
  CHECK_FALSE(sink.value("queue_workers_alive,system=celery,vhost=/"));
  CHECK(sink.value("queue_messages,queue=orders,system=rabbitmq,vhost=/") == 3);
  CHECK(sink.value("queue_messages_dead,queue=orders.dead,system=rabbitmq,vhost=/") == 9);
  CHECK_FALSE(sink.value("queue_messages,queue=orders.dead,system=rabbitmq,vhost=/"));
  for (const auto& [series, value] : sink.samples) {
    CHECK(series.find("amq.gen") == std::string::npos);
    CHECK((!series.starts_with("queue_") || series.find("mail.DQ") == std::string::npos));
  }
  // The native names have every queue as it is.
  CHECK(sink.value("rabbitmq_queue_messages_unacked,queue=mail.DQ,vhost=/") == 30);

  world.http.set("/api/queues", page({queue("mail", 4, 0, 0), queue("mail.DQ", 31, 0, 0),
                                      queue("mail.XQ", 5, 0, 0)}));
  const RecordingRound dead = world.round();
  CHECK(dead.value("queue_workers_alive,system=dramatiq,vhost=/") == 0);
  CHECK(dead.value("queue_messages_delayed" + mail) == 31);
}

TEST_CASE("rabbitmq: a plan of workers is told, a mistake in it is said") {
  RabbitWorld world;
  world.settings.queues.plan = {{{"dramatiq", 3}}, {{"dramatiq", 8}, {"celery", 2}}};
  world.http.set("/api/queues", page({queue("mail", 4, 2, 1), queue("mail.DQ", 1, 0, 1),
                                      queue("mail.XQ", 0, 0, 0)}));
  const RecordingRound sink = world.round();
  CHECK(sink.value("queue_workers_expected,system=dramatiq") == 3);
  CHECK(sink.value("queue_worker_threads,system=dramatiq") == 8);
  CHECK_FALSE(sink.value("queue_worker_threads,system=celery"));
  const std::string table =
      "[[rabbitmq]]\nuser = \"u\"\npassword = \"${HOME}\"\nworkers_expected = { rq = 1 }\n";
  CHECK(rabbit_configured(table).find("'rq' is no task queue whose workers are known here") !=
        std::string::npos);
}

TEST_CASE("rabbitmq: the age of the first message, from counts; the publisher's time is better") {
  RabbitWorld world;
  const auto counted = [](int ready, int published, const std::string& more = {}) {
    return fmt::format(
        R"({{"name":"q","vhost":"/","messages_ready":{},"messages":{},"consumers":1,)"
        R"("message_stats":{{"publish":{}}}{}}})",
        ready, ready, published, more);
  };
  const std::string age = "queue_oldest_message_age_seconds,queue=q,system=rabbitmq,vhost=/";
  const std::string estimated = "queue_age_estimated,queue=q,system=rabbitmq,vhost=/";
  const auto read = [&](const std::string& text) {
    world.http.set("/api/queues", page({text}));
    return world.round();
  };
  // Each round is 15 s after the one before.
  CHECK(read(counted(0, 100)).value(age) == 0);
  CHECK(read(counted(5, 105)).value(age) == 0);   // five arrived just now
  CHECK(read(counted(5, 105)).value(age) == 15);  // the same five
  CHECK(read(counted(5, 108)).value(age) == 30);  // three came, three left: two of the old remain
  CHECK(read(counted(5, 110)).value(age) == 15);  // the last two of them left
  CHECK(read(counted(5, 210)).value(age) == 0);   // all are new: never empty, and never old
  const RecordingRound last = read(counted(3, 210));
  CHECK(last.value(age) == 15);
  CHECK(last.value(estimated) == 1);
  const auto head = base::to_ms(world.clock.wall()) / 1000 - 90;
  const RecordingRound better =
      read(counted(3, 210, fmt::format(R"(,"head_message_timestamp":{})", head)));
  CHECK(better.value(age) == doctest::Approx(90).epsilon(0.01));
  CHECK(better.value(estimated) == 0);
  CHECK(read(counted(0, 210)).value(age) == 0);
  // A broker that started anew counts from 0; growth is seen all the same.
  CHECK(read(counted(2, 1)).value(age) == 0);
  CHECK(read(counted(2, 1)).value(age) == 15);
}

TEST_CASE("rabbitmq: dead letters age, too, though nobody counts them as published") {
  RabbitWorld world;
  const auto read = [&](int dead) {
    world.http.set("/api/queues", page({queue("mail", 0, 0, 1), queue("mail.DQ", 0, 0, 1),
                                        queue("mail.XQ", dead, 0, 0), queue("x.dlq", dead, 0, 0)}));
    return world.round();
  };
  const std::string mail =
      "queue_oldest_dead_message_age_seconds,queue=mail,system=dramatiq,vhost=/";
  const std::string other =
      "queue_oldest_dead_message_age_seconds,queue=x.dlq,system=rabbitmq,vhost=/";
  CHECK(read(0).value(mail) == 0);
  CHECK(read(1).value(mail) == 0);
  const RecordingRound third = read(4);
  CHECK(third.value(mail) == 15);
  CHECK(third.value(other) == 15);
  CHECK(read(3).value(mail) == 15);  // the first was deleted
}

TEST_CASE("rabbitmq: what is remembered of a queue is bounded, and never makes it older") {
  QueueAges ages;
  RabbitQueue queue{"/", "q", {}};
  std::optional<QueueAge> told;
  for (int i = 0; i <= 1000; ++i) {
    queue.numbers = {{"messages_ready", i}, {"message_stats.publish", i}};
    told = ages.note(queue, base::wall_time(i * 1000));
  }
  REQUIRE(told);
  CHECK(told->seconds <= 999);
  CHECK(told->seconds >= 900);
  ages.forget_others();
  ages.forget_others();
  CHECK(ages.note(queue, base::wall_time(2'000'000))->seconds == 0);  // a new queue of that name
}

TEST_CASE("rabbitmq: pages are turned up to queues_max, and what is left out is said") {
  RabbitWorld world;
  world.settings.queues_max = 3;
  world.http.set("/api/queues?page=1&", page({queue("a", 1, 0, 0), queue("b", 1, 0, 0)}, 3));
  world.http.set("/api/queues?page=2&", page({queue("c", 1, 0, 0), queue("d", 1, 0, 0)}, 3));
  const RecordingRound sink = world.round();
  CHECK(sink.value("queue_messages,queue=c,system=rabbitmq,vhost=/") == 1);
  CHECK_FALSE(sink.value("queue_messages,queue=d,system=rabbitmq,vhost=/"));
  CHECK(sink.value("tocsin_agent_check_failed,check=queues,reason=limit_exceeded") == 1);
}

TEST_CASE("rabbitmq: in between the last answer about queues is told; after a failure it is not") {
  RabbitWorld world;
  world.settings.queues_interval = base::Duration{60'000};
  world.http.set("/api/queues", page({queue("a", 1, 0, 0)}));
  CHECK(world.round().value("rabbitmq_queue_messages,queue=a,vhost=/") == 1);
  world.http.set("/api/queues", "busy", 503);
  const std::size_t asked = world.http.asked.size();
  CHECK(world.round().value("rabbitmq_queue_messages,queue=a,vhost=/") == 1);
  CHECK(world.http.asked.size() == asked + 2);
  world.round();
  world.round();
  const RecordingRound later = world.round();
  CHECK_FALSE(later.value("rabbitmq_queue_messages,queue=a,vhost=/"));
  CHECK(later.value("tocsin_agent_check_failed,check=queues,reason=unavailable") == 1);
}

TEST_CASE("rabbitmq: who may not look is told which tag is missing; a web page is no broker") {
  RabbitWorld world;
  world.http.set("/api/nodes", R"({"error":"not_authorised","reason":"Not monitor user"})", 401);
  const RecordingRound sink = world.round();
  CHECK(sink.value("rabbitmq_up") == 1);
  CHECK(sink.value("tocsin_agent_check_failed,check=nodes,reason=permission_denied") == 1);
  world.http.set("/api/overview", "<html>", 200);
  const RecordingRound down = world.round();
  CHECK(down.value("rabbitmq_up") == 0);
  CHECK(down.value("tocsin_agent_check_failed,check=connection,reason=invalid_argument") == 1);
  CHECK(down.samples.size() == 2);
}

TEST_CASE("rabbitmq: queues that the user may not see are a missing permission, not none") {
  RabbitWorld world;
  world.http.set("/api/queues", page({}));
  CHECK(world.round().value("tocsin_agent_check_failed,check=queues,reason=permission_denied") ==
        1);
  // One fewer than were counted a moment ago may have been deleted; twice in a row it is hidden.
  const std::vector<std::string> three{queue("a", 1, 0, 0), queue("b", 1, 0, 0),
                                       queue("c", 1, 0, 0)};
  world.http.set("/api/queues", page({three[0], three[1], three[2], queue("d", 1, 0, 0)}));
  CHECK_FALSE(
      world.round().value("tocsin_agent_check_failed,check=queues,"
                          "reason=permission_denied"));
  world.http.set("/api/queues", page(three));
  CHECK_FALSE(
      world.round().value("tocsin_agent_check_failed,check=queues,"
                          "reason=permission_denied"));
  const RecordingRound sink = world.round();
  CHECK(sink.value("tocsin_agent_check_failed,check=queues,reason=permission_denied") == 1);
  CHECK(sink.value("rabbitmq_queue_messages,queue=a,vhost=/") == 1);
}

TEST_CASE("rabbitmq: only the vhosts that are named are asked for") {
  RabbitWorld world;
  world.settings.vhosts = {"/", "shop"};
  world.http.set("/api/queues", "not asked", 500);
  world.http.set("/api/queues/%2F?", page({queue("a", 1, 0, 0)}));
  world.http.set("/api/queues/shop?", page({queue("b", 2, 0, 0)}));
  RecordingRound sink = world.round();
  CHECK(sink.value("rabbitmq_queue_messages,queue=a,vhost=/") == 1);
  CHECK(sink.value("rabbitmq_queue_messages,queue=b,vhost=/") == 2);
  CHECK_FALSE(sink.value("tocsin_agent_check_failed,check=queues,reason=permission_denied"));
  world.http.set("/api/queues/shop?", R"({"reason":"User not authorised to access virtual host"})",
                 401);
  sink = world.round();
  CHECK(sink.value("tocsin_agent_check_failed,check=queues,reason=permission_denied") == 1);
}

TEST_CASE("rabbitmq: malformed answers are errors, whatever they are") {
  for (const char* text : {"", "[]", "{}", "{\"items\":{}}", "{\"items\":[1]}", "\xff", "null"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_overview(text));
    CHECK_FALSE(parse_queue_page(text));
  }
  CHECK_FALSE(parse_nodes("{}"));
  CHECK_FALSE(parse_nodes("[1]"));
  CHECK(parse_nodes("[]"));
  CHECK_FALSE(parse_overview(std::string(10'000, '[')));
  CHECK(error_reason("{\"error\":\"x\"}") == "x");
  CHECK(error_reason("gone") == "");
}

TEST_CASE("rabbitmq: the configuration says what it cannot read") {
  const std::string ok =
      "[[rabbitmq]]\nuser = \"u\"\npassword_file = \"" TOCSIN_SOURCE_DIR "/README.md\"\n";
  CHECK(rabbit_configured("[[rabbitmq]]\n") ==
        "'user' is missing in [[rabbitmq]]\nthe password is missing\n");
  const std::string read = rabbit_configured(ok + "queues = [\"sidekiq\"]\n");
  CHECK(read.find("'sidekiq' is no task queue that is known here") != std::string::npos);
  CHECK(rabbit_configured(ok + "url = \"mq:15672\"\n").find("no http:// or https:// address") !=
        std::string::npos);
  CHECK(rabbit_configured(ok + "queues_exclude = \"(\"\n").find("missing )") != std::string::npos);
}

}  // namespace tocsin::agent
