#include "alertd/heartbeat/heartbeat.h"

#include <fmt/format.h>

#include <set>

#include "common/net/url.h"

namespace tocsin::heartbeat {
namespace {

constexpr base::Duration kIntervalMin{5'000};
constexpr base::Duration kHealthTimeout{20'000};
constexpr base::Duration kRequestTimeout{10'000};
constexpr std::size_t kResponseBytesMax = 4096;

HeartbeatSettings read_one(config::Table& table) {
  HeartbeatSettings settings;
  settings.name = table.string("name", "outside");
  if (table.has("url_file") || table.has("url_credential")) {
    if (const auto url = table.secret("url")) settings.url = url->reveal();
  } else {
    settings.url = table.required_string("url");
  }
  if (!settings.url.empty() && !settings.url.starts_with("http://") &&
      !settings.url.starts_with("https://")) {
    table.error("url", "the url is no http:// or https:// address",
                "the address that a dead-man's-switch service gave you, or "
                "https://other-alertd:9464/api/v1/tasks/NAME/success");
  }
  settings.method = table.one_of("method", settings.method, {"GET", "HEAD", "POST"});
  if (auto token = table.secret("token")) settings.token = std::move(*token);
  settings.tls.ca_file = table.string("ca_file", "");
  settings.interval = table.duration("interval", settings.interval);
  if (settings.interval < kIntervalMin) table.error("interval", "interval must be at least 5s");
  table.finish();
  return settings;
}

}  // namespace

std::vector<HeartbeatSettings> read_heartbeat_settings(config::Table& root) {
  std::vector<HeartbeatSettings> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables("heartbeat")) {
    all.push_back(read_one(table));
    if (!names.insert(all.back().name).second) {
      table.error("name", fmt::format("two heartbeats are called '{}'", all.back().name));
    }
  }
  return all;
}

Heartbeats::Heartbeats(World world) : world_(std::move(world)) {}

Heartbeats::~Heartbeats() {
  drop_all();
}

void Heartbeats::start(std::vector<HeartbeatSettings> settings) {
  world_.executor.post([this, alive = std::weak_ptr<int>(alive_), with = std::move(settings)] {
    if (!alive.expired()) take(with);
  });
}

void Heartbeats::reload(std::vector<HeartbeatSettings> settings) {
  start(std::move(settings));
}

void Heartbeats::stop() {
  start({});
}

void Heartbeats::drop_all() {
  for (const auto& beat : beats_) world_.executor.cancel(beat->timer);
  beats_.clear();
}

void Heartbeats::take(std::vector<HeartbeatSettings> settings) {
  drop_all();
  for (HeartbeatSettings& each : settings) {
    beats_.push_back(std::make_shared<Beat>(Beat{std::move(each), 0}));
    due(beats_.back());
  }
}

void Heartbeats::due(const std::shared_ptr<Beat>& beat) {
  beat->timer = world_.executor.post_after(beat->settings.interval, [this, beat] { due(beat); });
  ask(beat);
}

// An answer that does not come is one, too.
void Heartbeats::ask(const std::shared_ptr<Beat>& beat) {
  const auto answered = std::make_shared<bool>(false);
  const auto once = [this, answered, alive = std::weak_ptr<int>(alive_),
                     weak = std::weak_ptr<Beat>(beat)](const std::string& problem) {
    const auto still = weak.lock();
    if (alive.expired() || !still || std::exchange(*answered, true)) return;
    judged(still, problem);
  };
  world_.executor.post_after(std::min(kHealthTimeout, beat->settings.interval / 2),
                             [once] { once("no answer: decisions are not made or not kept"); });
  world_.health([&executor = world_.executor, once](std::string problem) {
    executor.post([once, problem = std::move(problem)] { once(problem); });
  });
}

void Heartbeats::judged(const std::shared_ptr<Beat>& beat, const std::string& problem) {
  const std::string& name = beat->settings.name;
  if (problem.empty()) {
    failures_.clear(name + ", health");
    return send(beat);
  }
  count(*beat, "withheld");
  failures_.report(name + ", health", "no sign of life is sent: " + problem);
}

void Heartbeats::send(const std::shared_ptr<Beat>& beat) {
  const HeartbeatSettings& settings = beat->settings;
  net::HttpRequest request;
  request.method = settings.method;
  request.url = settings.url;
  request.bearer_token = settings.token;
  request.tls = settings.tls;
  request.timeout = std::min(kRequestTimeout, settings.interval);
  request.response_bytes_max = kResponseBytesMax;
  world_.http.send(
      std::move(request), world_.executor,
      [this, alive = std::weak_ptr<int>(alive_), beat](base::Result<net::HttpResponse> answer) {
        if (alive.expired()) return;
        const std::string& name = beat->settings.name;
        if (answer && answer->status / 100 == 2) {
          failures_.clear(name);
          return count(*beat, "sent");
        }
        count(*beat, "failed");
        failures_.report(
            name, fmt::format(
                      "{} does not take the sign of life: {}", net::url_origin(beat->settings.url),
                      answer ? fmt::format("HTTP {}", answer->status) : answer.error().message));
      });
}

void Heartbeats::count(const Beat& beat, const char* outcome) {
  world_.metrics
      .counter("tocsin_alertd_heartbeats_total", "Signs of life to somebody outside.",
               {{"heartbeat", beat.settings.name}, {"outcome", outcome}})
      .increment();
}

}  // namespace tocsin::heartbeat
