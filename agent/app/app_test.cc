// The whole agent with real threads, a real disk and a real server on loopback; a few seconds.
#include "agent/app/app.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "common/base/mutex.h"
#include "common/net/http_server.h"
#include "common/sim/test_folder.h"
#include "proto/codec.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

// Takes remote writes and serves one scrape target.
class Receiver {
 public:
  explicit Receiver(const base::Clock& clock) : io_(clock, "receiver", 1) {
    net::ServerOptions options;
    options.listen = "127.0.0.1:0";
    auto started = net::HttpServer::start(
        io_, options,
        [this](net::ServerRequest request, net::Respond respond) { respond(answer(request)); });
    REQUIRE(started);
    server_ = std::move(*started);
  }
  ~Receiver() { server_->stop(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  // Waits until a series of the metric and, if asked, the label value has been seen.
  bool wait_for(const std::string& metric, base::Duration limit) {
    const base::MutexLock lock(mutex_);
    return seen_more_.wait_for(mutex_, limit, [&] { return seen_.contains(metric); });
  }
  std::string token() {
    const base::MutexLock lock(mutex_);
    return token_;
  }

 private:
  net::ServerResponse answer(const net::ServerRequest& request) {
    net::ServerResponse response;
    if (request.path == "/metrics") {
      response.content_type = "text/plain; version=0.0.4";
      response.body = "# TYPE app_requests_total counter\napp_requests_total 7\n";
      return response;
    }
    const auto version =
        proto::negotiate(request.header("content-type"), request.header("content-encoding"));
    if (!version) return {415, {}, "text/plain", {}};
    const auto batch = proto::decode(*version, request.body, proto::Limits{});
    if (!batch) return {400, {}, "text/plain", batch.error().message};
    const base::MutexLock lock(mutex_);
    token_ = request.header("authorization");
    for (const auto& series : batch->series()) {
      const auto labels = model::Labels::from_sorted(batch->labels(series));
      seen_.insert(std::string(labels.metric_name()));
      seen_.insert("host=" + std::string(labels.get("host")));
    }
    seen_more_.notify_all();
    response.status = 204;
    response.headers = proto::written_headers({batch->sample_count(), 0, 0});
    return response;
  }

  base::AsioExecutor io_;
  std::unique_ptr<net::HttpServer> server_;
  base::Mutex mutex_;
  base::Condition seen_more_;
  std::set<std::string> seen_;
  std::string token_;
};

AgentSettings settings_for(const sim::TestFolder& folder, const std::string& url) {
  AgentSettings settings;
  settings.sampler.interval = 1s;
  settings.sampler.identity.host = "first";
  settings.links.sender.host = "first";
  settings.links.sender.url = write_url(url);
  settings.links.sender.token = base::Secret("letmein");
  settings.links.spool.folder = folder.file("spool");
  ScrapeSettings scrape;
  scrape.job = "app";
  scrape.url = url + "/metrics";
  scrape.instance = instance_of(scrape.url);
  scrape.timeout = 800ms;
  settings.scrapes.push_back(scrape);
  return settings;
}

}  // namespace

TEST_CASE("from start to samples, a reload, a second agent refused, a stop in time") {
  const base::RealClock clock;
  const auto files = base::make_real_file_system();
  const sim::TestFolder folder;
  Receiver receiver(clock);
  const AgentSettings settings = settings_for(folder, receiver.url());
  auto app = App::start(settings, {*files, clock});
  REQUIRE(app);
  CHECK(receiver.wait_for("tocsin_agent_heartbeat_timestamp_seconds", 10s));
  CHECK(receiver.wait_for("node_load1", 10s));
  CHECK(receiver.wait_for("app_requests_total", 10s));
  CHECK(receiver.wait_for("host=first", 10s));
  CHECK(receiver.token() == "Bearer letmein");

  const auto second = App::start(settings, {*files, clock});
  REQUIRE_FALSE(second);
  CHECK(second.error().message.find("another agent") != std::string::npos);

  AgentSettings changed = settings;
  changed.sampler.identity.host = "second";
  (*app)->reload(changed);
  CHECK(receiver.wait_for("host=second", 10s));

  const base::MonotonicTime begin = clock.monotonic();
  CHECK((*app)->stop());
  CHECK(clock.monotonic() - begin < 2s);
}

TEST_CASE("without a receiver the rounds wait on the disk, and a later start delivers them") {
  const base::RealClock clock;
  const auto files = base::make_real_file_system();
  const sim::TestFolder folder;
  AgentSettings settings = settings_for(folder, "http://127.0.0.1:1");
  settings.sampler.identity.host = "before";
  {
    auto app = App::start(settings, {*files, clock});
    REQUIRE(app);
    base::Mutex mutex;
    base::Condition condition;
    const auto stored = [&] {
      for (const auto& entry : std::filesystem::directory_iterator(folder.file("spool"))) {
        if (entry.path().extension() == ".seg" && entry.file_size() > 500) return true;
      }
      return false;
    };
    const base::MonotonicTime limit = clock.monotonic() + 10s;
    const base::MutexLock lock(mutex);
    while (!stored() && clock.monotonic() < limit) {
      condition.wait_for(mutex, 20ms, [] { return false; });
    }
    CHECK(stored());
  }
  Receiver receiver(clock);
  settings = settings_for(folder, receiver.url());
  auto app = App::start(settings, {*files, clock});
  REQUIRE(app);
  CHECK(receiver.wait_for("host=before", 10s));
}

TEST_CASE("once: a page of everything, without identity labels") {
  const base::RealClock clock;
  const auto files = base::make_real_file_system();
  const sim::TestFolder folder;
  Receiver receiver(clock);
  const std::string page = one_round(settings_for(folder, receiver.url()), {*files, clock});
  CHECK(page.find("\nnode_load1 ") != page.npos);
  CHECK(page.find("# TYPE app_requests_total counter\napp_requests_total{instance=") != page.npos);
  CHECK(page.find("host=\"first\"") == page.npos);
}
