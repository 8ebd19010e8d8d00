#include "alertd/api/target_handlers.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "alertd/api/json.h"
#include "alertd/api/newest.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr const char* kAgentPool = "agents";
constexpr const char* kNever = "0001-01-01T00:00:00Z";  // Go's zero time, which clients expect

model::Labels without_name(const model::Labels& labels) {
  return model::LabelsBuilder(labels).remove(model::kMetricName).build();
}

}  // namespace

struct TargetHandlers::Target {
  std::string pool;
  model::Labels labels;
  std::string address;
  std::string health;  ///< "up", "down" or "unknown"
  std::string error;
  std::optional<base::WallTime> last_seen;
  double duration = 0;  ///< Seconds of the last scrape.

  json::object to_json() const {
    return {
        {"discoveredLabels", json::object{{"__address__", clean(address)}, {"job", clean(pool)}}},
        {"labels", labels_json(labels)},
        {"scrapePool", clean(pool)},
        {"scrapeUrl", ""},
        {"globalUrl", ""},
        {"lastError", clean(error)},
        {"lastScrape", last_seen ? base::format_rfc3339(*last_seen) : std::string(kNever)},
        {"lastScrapeDuration", duration},
        {"health", health},
        {"scrapeInterval", "0s"},
        {"scrapeTimeout", "0s"}};
  }
};

TargetHandlers::Target TargetHandlers::target_of(const AgentInfo& agent, base::WallTime now) const {
  model::LabelsBuilder labels(agent.labels);
  labels.set("host", agent.name).set("job", kAgentPool);
  Target target{kAgentPool, labels.build(), agent.name, "unknown", "", agent.last_seen, 0};
  if (!agent.last_seen) {
    target.error = "it has not pushed since this daemon started";
  } else if (now - *agent.last_seen < lookback_) {
    target.health = "up";
  } else {
    target.health = "down";
    target.error = "it has not pushed since " + base::format_rfc3339(*agent.last_seen);
  }
  return target;
}

base::Result<std::vector<TargetHandlers::Target>> TargetHandlers::scraped(
    base::WallTime now, const QueryRunner::Cancelled& cancelled) const {
  const auto newest = [&](const char* metric) {
    const model::Matcher named = model::Matcher::equal(std::string(model::kMetricName), metric);
    return newest_samples(source_, std::span(&named, 1), base::to_ms(now), lookback_, cancelled);
  };
  TC_TRY(const promql::Vector ups, newest("up"));
  TC_TRY(const promql::Vector durations, newest("scrape_duration_seconds"));
  std::map<model::Labels, double> seconds;
  for (const auto& one : durations) seconds.emplace(without_name(one.labels), one.sample.value);
  std::vector<Target> targets;
  for (const auto& up : ups) {
    Target target{std::string(up.labels.get("job")),
                  without_name(up.labels),
                  std::string(up.labels.get("instance")),
                  up.sample.value > 0 ? "up" : "down",
                  "",
                  base::wall_time(up.sample.timestamp_ms),
                  0};
    if (target.health == "down") target.error = "up is 0; the log of the one who scrapes says why";
    const auto took = seconds.find(target.labels);
    if (took != seconds.end()) target.duration = took->second;
    targets.push_back(std::move(target));
  }
  return targets;
}

void TargetHandlers::collect(
    ApiCall call, std::function<net::ServerResponse(const std::vector<Target>&)> answer) const {
  const QueryRunner::Patience patience = runner_.patience(call.request);
  agents_.list([this, patience, respond = std::move(call.respond),
                answer = std::move(answer)](const base::Result<std::vector<AgentInfo>>& agents) {
    if (!agents) return respond(failure(agents.error(), 400));
    const base::WallTime now = clock_.wall();
    std::vector<Target> targets;
    for (const AgentInfo& agent : *agents) targets.push_back(target_of(agent, now));
    runner_.run(
        patience, respond,
        [this, now, targets = std::move(targets), answer](const QueryRunner::Cancelled& cancelled) {
          auto more = scraped(now, cancelled);
          if (!more) return failure(more.error(), 422);
          std::vector<Target> all = targets;
          std::move(more->begin(), more->end(), std::back_inserter(all));
          std::sort(all.begin(), all.end(), [](const Target& a, const Target& b) {
            return a.pool != b.pool ? a.pool < b.pool : a.labels < b.labels;
          });
          return answer(all);
        });
  });
}

void TargetHandlers::targets(ApiCall call) const {
  const std::string state = base::to_lower(call.request.parameter("state"));
  const std::string pool(call.request.parameter("scrapePool"));
  collect(std::move(call), [state, pool](const std::vector<Target>& targets) {
    json::array active;
    for (const Target& target : targets) {
      if (pool.empty() || target.pool == pool) active.push_back(target.to_json());
    }
    if (state == "dropped") active.clear();
    json::object data{{"activeTargets", std::move(active)}, {"droppedTargets", json::array{}}};
    if (state != "active") data["droppedTargetCounts"] = json::object{};
    return success(data);
  });
}

void TargetHandlers::scrape_pools(ApiCall call) const {
  collect(std::move(call), [](const std::vector<Target>& targets) {
    std::set<std::string> pools;
    for (const Target& target : targets) pools.insert(target.pool);
    return success("{\"scrapePools\":" +
                   strings_text(std::vector<std::string>(pools.begin(), pools.end())) + "}");
  });
}

}  // namespace tocsin::api
