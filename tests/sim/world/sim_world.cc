#include "tests/sim/world/sim_world.h"

#include <boost/json.hpp>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::sim {
namespace {

constexpr base::Duration kNetworkDelay{5};
const std::string kConfigPath = "/alertd.toml";
const std::string kRulesPath = "/rules/test.toml";

class NoMail final : public net::MailClient {
 public:
  void send(const net::SmtpServer&, net::Mail, base::Duration, base::Executor& reply_on,
            net::MailDone done) override {
    reply_on.post([done = std::move(done)] {
      done(base::error(base::ErrorCode::Unavailable, "no mail in this world"));
    });
  }
};

class Values final : public agent::Collector {
 public:
  explicit Values(const std::map<std::string, double>& values) : values_(values) {}
  std::string_view name() const override { return "values"; }
  base::Result<void> collect(agent::MetricSink& sink) override {
    for (const auto& [name, value] : values_) sink.add({name, "A value of the test."}, value);
    return base::ok();
  }

 private:
  const std::map<std::string, double>& values_;
};

}  // namespace

// Calls to /hook are the webhook receiver; everything else is alertd.
class SimWorld::Network final : public net::HttpClient {
 public:
  explicit Network(SimWorld& world) : world_(world) {}

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    reply_on.post_after(kNetworkDelay, [this, request = std::move(request), &reply_on,
                                        done = std::move(done)]() mutable {
      if (request.url.ends_with("/hook")) {
        take_hook(request);
        net::HttpResponse response;
        response.status = 200;
        return done(std::move(response));
      }
      if (!world_.alertd_up()) {
        return done(base::error(base::ErrorCode::Unavailable, "connection refused"));
      }
      world_.app_->handle(to_server(request), [&reply_on, done](net::ServerResponse answer) {
        reply_on.post_after(kNetworkDelay, [done, answer = std::move(answer)] {
          net::HttpResponse response;
          response.status = answer.status;
          response.headers = answer.headers;
          response.body = answer.body;
          done(std::move(response));
        });
      });
    });
  }

 private:
  static net::ServerRequest to_server(net::HttpRequest& request) {
    net::ServerRequest out;
    out.method = request.method;
    out.path = request.url.substr(request.url.find('/', sizeof "http://" - 1));
    for (const auto& [name, value] : request.headers) {
      out.headers.emplace_back(base::to_lower(name), value);
    }
    out.headers.emplace_back("host", "localhost");
    out.body = std::move(request.body);
    out.peer_address = "127.0.0.1";
    out.peer_is_loopback = true;
    return out;
  }

  void take_hook(const net::HttpRequest& request) {
    Hook hook;
    hook.at = world_.now();
    hook.body = request.body;
    for (const auto& [name, value] : request.headers) {
      if (base::to_lower(name) == "idempotency-key") hook.key = value;
    }
    const boost::json::value body = boost::json::parse(request.body);
    hook.status = body.at("status").as_string().c_str();
    hook.alert = body.at("groupLabels").at("alertname").as_string().c_str();
    world_.hooks_.push_back(std::move(hook));
  }

  SimWorld& world_;
};

struct SimWorld::Agent {
  Agent(SimWorld& world, const std::string& host)
      : spool({.folder = "/agent/" + host}, {world.files_, world.clock_, metrics}),
        sender(sender_options(host),
               {world.executor_, *world.network_, spool, *world.random_, metrics}),
        sampler({}, {world.executor_, metrics},
                [this](model::WriteBatch batch) { sender.push(std::move(batch)); }) {
    agent::SamplerOptions options;
    options.identity.host = host;
    options.identity.instance = host;
    agent::Sampler::Sources sources;
    sources.collectors.push_back(std::make_unique<Values>(world.values));
    sampler.configure(options, std::move(sources));
    sender.start();
    sampler.start();
  }

  static agent::SenderOptions sender_options(const std::string& host) {
    agent::SenderOptions options;
    options.url = "http://alertd/api/v1/write";
    options.host = host;
    return options;
  }

  base::Metrics metrics;
  agent::Spool spool;
  agent::Sender sender;
  agent::Sampler sampler;
};

SimWorld::SimWorld(const std::string& config, const std::string& rules)
    : clock_(*base::parse_rfc3339("2026-11-23T12:00:00Z")),
      executor_(clock_),
      random_(base::make_seeded_random(7)),
      network_(std::make_unique<Network>(*this)),
      mail_(std::make_unique<NoMail>()),
      state_disk_(std::make_shared<incident::FakeStateStore::Disk>()) {
  TC_CHECK(files_.create_folders("/rules"), "simulated disk");
  files_.set_content(kConfigPath, config);
  files_.set_content(kRulesPath, rules);
}

SimWorld::~SimWorld() {
  crash_agent();
  crash_alertd();
}

void SimWorld::start_alertd() {
  TC_CHECK(!app_, "alertd runs already");
  auto loaded = alertd::load_settings(kConfigPath, files_);
  TC_CHECK(loaded && !base::has_errors(loaded->diagnostics),
           loaded ? base::render(loaded->diagnostics.at(0), loaded->source.text)
                  : loaded.error().message);
  state_ = std::make_unique<incident::FakeStateStore>(state_disk_);
  const alertd::World world{clock_,    files_,    *random_,      metrics_,  *network_,
                            *mail_,    *state_,   "alertd-host", executor_, executor_,
                            executor_, executor_, executor_,     executor_};
  auto app = alertd::App::make(world, std::move(loaded->settings), kConfigPath);
  TC_CHECK(app, app.error().message);
  app_ = std::move(*app);
  bool started = false;
  app_->start([&](base::Result<void> result) {
    TC_CHECK(result, result.error().message);
    started = true;
  });
  executor_.run_ready();
  TC_CHECK(started, "alertd did not start at once");
}

void SimWorld::crash_alertd() {
  if (!app_) return;
  app_->stop();
  // What was posted at this instant runs into the stopped parts; nothing of them is left after it.
  executor_.run_ready();
  app_.reset();
  state_.reset();
  files_.crash(Unsynced::Torn, false);
}

void SimWorld::start_agent(const std::string& host) {
  agent_ = std::make_unique<Agent>(*this, host);
}

void SimWorld::crash_agent() {
  agent_.reset();
}

std::vector<std::string> SimWorld::told(const std::string& alert) const {
  std::vector<std::string> statuses;
  std::map<std::string, bool> seen;
  for (const Hook& hook : hooks_) {
    if (hook.alert != alert || seen[hook.key]) continue;
    seen[hook.key] = true;
    statuses.push_back(hook.status);
  }
  return statuses;
}

std::vector<model::Sample> SimWorld::samples(const std::string& expr, base::Duration back) {
  std::optional<net::ServerResponse> answer;
  net::ServerRequest request;
  request.method = "GET";
  request.path = "/api/v1/query";
  request.query.emplace("query", expr + "[" + base::format_duration(back) + "]");
  request.query.emplace("time", base::format_rfc3339(now()));
  request.headers.emplace_back("host", "localhost");
  request.peer_address = "127.0.0.1";
  request.peer_is_loopback = true;
  app_->handle(std::move(request),
               [&](net::ServerResponse response) { answer = std::move(response); });
  executor_.run_ready();
  TC_CHECK(answer && answer->status == 200, answer ? answer->body : "no answer");
  const boost::json::value body = boost::json::parse(answer->body);
  const boost::json::array& result = body.at("data").at("result").as_array();
  std::vector<model::Sample> samples;
  if (result.empty()) return samples;
  TC_CHECK(result.size() == 1, "one series expected: " + answer->body);
  for (const boost::json::value& point : result[0].at("values").as_array()) {
    const double seconds = point.as_array()[0].to_number<double>();
    const auto value = base::parse_double(point.as_array()[1].as_string().c_str());
    samples.push_back({std::llround(seconds * 1000), value.value_or(0)});
  }
  return samples;
}

}  // namespace tocsin::sim
