// How many workers a task queue should have, as whoever runs it says: for rules that compare.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "common/config/table.h"

namespace tocsin::agent {

struct WorkerPlan {
  std::map<std::string, std::uint64_t> expected;  ///< By system: worker processes.
  std::map<std::string, std::uint64_t> threads;   ///< By system: of each worker.
};

/// Reads `workers_expected` and `worker_threads`, tables such as { dramatiq = 4 }; `systems` are
/// those that may be named. Dramatiq's workers have 8 threads unless it is said.
WorkerPlan read_worker_plan(config::Table& table, const std::vector<std::string>& systems);

/// Adds queue_workers_expected of what was said, and queue_worker_threads of the systems that are
/// `seen` to have workers.
void add_worker_plan(const WorkerPlan& plan, const std::set<std::string>& seen,
                     std::string_view server, std::string_view broker, MetricSink& sink);

}  // namespace tocsin::agent
