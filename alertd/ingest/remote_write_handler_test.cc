#include "alertd/ingest/remote_write_handler.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <snappy.h>

#include <deque>

#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ingest {
namespace {

using model::Labels;
using model::WriteBatch;

constexpr std::int64_t kNow = 1'700'000'000'000;

/// Answers at once as told, or keeps the answers back.
class FakeAppender final : public model::Appender {
 public:
  void append(std::shared_ptr<const WriteBatch> batch, model::AppendDone done) override {
    batches.push_back(batch);
    if (hold) {
      held.push_back(std::move(done));
    } else if (error) {
      done(*error);
    } else {
      model::AppendOutcome outcome = answer;
      outcome.samples_appended += batch->sample_count();
      for (std::uint32_t i = 0; knows && i < batch->series_count(); ++i) {
        const auto& series = batch->series()[i];
        if (series.known != nullptr) continue;
        outcome.known.emplace_back(
            i, model::KnownSeries{
                   std::make_shared<const Labels>(Labels::from_sorted(batch->labels(series))), i});
      }
      done(outcome);
    }
  }
  std::vector<std::shared_ptr<const WriteBatch>> batches;
  std::deque<model::AppendDone> held;
  std::optional<base::Error> error;
  model::AppendOutcome answer;
  bool hold = false;
  bool knows = false;  ///< Tells of series as the store does.
};

struct World {
  sim::SimFileSystem files;
  base::SimClock clock{base::wall_time(kNow)};
  std::unique_ptr<base::Random> random = base::make_seeded_random(5);
  AgentRegistry registry{files, clock, *random, "/agents.json"};
  base::Metrics metrics;
  FakeAppender appender;
  RemoteWriteOptions options;
  std::unique_ptr<RemoteWriteHandler> handler;
  std::string token;

  World() {
    token = registry.add({"db1", Labels{{"env", "prod"}}, {"web-*"}})->reveal();
    start();
  }
  void start() {
    handler = std::make_unique<RemoteWriteHandler>(options, registry, appender, clock, metrics);
  }

  static net::ServerRequest request(std::string body, const std::string& bearer) {
    net::ServerRequest request;
    request.method = "POST";
    request.path = "/api/v1/write";
    request.body = std::move(body);
    request.headers = {{"content-type", "application/x-protobuf"}, {"content-encoding", "snappy"}};
    if (!bearer.empty()) request.headers.emplace_back("authorization", "Bearer " + bearer);
    request.peer_address = bearer.empty() ? "127.0.0.1" : "192.0.2.7";
    request.peer_is_loopback = bearer.empty();
    return request;
  }
  std::optional<net::ServerResponse> send(net::ServerRequest what) {
    std::optional<net::ServerResponse> response;
    int answers = 0;
    handler->handle(std::move(what), [&](net::ServerResponse given) {
      response = std::move(given);
      ++answers;
    });
    CHECK(answers <= 1);
    return response;
  }
  net::ServerResponse post(const WriteBatch& batch, const std::string& bearer) {
    return *send(request(proto::encode_v1(batch), bearer));
  }
  Labels stored(std::size_t batch, std::size_t series) const {
    const WriteBatch& given = *appender.batches.at(batch);
    return Labels::from_sorted(given.labels(given.series()[series]));
  }
  double metric(const std::string& name, const std::string& label, const std::string& value) const {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name != name) continue;
      const auto at = point.labels.find(label);
      if (at != point.labels.end() && at->second == value) return point.value;
    }
    return -1;
  }
  double refused(const std::string& reason) const {
    return metric("tocsin_alertd_ingest_refused_total", "reason", reason);
  }
};

WriteBatch one(const Labels& labels) {
  WriteBatch batch;
  batch.add(labels, {kNow, 1});
  return batch;
}

std::string header(const net::ServerResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

void expect(const net::ServerResponse& response, int status, std::string_view text) {
  CHECK(response.status == status);
  CHECK_MESSAGE(response.body.find(text) != std::string::npos, response.body);
  CHECK(response.body.starts_with("{\"status\":\"error\",\"errorType\":\""));
}

TEST_CASE("an agent's samples are stamped and written") {
  World w;
  WriteBatch batch;
  batch.add(Labels{{"__name__", "load1"}}, {kNow, 1});
  batch.add(Labels{{"__name__", "load1"}, {"zone", "a"}, {"instance", "db1:9100"}}, {kNow, 2});
  batch.add(Labels{{"__name__", "up"}, {"host", "web-3"}}, {kNow, 3});
  batch.add(Labels{{"__name__", "up"}, {"env", "prod"}, {"host", "db1"}, {"instance", "i"}},
            {kNow, 4});
  const auto response = w.post(batch, w.token);
  CHECK(response.status == 204);
  CHECK(response.body.empty());
  CHECK(header(response, "X-Prometheus-Remote-Write-Samples-Written") == "4");
  CHECK(header(response, "X-Prometheus-Remote-Write-Histograms-Written") == "0");
  CHECK(w.stored(0, 0) ==
        Labels{{"__name__", "load1"}, {"env", "prod"}, {"host", "db1"}, {"instance", "db1"}});
  CHECK(w.stored(0, 1) == Labels{{"__name__", "load1"},
                                 {"env", "prod"},
                                 {"host", "db1"},
                                 {"instance", "db1:9100"},
                                 {"zone", "a"}});
  CHECK(w.stored(0, 2) ==
        Labels{{"__name__", "up"}, {"env", "prod"}, {"host", "web-3"}, {"instance", "web-3"}});
  CHECK(w.stored(0, 3) ==
        Labels{{"__name__", "up"}, {"env", "prod"}, {"host", "db1"}, {"instance", "i"}});
  CHECK(w.metric("tocsin_alertd_ingest_samples_total", "sender", "db1") == 4);
}

TEST_CASE("version 2 works the same") {
  World w;
  auto request = World::request(proto::encode_v2(one(Labels{{"__name__", "up"}})), w.token);
  request.headers[0].second = proto::kContentTypeV2;
  CHECK(w.send(std::move(request))->status == 204);
  CHECK(w.stored(0, 0).get("host") == "db1");
}

TEST_CASE("a foreign identity refuses the whole request") {
  World w;
  WriteBatch batch = one(Labels{{"__name__", "up"}});
  batch.add(Labels{{"__name__", "up"}, {"host", "db2"}}, {kNow, 1});
  expect(w.post(batch, w.token), 403, "agent 'db1' sent series 'up' with host 'db2'");
  CHECK(w.appender.batches.empty());
  CHECK(w.refused("foreign_host") == 1);
  expect(w.post(one(Labels{{"__name__", "up"}, {"env", "test"}}), w.token), 403,
         "sent label env='test', but is held to 'prod'");
  CHECK(w.refused("foreign_label") == 1);
}

TEST_CASE("reserved names are refused from everybody outside") {
  World w;
  for (const char* name : {"ALERTS", "ALERTS_FOR_STATE", "tocsin_alertd_up"}) {
    const std::string expected = fmt::format("metric '{}' is reserved", name);
    expect(w.post(one(Labels{{"__name__", name}}), w.token), 400, expected);
    expect(w.post(one(Labels{{"__name__", name}}), ""), 400, expected);
  }
  CHECK(w.refused("reserved_name") == 6);
  CHECK(w.post(one(Labels{{"__name__", "ALERTS_mine"}}), w.token).status == 204);
}

TEST_CASE("reserved names among others are left out and counted; the others are taken") {
  World w;
  WriteBatch batch = one(Labels{{"__name__", "up"}});
  batch.add(Labels{{"__name__", "ALERTS"}, {"alertname", "theirs"}}, {kNow, 1});
  batch.add(Labels{{"__name__", "down"}}, {kNow, 2});
  const auto response = w.post(batch, w.token);
  CHECK(response.status == 204);
  CHECK(header(response, "X-Tocsin-Refused") == "reserved_name=1");
  REQUIRE(w.appender.batches.size() == 1);
  CHECK(w.appender.batches[0]->series_count() == 2);
  CHECK(w.appender.batches[0]->sample_count() == 2);
  CHECK(w.stored(0, 1).metric_name() == "down");
  CHECK(w.metric("tocsin_alertd_ingest_dropped_total", "kind", "reserved_name") == 1);
}

TEST_CASE("tokens") {
  World w;
  const auto wrong = w.post(one(Labels{{"__name__", "up"}}), "tca_" + std::string(64, '1'));
  expect(wrong, 401, "unknown token");
  CHECK(header(wrong, "WWW-Authenticate") == "Bearer");
  // A wrong token is wrong on loopback too.
  auto local = World::request(proto::encode_v1(one(Labels{{"__name__", "up"}})), "");
  local.headers.emplace_back("authorization", "Bearer nonsense");
  expect(*w.send(local), 401, "unknown token");
  local.headers.back().second = "Basic dXNlcjpwYXNz";
  expect(*w.send(local), 401, "only bearer tokens");
  auto remote = World::request(proto::encode_v1(one(Labels{{"__name__", "up"}})), "");
  remote.peer_is_loopback = false;
  expect(*w.send(remote), 401, "no token");
  CHECK(w.refused("token") == 4);
  REQUIRE(w.registry.remove("db1"));
  expect(w.post(one(Labels{{"__name__", "up"}}), w.token), 401, "unknown token");
}

TEST_CASE("local writers without a token keep their labels") {
  World w;
  CHECK(w.post(one(Labels{{"__name__", "up"}, {"host", "anything"}}), "").status == 204);
  CHECK(w.stored(0, 0) == Labels{{"__name__", "up"}, {"host", "anything"}});
  w.options.loopback_without_token = false;
  w.start();
  expect(w.post(one(Labels{{"__name__", "up"}}), ""), 401, "no token");
}

TEST_CASE("malformed requests get a clear answer") {
  World w;
  const std::string good = proto::encode_v1(one(Labels{{"__name__", "up"}}));
  const auto with = [&](const std::string& name, const std::string& value) {
    auto request = World::request(good, w.token);
    std::erase_if(request.headers, [&](const auto& entry) { return entry.first == name; });
    if (!value.empty()) request.headers.emplace_back(name, value);
    return *w.send(std::move(request));
  };
  expect(with("content-type", "application/json"), 415, "'application/json' is not supported");
  expect(with("content-type", ""), 415, "no content type");
  expect(with("content-type", "application/x-protobuf;proto=foo.Bar"), 415, "message 'foo.Bar'");
  expect(with("content-encoding", "gzip"), 415, "content encoding 'gzip'");
  expect(with("content-encoding", ""), 415, "content encoding ''");
  CHECK(w.refused("content_type") == 5);

  const auto body = [&](std::string bytes) {
    return *w.send(World::request(std::move(bytes), w.token));
  };
  expect(body(""), 400, "not in snappy block format");
  expect(body(good.substr(0, good.size() - 4)), 400, "snappy cannot decompress");
  std::string noise;
  snappy::Compress("\x0a\xff\xff", 3, &noise);
  expect(body(noise), 400, "not a valid protobuf message");
  expect(body(std::string("\xff\xff\xff\xff\x0f\x00\x00", 7)), 413,
         "declared size after decompression in bytes: 4294967295, limit 16777216");
  std::string empties;
  for (int i = 0; i < 1 << 20; ++i) empties.append("\x0a\x00", 2);
  std::string bomb;
  snappy::Compress(empties.data(), empties.size(), &bomb);
  expect(body(bomb), 400, "series 1: has no metric name");
  expect(body(proto::encode_v1(one(Labels{{"__name__", "up"}, {"path", std::string(70000, 'x')}}))),
         413, "label value of 'path' is 70000 bytes, limit 4096");
  expect(body(proto::encode_v1(one(Labels{{"host", "db1"}}))), 400, "has no metric name");
  expect(body(proto::encode_v1(one(Labels{{"__name__", "up"}, {"x\ny", "1"}}))), 400,
         "has a control character");
  WriteBatch twice;
  twice.begin_series();
  twice.add_label("__name__", "up");
  twice.add_label("a", "1");
  twice.add_label("a", "2");
  twice.add_sample({kNow, 1});
  expect(body(proto::encode_v1(twice)), 400, "label 'a' is there twice");
  WriteBatch nameless;
  nameless.begin_series();
  nameless.add_label("__name__", "up");
  nameless.add_label("", "1");
  nameless.add_sample({kNow, 1});
  expect(body(proto::encode_v1(nameless)), 400, "a label has an empty name");
  WriteBatch latin1;
  latin1.begin_series();
  latin1.add_label("__name__", "up");
  latin1.add_label("city", "M\xfcnchen");
  latin1.add_sample({kNow, 1});
  expect(body(proto::encode_v1(latin1)), 400, "label value of 'city' is not UTF-8");
  w.options.limits.samples_max = 0;
  w.start();
  expect(body(good), 413, "samples in request: 1, limit 0");

  auto get = World::request("", w.token);
  get.method = "GET";
  const auto refused = *w.send(std::move(get));
  expect(refused, 405, "POST only");
  CHECK(header(refused, "Allow") == "POST");
  CHECK(w.appender.batches.empty());
}

TEST_CASE("unsorted labels are sorted before they are stamped") {
  World w;
  WriteBatch batch;
  batch.begin_series();
  batch.add_label("zone", "a");
  batch.add_label("__name__", "up");
  batch.add_sample({kNow, 1});
  CHECK(w.post(batch, w.token).status == 204);
  CHECK(w.stored(0, 0) == Labels{{"__name__", "up"},
                                 {"env", "prod"},
                                 {"host", "db1"},
                                 {"instance", "db1"},
                                 {"zone", "a"}});
}

TEST_CASE("a store in trouble makes the sender wait") {
  World w;
  for (const auto code : {base::ErrorCode::Unavailable, base::ErrorCode::Io}) {
    w.appender.error = base::error(code, "store queue full: 4096 of 4096 batches");
    const auto response = w.post(one(Labels{{"__name__", "up"}}), w.token);
    expect(response, 503, "4096 of 4096");
    CHECK(header(response, "Retry-After") == "5");
  }
  CHECK(w.refused("store_unavailable") == 2);
  CHECK(w.handler->last_seen("db1")->last_seen == base::wall_time(kNow));
}

TEST_CASE("one sender cannot occupy everything") {
  World w;
  w.options.senders.agents.requests_in_flight = 2;
  w.start();
  w.appender.hold = true;
  std::vector<int> statuses;
  const auto send = [&](const std::string& token) {
    w.handler->handle(
        World::request(proto::encode_v1(one(Labels{{"__name__", "up"}})), token),
        [&statuses](net::ServerResponse response) { statuses.push_back(response.status); });
  };
  send(w.token);
  send(w.token);
  CHECK(statuses.empty());
  send(w.token);
  CHECK(statuses == std::vector{429});
  send("");  // another sender is not concerned
  CHECK(w.appender.held.size() == 3);
  for (auto& done : w.appender.held) done(model::AppendOutcome{});
  w.appender.held.clear();
  CHECK(statuses == std::vector{429, 204, 204, 204});
  send(w.token);
  CHECK(w.appender.held.size() == 1);
  w.appender.held.front()(model::AppendOutcome{});
  CHECK(statuses.back() == 204);
  CHECK(w.refused("requests_in_flight") == 1);
  CHECK(w.metric("tocsin_alertd_ingest_limited_total", "sender", "db1") == 1);
}

TEST_CASE("over a rate: refused until the debt is paid, others are not concerned") {
  World w;
  SenderLimits& limits = w.options.senders.agents;
  limits.samples_per_second = 10;
  limits.burst = std::chrono::seconds(1);
  w.start();
  WriteBatch many;
  for (int i = 0; i < 60; ++i) many.add(Labels{{"__name__", "up"}}, {kNow + i, 1});
  CHECK(w.post(many, w.token).status == 204);  // 10 were left: 50 are owed
  const auto response = w.post(one(Labels{{"__name__", "up"}}), w.token);
  expect(response, 429, "sender 'db1' is over its limit samples_per_second");
  CHECK(header(response, "Retry-After") == "5");
  CHECK(w.post(many, "").status == 204);
  w.clock.advance(base::Duration{5'100});
  CHECK(w.post(one(Labels{{"__name__", "up"}}), w.token).status == 204);
  CHECK(w.handler->sender_status("db1").requests_limited.at("samples_per_second") == 1);
  limits.samples_per_second = 0;
  w.handler->take_limits(w.options.senders);
  for (int i = 0; i < 3; ++i) CHECK(w.post(many, w.token).status == 204);
}

TEST_CASE("what decoding costs is charged before it is done, also of what cannot be decoded") {
  World w;
  w.options.senders.agents.bytes_per_second = 1'000;
  w.options.senders.agents.burst = std::chrono::seconds(1);
  w.start();
  // It says that it is 16 MB, and is nothing.
  const std::string bomb("\x80\x80\x80\x08\x00\x00", 6);
  expect(*w.send(World::request(bomb, w.token)), 413, "declared size for a body of 6 bytes");
  const auto response = w.post(one(Labels{{"__name__", "up"}}), w.token);
  expect(response, 429, "bytes_per_second");
  CHECK(header(response, "Retry-After") == "60");
  CHECK(w.appender.batches.empty());
}

TEST_CASE("before the body: limits, places, connections") {
  World w;
  w.options.senders.agents.requests_in_flight = 2;
  w.options.senders.agents.connections = 2;
  w.options.senders.agents.request_bytes = 5'000;
  w.start();
  const auto head = [&](const std::string& length, std::shared_ptr<void> connection = {}) {
    net::ServerRequest request = World::request("", w.token);
    if (!length.empty()) request.headers.emplace_back("content-length", length);
    request.connection = std::move(connection);
    return request;
  };
  net::ServerRequest first = head("100");
  const net::Admission taken = w.handler->admit(first);
  CHECK(!taken.refusal);
  CHECK(taken.body_bytes_max == 5'000);
  CHECK(first.pass != nullptr);
  net::ServerRequest large = head("5001", first.connection);
  const net::Admission refused = w.handler->admit(large);
  REQUIRE(refused.refusal);
  expect(*refused.refusal, 413, "body of 5001 bytes; the limit of sender 'db1' is 5000");
  CHECK(w.handler->sender_status("db1").requests_limited.at("request_bytes") == 1);
  net::ServerRequest second = head("", first.connection);  // chunked: may be as long as it may be
  {
    const net::Admission chunked = w.handler->admit(second);
    CHECK(!chunked.refusal);
    // It was longer.
    expect(chunked.too_large(chunked.body_bytes_max), 413,
           "body larger than 5000 bytes, the limit of sender 'db1'");
  }
  CHECK(w.handler->sender_status("db1").requests_limited.at("request_bytes") == 2);
  CHECK(w.metric("tocsin_alertd_ingest_limited_total", "sender", "db1") == 2);
  CHECK(w.refused("limit") == 2);
  net::ServerRequest third = head("1", first.connection);
  const net::Admission full = w.handler->admit(third);
  REQUIRE(full.refusal);
  expect(*full.refusal, 429, "2 requests of sender 'db1'");
  CHECK(full.delay.count() > 0);
  second = {};
  CHECK(!w.handler->admit(third).refusal);
  third.pass = nullptr;
  // Its third connection.
  net::ServerRequest other = head("1");
  CHECK(!w.handler->admit(other).refusal);
  other.pass = nullptr;
  net::ServerRequest another = head("1");
  const net::Admission connected = w.handler->admit(another);
  REQUIRE(connected.refusal);
  expect(*connected.refusal, 429, "has 2 connections");
  net::ServerRequest nobody = World::request("", "tca_wrong");
  CHECK(w.handler->admit(nobody).refusal->status == 401);
  // The place is handed to the handler with the request.
  first.body = proto::encode_v1(one(Labels{{"__name__", "up"}}));
  CHECK(w.send(std::move(first))->status == 204);
}

TEST_CASE("a sender that sends again is not taken apart again") {
  World w;
  w.options.seed = 7;
  w.start();
  w.appender.knows = true;
  WriteBatch batch;
  batch.add(Labels{{"__name__", "load1"}}, {kNow, 1});
  batch.add(Labels{{"__name__", "tocsin_agent_heartbeat_timestamp_seconds"}}, {kNow, 2});
  std::vector<std::string> heard;
  w.handler->hear_with([&](std::span<const model::LabelView> labels, model::Sample sample) {
    heard.push_back(fmt::format("{} {}", Labels::from_sorted(labels).to_string(), sample.value));
  });
  for (const bool v2 : {false, true}) {
    auto send = [&] {
      net::ServerRequest request =
          World::request(v2 ? proto::encode_v2(batch) : proto::encode_v1(batch), w.token);
      if (v2) request.headers[0].second = proto::kContentTypeV2;
      CHECK(w.send(std::move(request))->status == 204);
      return w.appender.batches.back();
    };
    const auto first = send();
    CHECK(first->series()[0].known == nullptr);
    heard.clear();
    const auto second = send();
    REQUIRE(second->series().size() == 2);
    for (const WriteBatch::Series& series : second->series()) REQUIRE(series.known != nullptr);
    CHECK(*second->series()[0].known->labels ==
          Labels{{"__name__", "load1"}, {"env", "prod"}, {"host", "db1"}, {"instance", "db1"}});
    CHECK(second->samples(second->series()[1])[0].value == 2);
    CHECK(heard.size() == 1);
    CHECK(heard.front().find("host=\"db1\"") != std::string::npos);
  }
  // Another identity: what was stamped then is not what is stamped now.
  REQUIRE(w.registry.remove("db1"));
  const std::string renewed = w.registry.add({"db1", Labels{{"env", "test"}}, {}})->reveal();
  w.handler->registry_changed();
  CHECK(w.post(batch, renewed).status == 204);
  CHECK(w.appender.batches.back()->series()[0].known == nullptr);
}

TEST_CASE("new series over the limit: the sender hears of it, the rest is written") {
  World w;
  w.options.senders.exceptions["db1"].series = 7;
  w.start();
  w.appender.answer.samples_appended = static_cast<std::uint64_t>(-1);
  w.appender.answer.series_refused = w.appender.answer.series_over_owner = 1;
  w.appender.answer.owner_series = 7;
  WriteBatch batch = one(Labels{{"__name__", "up"}});
  batch.add(Labels{{"__name__", "new"}}, {kNow, 1});
  const auto response = w.post(batch, w.token);
  expect(response, 400,
         "sender 'db1' has 7 series and may have 7; refused 1 new series, wrote 1 samples");
  CHECK(header(response, "X-Prometheus-Remote-Write-Samples-Written") == "1");
  CHECK(header(response, "X-Tocsin-Refused") == "series_limit=1");
  CHECK(w.appender.batches.back()->owner_series_max == 7);
  CHECK(w.metric("tocsin_alertd_ingest_series_refused_total", "sender", "db1") == 1);
  CHECK(w.metric("tocsin_alertd_ingest_series", "sender", "db1") == 7);
  CHECK(w.metric("tocsin_alertd_ingest_series_limit", "sender", "db1") == 7);
  const SenderStatus status = w.handler->sender_status("db1");
  CHECK(status.series == 7);
  CHECK(status.series_refused == 1);
  CHECK(status.samples == 2);
  CHECK(status.samples_refused == 1);
}

TEST_CASE("what the store refused is told") {
  World w;
  w.appender.answer.samples_appended = static_cast<std::uint64_t>(-1);  // none of the one sent
  w.appender.answer.samples_too_new = 1;
  const auto response = w.post(one(Labels{{"__name__", "up"}}), w.token);
  CHECK(response.status == 204);
  CHECK(header(response, "X-Prometheus-Remote-Write-Samples-Written") == "0");
  CHECK(header(response, "X-Tocsin-Refused") == "too_new=1");
  CHECK(w.metric("tocsin_alertd_ingest_samples_refused_total", "sender", "db1") == 1);
}

TEST_CASE("metadata of either version is kept; what finds no room is counted") {
  World w;
  model::MetadataTable table({.families_max = 1, .help_bytes_max = 100, .unit_bytes_max = 100});
  w.handler->keep_metadata_in(table);
  WriteBatch batch = one(Labels{{"__name__", "up"}});
  batch.add_metadata({"up", model::MetricType::Gauge, "Whether it answers.", ""});
  CHECK(w.post(batch, w.token).status == 204);
  CHECK(table.find("up")->type == model::MetricType::Gauge);
  WriteBatch other = one(Labels{{"__name__", "jobs_total"}});
  other.add_metadata({"jobs_total", model::MetricType::Counter, "Jobs.", ""});
  net::ServerRequest second = w.request(proto::encode_v2(other), w.token);
  second.headers[0].second = proto::kContentTypeV2;
  CHECK(w.send(second)->status == 204);
  CHECK(w.metric("tocsin_alertd_ingest_dropped_total", "kind", "metadata") == 1);
  CHECK(table.size() == 1);
}

TEST_CASE("native histograms are left out, counted and told to the sender") {
  World w;
  // WriteRequest{TimeSeries{Label{"__name__", "latency"}, Histogram{count_int: 7}}} in protobuf.
  const std::string label = std::string("\x0a\x08__name__\x12\x07latency");
  const std::string series =
      "\x0a" + std::string(1, static_cast<char>(label.size())) + label + "\x22\x02\x08\x07";
  const std::string message = "\x0a" + std::string(1, static_cast<char>(series.size())) + series;
  // Snappy: the length, then one literal of all bytes.
  const std::string body = std::string(1, static_cast<char>(message.size())) +
                           std::string(1, static_cast<char>((message.size() - 1) << 2U)) + message;
  for (int round = 1; round <= 2; ++round) {
    const auto response = w.send(World::request(body, w.token));
    REQUIRE(response);
    CHECK(response->status == 204);
    CHECK(header(*response, "X-Tocsin-Refused") == "native_histogram=1");
    CHECK(header(*response, "X-Prometheus-Remote-Write-Histograms-Written") == "0");
    CHECK(w.metric("tocsin_alertd_ingest_dropped_total", "kind", "native_histogram") == round);
  }
}

TEST_CASE("last seen: enrolled agents, heartbeats and removal") {
  World w;
  const std::string name = "tocsin_alertd_agent_last_seen_timestamp_seconds";
  // Expected from the start, so that one that never comes is missed.
  CHECK(w.metric(name, "host", "db1") == kNow / 1000.0);
  w.clock.advance(base::Duration{60'000});
  CHECK(w.post(one(Labels{{"__name__", "up"}}), w.token).status == 204);
  CHECK(w.metric(name, "host", "db1") == kNow / 1000.0 + 60);
  // Local writers are known by their heartbeat only.
  WriteBatch batch =
      one(Labels{{"__name__", "tocsin_agent_heartbeat_timestamp_seconds"}, {"host", "here"}});
  batch.add(Labels{{"__name__", "tocsin_agent_build_info"}, {"host", "here"}, {"version", "1.2"}},
            {kNow, 1});
  batch.add(Labels{{"__name__", "up"}, {"host", "other"}}, {kNow, 1});
  CHECK(w.post(batch, "").status == 204);
  CHECK(w.metric(name, "host", "here") == kNow / 1000.0 + 60);
  CHECK(w.metric(name, "host", "other") == -1);
  CHECK(w.handler->last_seen("here")->version == "1.2");
  CHECK(!w.handler->last_seen("other"));
  // A restart does not move what is known of others; a removed agent is waited for no more.
  w.clock.advance(base::Duration{60'000});
  w.handler->registry_changed();
  CHECK(w.metric(name, "host", "db1") == kNow / 1000.0 + 60);
  REQUIRE(w.registry.remove("db1"));
  w.handler->registry_changed();
  CHECK(w.metric(name, "host", "db1") == -1);
}

}  // namespace
}  // namespace tocsin::ingest
