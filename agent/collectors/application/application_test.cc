// Lines and requests as programs send them, good and hostile; the servers on real sockets.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <protozero/pbf_writer.hpp>

#include "agent/collectors/application/datagram_sockets.h"
#include "agent/collectors/application/inflate.h"
#include "agent/collectors/application/otlp_metrics.h"
#include "agent/collectors/application/otlp_server.h"
#include "agent/collectors/application/statsd_line.h"
#include "agent/collectors/application/statsd_server.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using namespace std::chrono_literals;

/// Keeps samples as lines "name a=b".
struct LineSink final : RoundSink {
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::string line(metric.name);
    for (const model::LabelView label : labels)
      line += fmt::format(" {}={}", label.name, label.value);
    samples[line] = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata& metadata) override {
    types[std::string(metadata.metric_name)] = metadata.type;
  }
  std::size_t series_added() const override { return 0; }
  double operator[](const std::string& line) const {
    const auto found = samples.find(line);
    return found == samples.end() ? std::nan("") : found->second;
  }

  std::map<std::string, double> samples;
  std::map<std::string, model::MetricType> types;
};

const base::MonotonicTime kNow{std::chrono::hours{1}};

StatsdLine parsed(std::string_view text) {
  StatsdLine line;
  REQUIRE(parse_statsd_line(text, line) == StatsdParse::Ok);
  return line;
}

LineSink written(SeriesStore& store, base::MonotonicTime now = kNow) {
  LineSink sink;
  store.write(sink, now);
  return sink;
}

OtlpRejected store_json(const std::string& body, SeriesStore& store) {
  auto decoded = decode_otlp_json(body, {});
  REQUIRE_MESSAGE(decoded, decoded);
  return store_otlp(std::move(*decoded), {"service.version"}, kNow, store);
}

std::string sum_json(const std::string& temporality, const char* time, int value) {
  return fmt::format(
      R"({{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}},)"
      R"({{"key":"service.version","value":{{"stringValue":"1.2"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"http.requests","unit":"{{request}}",)"
      R"("sum":{{"aggregationTemporality":{},"isMonotonic":true,"dataPoints":[{{"timeUnixNano":"{}","asInt":"{}",)"
      R"("attributes":[{{"key":"http.route","value":{{"stringValue":"/pay"}}}}]}}]}}}}]}}]}}]}})",
      temporality, time, value);
}

template <class Read>
auto read_settings(const std::string& text, base::Diagnostics& diagnostics, Read read) {
  const auto files = base::make_real_file_system();
  const config::Source source{"agent.toml", text};
  config::Context context{source, diagnostics, *files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  return read(root);
}

unsigned short free_udp_port() {
  const OwnedFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

void send_udp(unsigned short port, const std::string& text) {
  const OwnedFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  CHECK(::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address),
                 sizeof address) == static_cast<ssize_t>(text.size()));
}

/// Until a line has the value; a second at most.
bool comes(MetricReceiver& receiver, const std::string& line, double value) {
  for (int i = 0; i < 100; ++i) {
    LineSink sink;
    receiver.write(sink);
    if (sink[line] == value) return true;
    ::usleep(10'000);
  }
  return false;
}

}  // namespace

TEST_CASE("statsd lines") {
  StatsdLine line = parsed("page.views:1|c|@0.1|#country:kh,empty:,flag,page:a:b|c:abc|T1");
  CHECK(line.name == "page.views");
  CHECK(line.kind == StatsdKind::Counter);
  CHECK(line.values == std::vector<double>{1});
  CHECK(line.rate == 0.1);
  CHECK(line.tags == std::vector<std::pair<std::string_view, std::string_view>>{{"country", "kh"},
                                                                                {"page", "a:b"}});
  CHECK(parsed("t:12.5:8:1e2|ms").values == std::vector<double>{12.5, 8, 100});
  CHECK(parsed("g:-3|g").kind == StatsdKind::GaugeDelta);
  CHECK(parsed("g:+3|g").values == std::vector<double>{3});
  CHECK(parsed("u:a:b|s").text == "a:b");
  StatsdLine out;
  for (const char* bad : {"", "x", "x:1", ":1|c", "x:|c", "x:1|q", "x:1|c|@0", "x:1|c|@2",
                          "x:nan|g", "x:1:|c", "x:|s", "x:1e999|c"}) {
    CAPTURE(bad);
    CHECK(parse_statsd_line(bad, out) == StatsdParse::Malformed);
  }
  CHECK(parse_statsd_line("_sc|db|0", out) == StatsdParse::Unsupported);
  std::vector<std::string_view> parts;
  CHECK(match_statsd_name("app.*.req.*", "app.shop.req.get", parts));
  CHECK(parts == std::vector<std::string_view>{"shop", "get"});
  CHECK_FALSE(match_statsd_name("app.*", "app.a.b", parts));
}

TEST_CASE("names are made valid, and the house's own are kept free") {
  CHECK(metric_name_of("a.b-c/d") == "a_b_c_d");
  CHECK(metric_name_of("5xx") == "_5xx");
  CHECK(label_name_of("__name__") == "_name__");
  CHECK(label_name_of("http.route") == "http_route");
}

TEST_CASE("the store: kinds, bounds, conflicts, expiry") {
  SeriesBounds bounds;
  bounds.series_max = 10;
  bounds.expire_after = 60s;
  SeriesStore store(bounds);
  CHECK(store.add_to_counter({"c", {{"a", "1"}}}, 2, kNow) == Refusal::None);
  CHECK(store.add_to_counter({"c", {{"a", "1"}}}, 3, kNow) == Refusal::None);
  CHECK(store.set_gauge({"g"}, 5, kNow) == Refusal::None);
  CHECK(store.add_to_gauge({"g"}, -7, kNow) == Refusal::None);
  const std::vector<double> limits{0.1, 1};
  CHECK(store.observe({"h"}, limits, 0.1, 1, kNow) == Refusal::None);
  CHECK(store.observe({"h"}, limits, 0.5, 10, kNow) == Refusal::None);
  CHECK(store.observe({"h"}, limits, 9, 1, kNow) == Refusal::None);
  CHECK(store.size() == 7);
  LineSink sink = written(store);
  CHECK(sink["c a=1"] == 5);
  CHECK(sink["g"] == -2);
  CHECK(sink["h_bucket le=0.1"] == 1);
  CHECK(sink["h_bucket le=1"] == 11);
  CHECK(sink["h_bucket le=+Inf"] == 12);
  CHECK(sink["h_count"] == 12);
  CHECK(sink["h_sum"] == doctest::Approx(14.1));
  CHECK(sink.types["h"] == model::MetricType::Histogram);

  CHECK(store.set_gauge({"c"}, 1, kNow) == Refusal::TypeConflict);
  CHECK(store.set_gauge({"1x"}, 1, kNow) == Refusal::BadName);
  CHECK(store.set_gauge({""}, 1, kNow) == Refusal::BadName);
  CHECK(store.set_gauge({"x", {{"le", "1"}}}, 1, kNow) == Refusal::BadLabel);
  CHECK(store.set_gauge({"x", {{"a", "\xff"}}}, 1, kNow) == Refusal::BadLabel);
  CHECK(store.set_gauge({"x", {{"a", std::string(300, 'x')}}}, 1, kNow) == Refusal::BadLabel);
  CHECK(store.add_to_counter({"c"}, -1, kNow) == Refusal::Malformed);
  CHECK(store.observe({"h"}, limits, std::nan(""), 1, kNow) == Refusal::Malformed);
  for (int i = 0; i < 20; ++i) {
    const Refusal refusal = store.set_gauge({"many", {{"i", std::to_string(i)}}}, 1, kNow);
    CHECK(refusal == (i < 3 ? Refusal::None : Refusal::SeriesLimit));
  }
  // What goes on is kept, the rest ends and makes room.
  CHECK(store.add_to_counter({"c", {{"a", "1"}}}, 1, kNow + 50s) == Refusal::None);
  sink = written(store, kNow + 70s);
  CHECK(sink["c a=1"] == 6);
  CHECK(sink.samples.size() == 1);
  CHECK(store.size() == 1);
}

TEST_CASE("a set counts distinct values of a window") {
  SeriesStore store({});
  for (const char* user : {"a", "b", "a"})
    CHECK(store.add_to_set({"u"}, user, kNow) == Refusal::None);
  CHECK(written(store)["u"] == 2);
  CHECK(store.add_to_set({"u"}, "c", kNow + 61s) == Refusal::None);
  CHECK(written(store, kNow + 62s)["u"] == 2);  // of the window that is over
  CHECK(written(store, kNow + 122s)["u"] == 1);
  CHECK(written(store, kNow + 400s)["u"] == 0);
}

TEST_CASE("OTLP JSON: delta becomes a total, what is sent again counts once") {
  SeriesStore store({});
  const std::string series = "http_requests_total http_route=/pay job=shop";
  CHECK(store_json(sum_json("1", "100", 5), store).points == 0);
  CHECK(store_json(sum_json("1", "200", 7), store).points == 0);
  CHECK(store_json(sum_json("1", "200", 7), store).points == 0);
  LineSink sink = written(store);
  CHECK(sink[series] == 12);
  CHECK(sink["target_info job=shop service_version=1.2"] == 1);
  SeriesStore cumulative({});
  store_json(sum_json("\"AGGREGATION_TEMPORALITY_CUMULATIVE\"", "100", 5), cumulative);
  store_json(sum_json("2", "200", 7), cumulative);
  store_json(sum_json("2", "150", 6), cumulative);  // late
  CHECK(written(cumulative)[series] == 7);
}

TEST_CASE("OTLP JSON: histograms, gauges, what is refused is said") {
  SeriesStore store({});
  const std::string body = R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[
    {"name":"latency","unit":"s","histogram":{"aggregationTemporality":1,"dataPoints":[
      {"timeUnixNano":1,"count":"3","sum":1.5,"bucketCounts":["1","2","0"],
       "explicitBounds":[0.1,1]}]}},
    {"name":"temp","unit":"Cel","gauge":{"dataPoints":[
      {"asDouble":21.5},{"asDouble":"NaN","flags":1}]}},
    {"name":"bad","histogram":{"aggregationTemporality":2,"dataPoints":[
      {"bucketCounts":[1,2,3],"explicitBounds":[5,5]}]}},
    {"name":"exp","exponentialHistogram":{"dataPoints":[{},{}]}}]}]}]})";
  const OtlpRejected rejected = store_json(body, store);
  CHECK(rejected.points == 3);
  CHECK(encode_otlp_answer_json(rejected).find("\"rejectedDataPoints\":\"3\"") !=
        std::string::npos);
  const LineSink sink = written(store);
  CHECK(sink["latency_seconds_bucket le=1"] == 3);
  CHECK(sink["latency_seconds_sum"] == 1.5);
  CHECK(sink["temp_celsius"] == 21.5);
  CHECK(encode_otlp_answer_json({}) == "{}");
  for (
      const char* bad :
      {"", "[]", "{\"resourceMetrics\":[1]}", "{", "\xff",
       R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x","gauge":{"dataPoints":[{}]}}]}]}]})"}) {
    CAPTURE(bad);
    CHECK_FALSE(decode_otlp_json(bad, {}));
  }
  OtlpLimits few;
  few.points_max = 2;
  const auto over = decode_otlp_json(body, few);
  REQUIRE_FALSE(over);
  CHECK(over.error().code == base::ErrorCode::LimitExceeded);
}

TEST_CASE("OTLP names and units") {
  const auto name = [](std::string text, std::string unit, OtlpKind kind, bool monotonic) {
    OtlpMetric metric;
    metric.name = std::move(text);
    metric.unit = std::move(unit);
    metric.kind = kind;
    metric.monotonic = monotonic;
    return otlp_metric_name(metric);
  };
  CHECK(name("http.server.duration", "ms", OtlpKind::Histogram, false) ==
        "http_server_duration_milliseconds");
  CHECK(name("io", "By/s", OtlpKind::Gauge, false) == "io_bytes_per_second");
  CHECK(name("disk.bytes", "By", OtlpKind::Sum, true) == "disk_bytes_total");
  CHECK(name("load", "1", OtlpKind::Gauge, false) == "load_ratio");
  CHECK(name("x_total", "", OtlpKind::Sum, true) == "x_total");
  CHECK(name("q", "{items}", OtlpKind::Sum, false) == "q");
}

TEST_CASE("OTLP protobuf, whole and cut anywhere") {
  std::string body;
  {
    protozero::pbf_writer request(body);
    protozero::pbf_writer resource_metrics(request, 1);
    protozero::pbf_writer scope(resource_metrics, 2);
    {
      protozero::pbf_writer metric(scope, 2);
      metric.add_string(1, "jobs.done");
      protozero::pbf_writer sum(metric, 7);
      {
        protozero::pbf_writer point(sum, 1);
        point.add_fixed64(3, 1000);
        point.add_sfixed64(6, 42);
        protozero::pbf_writer attribute(point, 7);
        attribute.add_string(1, "kind");
        protozero::pbf_writer value(attribute, 2);
        value.add_string(1, "mail");
      }
      sum.add_enum(2, 2);
      sum.add_bool(3, true);
    }
    protozero::pbf_writer metric(scope, 2);
    metric.add_string(1, "wait");
    metric.add_string(3, "s");
    protozero::pbf_writer histogram(metric, 9);
    protozero::pbf_writer point(histogram, 1);
    point.add_fixed64(4, 3);
    point.add_double(5, 4.5);
    const std::vector<std::uint64_t> counts{1, 2};
    const std::vector<double> bounds{0.5};
    point.add_packed_fixed64(6, counts.begin(), counts.end());
    point.add_packed_double(7, bounds.begin(), bounds.end());
  }
  auto decoded = decode_otlp_protobuf(body, {});
  REQUIRE_MESSAGE(decoded, decoded);
  SeriesStore store({});
  CHECK(store_otlp(std::move(*decoded), {}, kNow, store).points == 0);
  const LineSink sink = written(store);
  CHECK(sink["jobs_done_total kind=mail"] == 42);
  CHECK(sink["wait_seconds_bucket le=0.5"] == 1);
  CHECK(sink["wait_seconds_count"] == 3);
  std::size_t refused = 0;
  for (std::size_t size = 0; size < body.size(); ++size) {
    if (!decode_otlp_protobuf(body.substr(0, size), {})) ++refused;
  }
  CHECK(refused > body.size() / 2);
  CHECK(encode_otlp_answer_protobuf({}).empty());
  CHECK_FALSE(encode_otlp_answer_protobuf({3, "why"}).empty());
}

TEST_CASE("gzip is bounded and must be whole") {
  std::string text(300'000, 'x');
  std::string packed(1'000'000, '\0');
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto whole = inflate_gzip(packed, 1 << 20);
  REQUIRE(whole);
  CHECK(*whole == text);
  CHECK(inflate_gzip(packed, 100'000).error().code == base::ErrorCode::LimitExceeded);
  CHECK_FALSE(inflate_gzip(packed.substr(0, packed.size() - 3), 1 << 20));
  CHECK_FALSE(inflate_gzip("hello", 1 << 20));
  CHECK_FALSE(inflate_gzip(packed + "x", 1 << 20));
}

TEST_CASE("damaged input is refused or bounded, whatever the damage") {
  const std::string line = "shop.orders:12.5:3|ms|@0.5|#route:/pay,tier:web\nusers:anna|s";
  const std::string json = sum_json("1", "100", 5);
  std::string protobuf;
  {
    protozero::pbf_writer request(protobuf);
    protozero::pbf_writer resource(request, 1);
    protozero::pbf_writer scope(resource, 2);
    protozero::pbf_writer metric(scope, 2);
    metric.add_string(1, "x");
    protozero::pbf_writer gauge(metric, 5);
    protozero::pbf_writer point(gauge, 1);
    point.add_double(4, 1);
  }
  SeriesBounds bounds;
  bounds.series_max = 50;
  SeriesStore store(bounds);
  std::uint32_t state = 12345;
  const auto random = [&state] { return state = state * 1'664'525U + 1'013'904'223U; };
  for (int i = 0; i < 6'000; ++i) {
    std::string input = i % 3 == 0 ? line : i % 3 == 1 ? json : protobuf;
    for (std::uint32_t hits = 1 + (random() >> 8U) % 4; hits > 0; --hits) {
      input[(random() >> 8U) % input.size()] = static_cast<char>(random() >> 16U);
    }
    if (i % 3 == 0) {
      StatsdLine parsed_line;
      if (parse_statsd_line(input, parsed_line) == StatsdParse::Ok) {
        for (const double value : parsed_line.values) {
          store.set_gauge({metric_name_of(parsed_line.name)}, value, kNow);
        }
      }
      continue;
    }
    auto decoded = i % 3 == 1 ? decode_otlp_json(input, {}) : decode_otlp_protobuf(input, {});
    if (decoded) static_cast<void>(store_otlp(std::move(*decoded), {}, kNow, store));
  }
  CHECK(store.size() <= 50);
  CHECK(store.size() > 0);
  for (const auto& [series, value] : written(store).samples) CHECK(base::is_utf8(series));
}

TEST_CASE("the StatsD server: UDP and a Unix socket, taken addresses, closing") {
  const base::RealClock clock;
  base::Metrics metrics;
  const sim::TestFolder folder;
  StatsdSettings settings;
  const unsigned short port = free_udp_port();
  settings.listen = fmt::format("127.0.0.1:{}", port);
  settings.socket = folder.file("statsd.sock");
  settings.mappings = {{"shop.*.orders", "shop_orders", {{"branch", "$1"}}}};
  const auto server = make_statsd_server(settings, {clock, metrics});
  REQUIRE(server->open());
  REQUIRE(server->open());  // already
  send_udp(port, "shop.north.orders:2|c\nshop.north.orders:1|c|@0.5\nt:250|ms\njunk\n");
  CHECK(comes(*server, "shop_orders branch=north", 4));
  CHECK(comes(*server, "t_bucket le=0.25", 1));
  CHECK(metrics
            .counter("tocsin_agent_application_dropped_total", "",
                     {{"receiver", "statsd"}, {"reason", "malformed"}})
            .value() == 1);
  {
    const OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    settings.socket.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK(::sendto(fd.get(), "q:7|g", 5, 0, reinterpret_cast<sockaddr*>(&address),
                   sizeof address) == 5);
  }
  CHECK(comes(*server, "q", 7));
  const auto second = make_statsd_server(settings, {clock, metrics});
  const auto taken = second->open();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message.find(std::to_string(port)) != std::string::npos);
  server->close();
  CHECK_FALSE(server->open());
  REQUIRE(second->open());
  second->close();
  CHECK_FALSE(std::filesystem::exists(settings.socket));  // it is gone with it
}

TEST_CASE("settings: other hosts only when asked for, mappings checked") {
  base::Diagnostics diagnostics;
  CHECK_FALSE(read_settings("", diagnostics, read_statsd_settings));
  const auto good = read_settings(
      "[statsd]\nseries_max = 500\n[[statsd.mapping]]\nmatch = \"a.*\"\nname = \"a\"\n"
      "labels = { x = \"$1\" }\n[otlp]\n",
      diagnostics, read_statsd_settings);
  REQUIRE(good);
  CHECK(good->bounds.series_max == 500);
  CHECK(diagnostics.empty());
  for (const char* bad :
       {"[statsd]\nlisten = \"0.0.0.0:8125\"\n", "[statsd]\nlisten = \"8125\"\n",
        "[statsd]\nlisten = \"\"\n", "[statsd]\nsocket = \"relative\"\n",
        "[statsd]\ntimer_buckets = [\"1\", \"0.5\"]\n", "[statsd]\nexpire_after = \"1s\"\n",
        "[[statsd.mapping]]\nmatch = \"a.*\"\nname = \"a\"\nlabels = { x = \"$2\" }\n"}) {
    CAPTURE(bad);
    base::Diagnostics said;
    static_cast<void>(read_settings(bad, said, read_statsd_settings));
    CHECK(base::has_errors(said));
  }
  base::Diagnostics said;
  CHECK(read_settings("[otlp]\nlisten = \"0.0.0.0:4318\"\nallow_remote = true\n", said,
                      read_otlp_settings));
  CHECK(said.empty());
}

}  // namespace tocsin::agent
