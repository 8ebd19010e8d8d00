#include <array>

#include "alertd/app/adapters.h"
#include "common/base/log.h"

namespace tocsin::alertd {
namespace {

// What a host's series carry; aggregations often keep only the second.
constexpr std::array kHostLabels{"host", "instance"};

}  // namespace

api::AgentInfo AgentAdapter::to_api(const ingest::Agent& agent) const {
  api::AgentInfo info;
  info.name = agent.name;
  info.labels = agent.labels;
  info.created_at = agent.created;
  if (const auto seen = ingest_.last_seen(agent.name)) {
    info.last_seen = seen->last_seen;
    info.version = seen->version;
  }
  const ingest::SenderStatus sent = ingest_.sender_status(agent.name);
  info.series = sent.series;
  info.series_max = sent.limits.series;
  info.series_refused = sent.series_refused;
  info.samples = sent.samples;
  info.samples_refused = sent.samples_refused;
  info.limits = ingest::by_name(sent.limits);
  info.requests_limited = sent.requests_limited;
  return info;
}

void AgentAdapter::list(api::Done<std::vector<api::AgentInfo>> done) {
  std::vector<api::AgentInfo> infos;
  for (const ingest::Agent& agent : registry_.list()) infos.push_back(to_api(agent));
  done(std::move(infos));
}

void AgentAdapter::add(api::AgentRequest request, api::Done<api::EnrolledAgent> done) {
  executor_.post([this, request = std::move(request), done = std::move(done)] {
    auto token = registry_.add({request.name, request.labels, {}});
    if (!token) return done(token.error());
    base::log_info("alertd/audit", "agent {} enrolled ({})", request.name, request.source);
    ingest_.registry_changed();
    for (const char* label : kHostLabels) ruler_.welcome(label, request.name);
    api::AgentInfo info;
    info.name = request.name;
    info.labels = request.labels;
    info.created_at = executor_.clock().wall();
    done(api::EnrolledAgent{std::move(info), std::move(*token)});
  });
}

void AgentAdapter::remove(std::string name, std::string source, api::Done<void> done) {
  executor_.post(
      [this, name = std::move(name), source = std::move(source), done = std::move(done)] {
        const auto removed = registry_.remove(name);
        if (removed) {
          base::log_info("alertd/audit", "agent {} removed ({})", name, source);
          ingest_.registry_changed();
          for (const char* label : kHostLabels) {
            ruler_.forget_owner(label, name, "agent " + name + " was removed by " + source);
          }
        }
        done(removed);
      });
}

}  // namespace tocsin::alertd
