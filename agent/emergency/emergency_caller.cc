#include "agent/emergency/emergency_caller.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "common/base/hash.h"
#include "common/net/url.h"

namespace tocsin::agent {
namespace {

constexpr const char* kAlert = "AlertdUnreachable";
constexpr base::Duration kRequestTimeout{10'000};
constexpr base::Duration kLookAtMost{5'000};
constexpr std::size_t kResponseBytesMax = 4096;

boost::json::object webhook(const EmergencyNews& news) {
  const char* status = news.firing ? "firing" : "resolved";
  const boost::json::object labels{
      {"alertname", kAlert}, {"host", news.host}, {"severity", "critical"}};
  const boost::json::object annotations{{"summary", emergency_text(news)},
                                        {"description", news.problem}};
  const std::string ends =
      news.firing ? std::string("0001-01-01T00:00:00Z") : base::format_rfc3339(news.now);
  const boost::json::object alert{{"status", status},
                                  {"labels", labels},
                                  {"annotations", annotations},
                                  {"startsAt", base::format_rfc3339(news.since)},
                                  {"endsAt", ends},
                                  {"generatorURL", ""},
                                  {"fingerprint", fmt::format("{:016x}", base::fnv1a(news.host))}};
  return {
      {"version", "4"},          {"groupKey", fmt::format("tocsin-agent/{}:{}", news.host, kAlert)},
      {"truncatedAlerts", 0},    {"status", status},
      {"receiver", "emergency"}, {"groupLabels", boost::json::object{{"alertname", kAlert}}},
      {"commonLabels", labels},  {"commonAnnotations", annotations},
      {"externalURL", ""},       {"alerts", boost::json::array{alert}}};
}

}  // namespace

std::string emergency_text(const EmergencyNews& news) {
  const base::Duration silent = std::chrono::floor<std::chrono::seconds>(news.now - news.since);
  if (!news.firing) {
    return fmt::format("[RESOLVED] {}: alertd at {} answers again, after {}", news.host,
                       news.alertd, base::format_duration(silent));
  }
  return fmt::format(
      "[CRITICAL] {}: alertd at {} has not answered for {}: {}. Nobody watches this host; its "
      "samples "
      "are kept on its disk. If other hosts say the same, alertd or the network to it is down.",
      news.host, news.alertd, base::format_duration(silent), news.problem);
}

std::string emergency_body(const EmergencyNews& news, EmergencyFormat format) {
  switch (format) {
    case EmergencyFormat::Webhook:
      return boost::json::serialize(webhook(news));
    case EmergencyFormat::Slack:
      return boost::json::serialize(boost::json::object{{"text", emergency_text(news)}});
    case EmergencyFormat::Text:
      break;
  }
  return emergency_text(news);
}

EmergencyCaller::EmergencyCaller(World world)
    : world_(world), bell_({}, world.executor.clock().monotonic()) {}

EmergencyCaller::~EmergencyCaller() {
  world_.executor.cancel(timer_);
}

void EmergencyCaller::configure(std::optional<EmergencySettings> settings, Host host) {
  const bool was_on = settings_.has_value();
  settings_ = std::move(settings);
  host_ = std::move(host);
  world_.executor.cancel(timer_);
  timer_ = 0;
  if (!settings_) return;
  if (was_on) {
    bell_.configure(settings_->times);
  } else {
    bell_ = Bell(settings_->times, world_.executor.clock().monotonic());
  }
  look();
}

void EmergencyCaller::alive() {
  bell_.alive(world_.executor.clock().monotonic());
}

// Looks often enough for `after`, and seldom enough to cost nothing.
void EmergencyCaller::look() {
  timer_ = world_.executor.post_after(std::min(kLookAtMost, settings_->times.after / 3),
                                      [this] { look(); });
  if (calling_) return;
  if (const auto ring = bell_.due(world_.executor.clock().monotonic())) call(*ring);
}

EmergencyNews EmergencyCaller::news(const Ring& ring) const {
  const base::Clock& clock = world_.executor.clock();
  const base::WallTime now = clock.wall();
  return {.host = host_.name,
          .alertd = host_.alertd,
          .problem = problem_.empty() ? "no answer" : problem_,
          .firing = ring.firing,
          .since = now - std::chrono::floor<base::Duration>(clock.monotonic() - ring.since),
          .now = now};
}

void EmergencyCaller::call(const Ring& ring) {
  const EmergencyNews said = news(ring);
  base::log_warning("agent/emergency", "calling '{}' past alertd: {}",
                    net::url_origin(settings_->url), emergency_text(said));
  net::HttpRequest request;
  request.method = "POST";
  request.url = settings_->url;
  request.body = emergency_body(said, settings_->format);
  const bool json = settings_->format != EmergencyFormat::Text;
  request.headers = {{"Content-Type", json ? "application/json" : "text/plain; charset=utf-8"},
                     {"Idempotency-Key", fmt::format("tocsin-emergency-{}-{}-{}-{}", host_.name,
                                                     base::to_ms(said.since) / 60'000, ring.number,
                                                     ring.firing ? "firing" : "resolved")}};
  request.bearer_token = settings_->token;
  request.tls = settings_->tls;
  request.timeout = kRequestTimeout;
  request.response_bytes_max = kResponseBytesMax;
  calling_ = true;
  world_.http.send(
      std::move(request), world_.executor,
      [this, ring, alive = std::weak_ptr<int>(alive_)](base::Result<net::HttpResponse> answer) {
        if (alive.expired()) return;
        calling_ = false;
        const bool taken = answer && answer->status / 100 == 2;
        world_.metrics
            .counter("tocsin_agent_emergency_calls_total", "Calls past alertd.",
                     {{"outcome", taken ? "taken" : "failed"}})
            .increment();
        bell_.said(ring, taken, world_.executor.clock().monotonic());
        if (taken) {
          failures_.clear("call");
        } else {
          failures_.report("call",
                           answer ? fmt::format("the receiver answered HTTP {}", answer->status)
                                  : answer.error().message);
        }
      });
}

}  // namespace tocsin::agent
