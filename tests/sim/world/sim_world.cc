#include "tests/sim/world/sim_world.h"

#include <boost/json.hpp>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::sim {
namespace {

const std::string kConfigPath = "/alertd.toml";
const std::string kRulesPath = "/rules/test.toml";

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

struct SimWorld::Agent {
  Agent(SimWorld& world, const std::string& host)
      : spool({.folder = "/agent/" + host},
              {world.daemon_.files(), world.daemon_.clock(), metrics}),
        sender(sender_options(host), {world.daemon_.executor(), world.daemon_.network(), spool,
                                      world.daemon_.random(), metrics}),
        sampler({}, {world.daemon_.executor(), metrics},
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

  static remote_write::SenderOptions sender_options(const std::string& host) {
    remote_write::SenderOptions options;
    options.url = "http://alertd/api/v1/write";
    options.host = host;
    return options;
  }

  base::Metrics metrics;
  ::tocsin::spool::Spool spool;
  remote_write::Sender sender;
  agent::Sampler sampler;
};

SimWorld::SimWorld(const std::string& config, const std::string& rules)
    : daemon_(*base::parse_rfc3339("2026-11-23T12:00:00Z")) {
  TC_CHECK(disk().create_folders("/rules"), "simulated disk");
  disk().set_content(kConfigPath, config);
  disk().set_content(kRulesPath, rules);
  daemon_.set_web([this](const net::HttpRequest& request) -> base::Result<net::HttpResponse> {
    if (!request.url.ends_with("/hook")) {
      return base::error(base::ErrorCode::Unavailable, "nobody listens at " + request.url);
    }
    take_hook(request);
    net::HttpResponse response;
    response.status = 200;
    return response;
  });
  daemon_.set_mail([](const net::Mail&) -> base::Result<net::MailOutcome> {
    return base::error(base::ErrorCode::Unavailable, "no mail in this world");
  });
}

SimWorld::~SimWorld() {
  crash_agent();
  crash_alertd();
}

void SimWorld::take_hook(const net::HttpRequest& request) {
  Hook hook;
  hook.at = now();
  hook.body = request.body;
  for (const auto& [name, value] : request.headers) {
    if (base::to_lower(name) == "idempotency-key") hook.key = value;
  }
  const boost::json::value body = boost::json::parse(request.body);
  hook.status = body.at("status").as_string().c_str();
  hook.alert = body.at("groupLabels").at("alertname").as_string().c_str();
  hooks_.push_back(std::move(hook));
}

void SimWorld::start_alertd() {
  auto loaded = alertd::load_settings(kConfigPath, disk());
  TC_CHECK(loaded && !base::has_errors(loaded->diagnostics),
           loaded ? base::render(loaded->diagnostics.at(0), loaded->source.text)
                  : loaded.error().message);
  const auto started = daemon_.start(std::move(loaded->settings), kConfigPath);
  TC_CHECK(started, started.error().message);
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
  net::ServerRequest request;
  request.method = "GET";
  request.path = "/api/v1/query";
  request.query.emplace("query", expr + "[" + base::format_duration(back) + "]");
  request.query.emplace("time", base::format_rfc3339(now()));
  const auto answer = daemon_.ask(std::move(request));
  TC_CHECK(answer && answer->status == 200, answer ? answer->body : answer.error().message);
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
