#include <doctest/doctest.h>

#include <map>

#include "agent/collectors/scrape/scrape_target.h"
#include "agent/sampler/sampler.h"
#include "common/base/sim_executor.h"
#include "common/config/table.h"
#include "common/config/toml.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

struct Read {
  config::Source source;
  base::Diagnostics diagnostics;
  std::vector<ScrapeSettings> targets;

  explicit Read(std::string text) : source{"agent.toml", std::move(text)} {
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table root(context, &node);
    targets = read_scrape_settings(root, 15s);
    root.finish();
  }
};

ScrapeSettings target(const std::string& more = {}) {
  Read read("[[scrape]]\njob='app'\nurl='http://127.0.0.1:8000/metrics'\n" + more);
  for (const auto& diagnostic : read.diagnostics) INFO(diagnostic.message);
  REQUIRE_FALSE(base::has_errors(read.diagnostics));
  REQUIRE(read.targets.size() == 1);
  return read.targets[0];
}

// The series of a parsed text, as "name{labels}" -> value.
std::map<std::string, double> parsed(const ScrapeSettings& settings, std::string_view text) {
  const auto scraped = parse_scrape(settings, "text/plain; version=0.0.4", text);
  REQUIRE(scraped);
  std::map<std::string, double> series;
  for (const auto& entry : scraped->samples.series()) {
    series[model::Labels::from_sorted(scraped->samples.labels(entry)).to_string()] =
        scraped->samples.samples(entry)[0].value;
  }
  return series;
}

std::string failure(const ScrapeSettings& settings, std::string_view text) {
  const auto scraped = parse_scrape(settings, "text/plain", text);
  REQUIRE_FALSE(scraped);
  return scraped.error().message;
}

class FakeTarget final : public net::HttpClient {
 public:
  base::Result<net::HttpResponse> answer = net::HttpResponse{200, {}, "a 1\nb{x=\"1\"} 2\n"};
  std::vector<net::HttpRequest> requests;
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    requests.push_back(std::move(request));
    reply_on.post_after(250ms, [answer = answer, done = std::move(done)] { done(answer); });
  }
};

struct World {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  base::FailureLog failures{"agent/scrape"};
  FakeTarget http;
  std::vector<std::pair<std::string, model::Sample>> taken;
  Sampler sampler{options(), {executor, metrics}, [this](model::WriteBatch batch) {
                    for (const auto& series : batch.series()) {
                      const auto labels = model::Labels::from_sorted(batch.labels(series));
                      if (labels.get("job") != "app") continue;
                      taken.emplace_back(labels.metric_name(), batch.samples(series)[0]);
                    }
                  }};

  static SamplerOptions options() {
    SamplerOptions options;
    options.identity.host = "web1";
    options.identity.instance = "web1";
    return options;
  }
  void use(const ScrapeSettings& settings) {
    Sampler::Sources sources;
    sources.async.push_back(
        std::make_unique<ScrapeTarget>(settings, ScrapeTarget::World{executor, http, failures}));
    sampler.configure(options(), std::move(sources));
    sampler.start();
  }
  // The values of one metric, in order of arrival.
  std::vector<double> of(const std::string& name) const {
    std::vector<double> values;
    for (const auto& [metric, sample] : taken) {
      if (metric == name) values.push_back(sample.value);
    }
    return values;
  }
};

}  // namespace

TEST_CASE("samples get job, instance and the target's labels; own labels of that name move away") {
  const auto series = parsed(target("labels = {team = 'core'}\n"),
                             "a{job=\"mine\",host=\"h\",team=\"x\",exported_team=\"y\"} 1\nb 2\n");
  CHECK(series.contains(
      R"(a{exported_exported_team="x", exported_host="h", exported_job="mine", exported_team="y", )"
      R"(instance="127.0.0.1:8000", job="app", team="core"})"));
  CHECK(series.contains(R"(b{instance="127.0.0.1:8000", job="app", team="core"})"));
}

TEST_CASE("honor_labels: the target's word counts, but never about the host") {
  const auto series =
      parsed(target("honor_labels = true\n"), "a{job=\"mine\",instance=\"i\",host=\"h\"} 1\n");
  CHECK(series.contains(R"(a{exported_host="h", instance="i", job="mine"})"));
}

TEST_CASE("labels of the target may replace job and instance") {
  const auto series = parsed(target("labels = {instance = 'shop'}\n"), "a 1\n");
  CHECK(series.contains(R"(a{instance="shop", job="app"})"));
}

TEST_CASE("relabelling drops, renames, and cleans up what starts with two underscores") {
  const auto settings = target(R"([[scrape.metric_relabel]]
action = "drop"
source_labels = ["__name__"]
regex = "go_.*"
[[scrape.metric_relabel]]
source_labels = ["a"]
target_label = "__tmp"
)");
  const auto series = parsed(settings, "go_threads 5\nx{a=\"1\"} 2\n");
  CHECK(series.size() == 1);
  CHECK(series.contains(R"(x{a="1", instance="127.0.0.1:8000", job="app"})"));
  CHECK(
      failure(target("[[scrape.metric_relabel]]\naction='labeldrop'\nregex='__name__'\n"), "a 1\n")
          .find("took the name of 'a' away") != std::string::npos);
}

TEST_CASE("limits fail the scrape and name themselves") {
  CHECK(failure(target("sample_limit = 2\n"), "a 1\nb 1\nc 1\n").find("sample_limit 2") !=
        std::string::npos);
  CHECK(failure(target("label_limit = 4\n"), "a{x=\"1\",y=\"2\"} 1\n")
            .find("number of labels of 'a': 5, limit 4") != std::string::npos);
  CHECK(failure(target("label_name_length_limit = 10\n"), "a{longer_than_ten=\"1\"} 1\n")
            .find("limit 10") != std::string::npos);
  CHECK(failure(target("label_value_length_limit = 20\n"), "a{x=\"longer than twenty bytes\"} 1\n")
            .find("limit 20") != std::string::npos);
  CHECK(failure(target("body_size_limit = 10\n"), "a_metric 1\nb_metric 2\n").size() > 0);
  CHECK(failure(target(), "a 1\nb{ 2\n").find("line 2") != std::string::npos);
}

TEST_CASE("timestamps of the target are honoured, or not") {
  const auto honoured = parse_scrape(target(), "text/plain", "a 1 1700000000000\n");
  REQUIRE(honoured);
  CHECK(honoured->samples.samples(honoured->samples.series()[0])[0].timestamp_ms ==
        1'700'000'000'000);
  const auto ignored =
      parse_scrape(target("honor_timestamps = false\n"), "text/plain", "a 1 1700000000000\n");
  REQUIRE(ignored);
  CHECK(ignored->samples.samples(ignored->samples.series()[0])[0].timestamp_ms == 0);
}

TEST_CASE("each round: up and the report, then an outage, then the target is back") {
  World world;
  world.use(target("bearer_token = 'secret'\nheaders = {X-Scope = 'one'}\ntimeout = '3s'\n"));
  world.executor.run_for(16s);
  REQUIRE(world.http.requests.size() == 1);
  CHECK(world.http.requests[0].timeout == 3s);
  CHECK(world.http.requests[0].bearer_token.reveal() == "secret");
  CHECK(world.of("a") == std::vector<double>{1});
  CHECK(world.of("up") == std::vector<double>{1});
  CHECK(world.of("scrape_samples_scraped") == std::vector<double>{2});
  CHECK(world.of("scrape_samples_post_metric_relabeling") == std::vector<double>{2});
  CHECK(world.of("scrape_series_added") == std::vector<double>{2});
  CHECK(world.of("scrape_duration_seconds") == std::vector<double>{0.25});

  SUBCASE("refused") {
    world.http.answer = base::error(base::ErrorCode::Unavailable, "cannot connect");
  }
  SUBCASE("500") {
    world.http.answer = net::HttpResponse{500, {}, "a 1\n"};
  }
  SUBCASE("rubbish") {
    world.http.answer = net::HttpResponse{200, {}, "a 1\nb b b\n"};
  }
  world.executor.run_for(15s);
  CHECK(world.of("up") == std::vector<double>{1, 0});
  REQUIRE(world.of("a").size() == 2);
  CHECK(model::is_stale(world.of("a")[1]));
  CHECK(world.of("scrape_samples_scraped").back() == 0);

  world.http.answer = net::HttpResponse{200, {}, "a 3\n"};
  world.executor.run_for(15s);
  CHECK(world.of("up").back() == 1);
  CHECK(world.of("a").back() == 3);
  CHECK(world.of("scrape_series_added").back() == 1);
}

TEST_CASE("an answer after the target is gone is dropped") {
  World world;
  world.use(target());
  while (world.http.requests.empty()) world.executor.run_for(100ms);
  world.sampler.configure(World::options(), {});
  world.executor.run_for(30s);
  CHECK(world.of("up").empty());
}

TEST_CASE("settings: one table, several targets") {
  const Read read(R"([[scrape]]
job = "app"
url = ["http://a:8000/metrics", "https://b/m"]
basic_user = "me"
basic_password = "pw"
ca_file = "/etc/ca.pem"
)");
  REQUIRE(read.targets.size() == 2);
  CHECK(read.targets[0].instance == "a:8000");
  CHECK(read.targets[1].instance == "b:443");
  CHECK(read.targets[1].tls.ca_file == "/etc/ca.pem");
  // base64("me:pw")
  CHECK(read.targets[0].headers[0].second == "Basic bWU6cHc=");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("settings: mistakes, each at its place") {
  struct Case {
    const char* text;
    std::size_t line;
    const char* part;
  };
  const Case cases[] = {
      {"[[scrape]]\nurl='http://a/m'\n", 1, "job"},
      {"[[scrape]]\njob='a'\n", 1, "url is missing"},
      {"[[scrape]]\njob='a'\nurl='ftp://a/m'\n", 3, "no http"},
      {"[[scrape]]\njob='a'\nurl='http://me:pw@a/m'\n", 3, "basic_user"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\ntimeout='15s'\n", 4, "less than the interval 15s"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\ntimout='5s'\n", 4, "timout"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\nlabels={host='x'}\n", 4, "host"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\nheaders={Authorization='x'}\n", 4, "bearer_token"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\nsample_limit=0\n", 4, "sample_limit"},
      {"[[scrape]]\njob='a'\nurl=['http://a/m','http://a/m']\n", 3, "twice"},
      {"[[scrape]]\njob='a'\nurl='http://a/m'\nclient_cert_file='x'\n", 4, "belong together"},
  };
  for (const Case& entry : cases) {
    const Read read(entry.text);
    CAPTURE(entry.text);
    REQUIRE(read.diagnostics.size() >= 1);
    CHECK(read.diagnostics[0].line == entry.line);
    const std::string said = read.diagnostics[0].message + read.diagnostics[0].hint;
    CAPTURE(said);
    CHECK(said.find(entry.part) != said.npos);
  }
}

TEST_CASE("instance of a URL") {
  CHECK(instance_of("http://a/metrics") == "a:80");
  CHECK(instance_of("https://a:9100") == "a:9100");
  CHECK(instance_of("http://[::1]:80/x") == "[::1]:80");
  CHECK(instance_of("http://[::1]/x") == "[::1]:80");
  CHECK(instance_of("http:///x") == "");
  CHECK(instance_of("http://:80/x") == "");
  CHECK(instance_of("a:80/x") == "");
}
