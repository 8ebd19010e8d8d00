#include "agent/collectors/blocking/worker_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr MetricInfo kExpected{"queue_workers_expected", "Workers that should be alive, as told."};
constexpr MetricInfo kThreads{"queue_worker_threads", "Messages that one worker runs at once."};
constexpr std::uint64_t kMost = 10'000;

std::map<std::string, std::uint64_t> read_counts(config::Table& table, const char* key,
                                                 const std::vector<std::string>& systems) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [system, text] : table.string_map(key)) {
    const auto count = base::parse_u64(text);
    if (std::find(systems.begin(), systems.end(), system) == systems.end()) {
      table.error(key, fmt::format("'{}' is no task queue whose workers are known here", system),
                  fmt::format("{}", fmt::join(systems, ", ")));
    } else if (!count || *count < 1 || *count > kMost) {
      table.error(key, fmt::format("{} = {}: expected a number from 1 to {}", system, text, kMost));
    } else {
      counts[system] = *count;
    }
  }
  return counts;
}

}  // namespace

WorkerPlan read_worker_plan(config::Table& table, const std::vector<std::string>& systems) {
  WorkerPlan plan{read_counts(table, "workers_expected", systems),
                  read_counts(table, "worker_threads", systems)};
  plan.threads.emplace("dramatiq", 8);  // the default of its command line
  return plan;
}

void add_worker_plan(const WorkerPlan& plan, const std::set<std::string>& seen,
                     std::string_view server, std::string_view broker, MetricSink& sink) {
  const auto add = [&](const MetricInfo& metric, std::string_view system, std::uint64_t count) {
    sink.add(metric, {{"server", server}, {"broker", broker}, {"system", system}},
             static_cast<double>(count));
  };
  for (const auto& [system, count] : plan.expected) add(kExpected, system, count);
  for (const auto& [system, count] : plan.threads) {
    if (seen.contains(system)) add(kThreads, system, count);
  }
}

}  // namespace tocsin::agent
