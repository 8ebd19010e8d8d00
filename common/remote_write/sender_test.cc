#include "common/remote_write/sender.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "common/base/sim_executor.h"
#include "common/remote_write/batches.h"
#include "common/spool/memory_files.h"

using namespace tocsin;
using namespace tocsin::remote_write;
using spool::MemoryFiles;
using spool::Spool;
using spool::SpoolOptions;
using namespace std::chrono_literals;

namespace {

net::HttpResponse status(int code, std::string body = {}) {
  net::HttpResponse response;
  response.status = code;
  response.body = std::move(body);
  if (code / 100 == 2) {
    response.headers.emplace_back("x-prometheus-remote-write-samples-written", "1");
  }
  return response;
}

// A receiver that decodes what it gets and answers what the test says, after 20 ms.
class FakeReceiver final : public net::HttpClient {
 public:
  struct Request {
    base::MonotonicTime at;
    proto::Version version;
    std::size_t samples;
    std::string token;
  };
  explicit FakeReceiver(base::SimExecutor& executor) : executor_(executor) {}

  // What to answer; the samples are taken only if the answer is 2xx, or if `takes_anyway`.
  std::function<base::Result<net::HttpResponse>(const model::WriteBatch&)> answer =
      [](const model::WriteBatch&) { return base::Result<net::HttpResponse>(status(204)); };
  bool takes_anyway = false;
  std::vector<Request> requests;
  std::vector<std::int64_t> taken;  // Values of the series "x", in order of arrival.
  int in_flight = 0;
  int in_flight_max = 0;

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    in_flight_max = std::max(in_flight_max, ++in_flight);
    std::string type;
    for (const auto& [name, value] : request.headers) {
      if (base_equal(name, "content-type")) type = value;
    }
    const auto version = proto::negotiate(type, "snappy");
    REQUIRE(version);
    auto batch = proto::decode(*version, request.body, proto::Limits{});
    REQUIRE(batch);
    requests.push_back({executor_.clock().monotonic(), *version, batch->sample_count(),
                        request.bearer_token.reveal()});
    auto reply = answer(*batch);
    const bool takes = (reply && reply->status / 100 == 2) || takes_anyway;
    if (takes) {
      for (const auto& series : batch->series()) {
        if (model::Labels::from_sorted(batch->labels(series)).metric_name() != "x") continue;
        for (const model::Sample& sample : batch->samples(series)) {
          taken.push_back(static_cast<std::int64_t>(sample.value));
        }
      }
    }
    executor_.post_after(20ms, [this, &reply_on, reply, done = std::move(done)] {
      --in_flight;
      reply_on.post([reply, done] { done(reply); });
    });
  }

 private:
  static bool base_equal(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return std::tolower(x) == std::tolower(y); });
  }
  base::SimExecutor& executor_;
};

base::Result<net::HttpResponse> down() {
  return base::error(base::ErrorCode::Unavailable, "cannot connect to 127.0.0.1:9464");
}

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  MemoryFiles files;
  std::unique_ptr<base::Random> random = base::make_seeded_random(7);
  FakeReceiver receiver{executor};
  std::unique_ptr<Spool> spool = make_spool();
  std::unique_ptr<Sender> sender = make_sender();
  int pushed = 0;

  std::unique_ptr<Spool> make_spool() {
    SpoolOptions options;
    options.folder = "/spool";
    return std::make_unique<Spool>(options, Spool::World{files, clock, metrics});
  }
  static SenderOptions options() {
    SenderOptions options;
    options.url = "http://127.0.0.1:9464/api/v1/write";
    options.host = "db1";
    options.token = base::Secret("secret");
    return options;
  }
  std::unique_ptr<Sender> make_sender() {
    return std::make_unique<Sender>(options(),
                                    Sender::World{executor, receiver, *spool, *random, metrics});
  }
  // One round: the counter x and ninety-nine other series.
  void round() {
    model::WriteBatch batch;
    const std::int64_t at = base::to_ms(clock.wall());
    batch.add(model::Labels{{"__name__", "x"}, {"host", "db1"}},
              {at, static_cast<double>(pushed++)});
    for (int n = 0; n < 99; ++n) {
      batch.add(model::Labels{{"__name__", "other"}, {"n", std::to_string(n)}}, {at, 1.0});
    }
    sender->push(std::move(batch));
  }
  void rounds(int count) {
    for (int n = 0; n < count; ++n) {
      round();
      executor.run_for(15s);
    }
  }
  void check_all_taken() {
    REQUIRE(receiver.taken.size() == static_cast<std::size_t>(pushed));
    for (int n = 0; n < pushed; ++n) CHECK(receiver.taken[static_cast<std::size_t>(n)] == n);
    CHECK(spool->empty());
  }
  double failures(const std::string& reason) {
    return metrics.counter("tocsin_agent_send_failures_total", "", {{"reason", reason}}).value();
  }
  double dropped(const std::string& reason) {
    return metrics.counter("tocsin_agent_samples_dropped_total", "", {{"reason", reason}}).value();
  }
};

}  // namespace

TEST_CASE("a copy of a batch has everything, and lives longer than the original") {
  auto batch = std::make_unique<model::WriteBatch>();
  model::LabelsBuilder labels;
  labels.set("__name__", "x");
  labels.set("host", "a");
  batch->add(labels.build(), {1'000, 1});
  batch->add_sample({2'000, 2});
  labels.set("host", "b");
  batch->add(labels.build(), {1'000, 3});
  batch->add_metadata({batch->text().copy("x"), model::MetricType::Gauge,
                       batch->text().copy("What it is."), batch->text().copy("bytes")});
  const std::string before = proto::encode_v2(*batch);
  const model::WriteBatch copy = copy_batch(*batch);
  batch.reset();
  CHECK(copy.sample_count() == 3);
  CHECK(proto::encode_v2(copy) == before);
}

TEST_CASE(
    "every round is one request of version 2.0 with the token, sent within a fraction of a "
    "second") {
  World world;
  world.rounds(4);
  world.check_all_taken();
  REQUIRE(world.receiver.requests.size() == 4);
  CHECK(world.receiver.requests[0].version == proto::Version::V2);
  CHECK(world.receiver.requests[0].token == "secret");
  CHECK(world.receiver.requests[0].at.time_since_epoch() == 100ms);
  CHECK(world.metrics.counter("tocsin_agent_samples_sent_total", "").value() == 400);
  CHECK(world.executor.pending() == 0);  // An idle agent wakes nobody.
}

TEST_CASE("batches of one moment travel together") {
  World world;
  world.round();
  world.round();
  world.executor.run_for(1s);
  CHECK(world.receiver.requests.size() == 1);
  world.check_all_taken();
}

TEST_CASE("five minutes down: then everything, in order, nothing lost, nothing doubled") {
  World world;
  world.rounds(2);
  world.receiver.answer = [](const model::WriteBatch&) { return down(); };
  world.rounds(20);
  CHECK(world.receiver.taken.size() == 2);
  CHECK(world.failures("network") >= 5);
  CHECK(world.failures("network") <= 40);
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(200));
  };
  world.rounds(6);  // The longest pause is a minute.
  world.check_all_taken();
  CHECK(world.receiver.in_flight_max == 1);
  // Twenty batches of a hundred samples fit one request of 2000.
  CHECK(std::any_of(world.receiver.requests.begin(), world.receiver.requests.end(),
                    [](const auto& request) { return request.samples > 1'500; }));
}

TEST_CASE("a lost answer is sent again, and that is the only doubling") {
  World world;
  world.receiver.takes_anyway = true;
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(
        base::error(base::ErrorCode::Timeout, "no answer in 10s"));
  };
  world.round();
  world.executor.run_for(200ms);
  world.receiver.takes_anyway = false;
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(204));
  };
  world.executor.run_for(10s);
  CHECK(world.receiver.taken == std::vector<std::int64_t>{0, 0});
  CHECK(world.failures("timeout") == 1);
}

TEST_CASE("the pauses grow, have jitter, stay within a minute and a second") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(503));
  };
  world.rounds(240);  // An hour.
  const auto& requests = world.receiver.requests;
  // Full jitter means 30 s on average at the end: about 120 in an hour.
  CHECK(requests.size() > 60);
  CHECK(requests.size() < 240);
  for (std::size_t n = 1; n < requests.size(); ++n) {
    CHECK(requests[n].at - requests[n - 1].at <= 61'100ms);
  }
  CHECK(requests[1].at - requests[0].at <= 2'100ms);
  CHECK(world.spool->records() == 240);
}

TEST_CASE("Retry-After is honoured") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) {
    net::HttpResponse response = status(429);
    response.headers.emplace_back("retry-after", "120");
    return base::Result<net::HttpResponse>(response);
  };
  world.round();
  world.executor.run_for(110s);
  CHECK(world.receiver.requests.size() == 1);
  world.executor.run_for(15s);
  CHECK(world.receiver.requests.size() == 2);
}

TEST_CASE("a receiver of 1.0 gets 1.0, and is asked again after an hour") {
  World world;
  SUBCASE("that refuses the content type") {
    world.receiver.answer = [&](const model::WriteBatch&) {
      const bool v2 = world.receiver.requests.back().version == proto::Version::V2;
      return base::Result<net::HttpResponse>(status(v2 ? 415 : 204));
    };
  }
  SUBCASE("that ignores it and says nothing of what it wrote") {
    world.receiver.answer = [&](const model::WriteBatch&) {
      net::HttpResponse response;
      response.status = world.receiver.requests.back().version == proto::Version::V2 ? 299 : 200;
      return base::Result<net::HttpResponse>(response);
    };
  }
  world.round();
  world.executor.run_for(15s);
  REQUIRE(world.receiver.requests.size() == 2);
  CHECK(world.receiver.requests[1].version == proto::Version::V1);
  CHECK(world.spool->empty());
  world.round();
  world.executor.run_for(15s);
  CHECK(world.receiver.requests.size() == 3);
  world.executor.run_for(1h);
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(204));
  };
  world.round();
  world.executor.run_for(15s);
  CHECK(world.receiver.requests.back().version == proto::Version::V2);
}

TEST_CASE("a batch that is refused is dropped alone, with its neighbours delivered") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) { return down(); };
  world.rounds(5);
  world.receiver.answer = [](const model::WriteBatch& batch) {
    for (const auto& series : batch.series()) {
      if (model::Labels::from_sorted(batch.labels(series)).metric_name() != "x") continue;
      for (const model::Sample& sample : batch.samples(series)) {
        if (sample.value == 2) return base::Result<net::HttpResponse>(status(400, "bad sample"));
      }
    }
    return base::Result<net::HttpResponse>(status(204));
  };
  world.executor.run_for(5min);
  CHECK(world.receiver.taken == std::vector<std::int64_t>{0, 1, 3, 4});
  CHECK(world.dropped("refused") == 100);
  CHECK(world.spool->empty());
}

TEST_CASE("too large: smaller requests, down to one batch, which is then dropped") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) { return down(); };
  world.rounds(8);
  std::size_t bound = 250;
  world.receiver.answer = [&](const model::WriteBatch& batch) {
    return base::Result<net::HttpResponse>(status(batch.sample_count() > bound ? 413 : 204));
  };
  world.executor.run_for(5min);
  world.check_all_taken();
  bound = 50;
  world.round();
  world.executor.run_for(1min);
  CHECK(world.dropped("refused") == 100);
  CHECK(world.spool->empty());
}

TEST_CASE("a wrong token keeps the data and asks slowly; the right one is tried at once") {
  World world;
  world.receiver.answer = [&](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(
        status(world.receiver.requests.back().token == "right" ? 204 : 401, "unknown token"));
  };
  world.rounds(40);  // Ten minutes, a try about every minute.
  CHECK(world.receiver.requests.size() >= 8);
  CHECK(world.receiver.requests.size() <= 11);
  CHECK(world.spool->records() == 40);
  SenderOptions options = World::options();
  options.token = base::Secret("right");
  world.sender->configure(options);
  world.executor.run_for(5s);
  world.check_all_taken();
}

TEST_CASE("settings that change while a request is under way are tried right after it") {
  World world;
  world.receiver.answer = [&](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(
        status(world.receiver.requests.back().token == "right" ? 204 : 401));
  };
  world.round();
  world.executor.run_for(105ms);
  REQUIRE(world.receiver.in_flight == 1);
  SenderOptions options = World::options();
  options.token = base::Secret("right");
  world.sender->configure(options);
  world.executor.run_for(1s);
  CHECK(world.receiver.in_flight_max == 1);
  world.check_all_taken();
}

TEST_CASE("a backlog is replayed no faster than the bound") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) { return down(); };
  for (int n = 0; n < 400; ++n) world.round();  // 40 000 samples.
  world.executor.run_for(1s);
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(204));
  };
  const std::size_t before = world.receiver.requests.size();
  world.executor.run_for(2min);
  world.check_all_taken();
  // Requests of 2000 samples at 10 000 a second are 200 ms apart.
  const auto& requests = world.receiver.requests;
  REQUIRE(requests.size() >= before + 20);
  for (std::size_t n = before + 1; n < requests.size(); ++n) {
    CHECK(requests[n].samples <= 2'000);
    CHECK(requests[n].at - requests[n - 1].at >= 200ms);
  }
}

TEST_CASE("kill -9 in the middle of an outage, and a start with an empty memory") {
  World world;
  world.receiver.answer = [](const model::WriteBatch&) { return down(); };
  world.rounds(6);
  world.sender.reset();
  world.spool = world.make_spool();
  world.sender = world.make_sender();
  world.receiver.answer = [](const model::WriteBatch&) {
    return base::Result<net::HttpResponse>(status(204));
  };
  world.sender->start();
  world.executor.run_for(5s);
  world.check_all_taken();
}

TEST_CASE("a stored batch that is no request is dropped and counted") {
  World world;
  world.spool->append("rubbish", 5);
  world.spool->append("rubbish", 5);
  world.round();
  world.executor.run_for(1min);
  world.check_all_taken();
  CHECK(world.dropped("unreadable") == 10);
}

TEST_CASE("a stop waits for the answer under way, then flushes") {
  World world;
  world.round();
  world.executor.run_for(105ms);
  REQUIRE(world.receiver.in_flight == 1);
  bool done = false;
  world.sender->stop([&] { done = true; });
  CHECK_FALSE(done);
  world.executor.run_for(100ms);
  CHECK(done);
  CHECK(world.spool->empty());
  world.round();  // What still arrives is stored, not sent.
  world.executor.run_for(1min);
  CHECK(world.receiver.requests.size() == 1);
  CHECK(world.spool->records() == 1);
}

TEST_CASE("a batch over the bound is cut; merging gives each series once") {
  model::WriteBatch batch;
  for (int n = 0; n < 25; ++n) {
    batch.add(model::Labels{{"__name__", "y"}, {"n", std::to_string(n)}}, {1000, 1.0 * n});
  }
  batch.add_metadata({"y", model::MetricType::Gauge, "An example.", {}});
  std::vector<model::WriteBatch> parts = split_batch(std::move(batch), 10);
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].sample_count() == 10);
  CHECK(parts[2].sample_count() == 5);
  CHECK(parts[2].metadata().size() == 1);

  model::WriteBatch later;
  later.add(model::Labels{{"__name__", "y"}, {"n", "3"}}, {2000, 33.0});
  parts.push_back(std::move(later));
  const model::WriteBatch merged = merge_batches(parts);
  CHECK(merged.series_count() == 25);
  CHECK(merged.sample_count() == 26);
  CHECK(merged.metadata().size() == 1);
  const auto samples = merged.samples(merged.series()[3]);
  REQUIRE(samples.size() == 2);
  CHECK(samples[1] == model::Sample{2000, 33.0});
}

TEST_CASE("what each answer means") {
  const auto verdict = [](int code) {
    return judge(base::Result<net::HttpResponse>(status(code)), proto::Version::V2).verdict;
  };
  for (const int code : {200, 204}) CHECK(verdict(code) == Verdict::Delivered);
  for (const int code : {408, 425, 429, 500, 502, 503}) CHECK(verdict(code) == Verdict::Retry);
  for (const int code : {301, 401, 403, 404, 405, 407})
    CHECK(verdict(code) == Verdict::AskOperator);
  for (const int code : {400, 409, 422}) CHECK(verdict(code) == Verdict::Drop);
  CHECK(verdict(413) == Verdict::SmallerRequest);
  CHECK(verdict(415) == Verdict::OlderVersion);
  CHECK(judge(status(415), proto::Version::V1).verdict == Verdict::AskOperator);
  const std::string message =
      judge(status(400, std::string(5000, 'x')), proto::Version::V2).message;
  CHECK(message.size() < 400);
}
