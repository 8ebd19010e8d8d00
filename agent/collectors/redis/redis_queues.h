// Task queues that live in Redis: Dramatiq's, Celery's and RQ's, under one set of names (queue_*).
//
// What stands where is each library's own layout, read from its source and from a running one
// (shared/reference/collectors.md, section 4). A queue that was seen once is told of for as long as
// the agent lives: its keys vanish when it is empty, and a queue that is empty is not a queue that
// is gone. Nothing of a message but its time is looked at.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/collectors/blocking/worker_plan.h"
#include "agent/collectors/collector.h"
#include "agent/collectors/redis/redis_connection.h"
#include "common/base/clock.h"

namespace tocsin::agent {

struct RedisQueueSettings {
  bool dramatiq = true;
  bool celery = true;
  bool rq = true;
  std::string dramatiq_namespace = "dramatiq";
  /// Names of queues; empty: found by looking through the keys, now and then.
  std::vector<std::string> dramatiq_queues;
  std::vector<std::string> celery_queues{"celery"};
  std::string rq_prefix = "rq";
  base::Duration worker_timeout{60'000};  ///< A heartbeat older than this is of a dead worker.
  WorkerPlan plan;
  int scan_pages_max = 200;  ///< Of a thousand keys, for one search.
};

/// One queue at one moment. What a library does not have is not there.
struct QueueReading {
  std::string system;  ///< "dramatiq", "celery", "rq"
  std::string queue{};
  double messages = 0;  ///< Ready to be taken.
  std::optional<double> unacked{}, delayed{}, dead{}, orphans{}, oldest_age{}, oldest_dead_age{};
};

/// The workers of one system.
struct WorkersReading {
  std::string system;
  double alive = 0;
  double stuck = 0;  ///< Dead, with messages that nobody gives back.
};

struct QueuesReading {
  std::vector<QueueReading> queues;
  std::vector<WorkersReading> workers;
};

/// Thread: one at a time.
class RedisQueues {
 public:
  RedisQueues(RedisQueueSettings settings, const base::Clock& clock);

  base::Result<QueuesReading> read(RedisConnection& connection);

 private:
  base::Result<void> find_queues(RedisConnection& connection);
  base::Result<void> read_dramatiq(RedisConnection& connection, QueuesReading& reading);
  base::Result<void> read_dramatiq_queue(RedisConnection& connection, const std::string& queue,
                                         const std::vector<std::string>& ids,
                                         QueuesReading& reading, std::set<std::string>& busy);
  base::Result<void> read_celery(RedisConnection& connection, QueuesReading& reading);
  base::Result<void> read_rq(RedisConnection& connection, QueuesReading& reading);

  RedisQueueSettings settings_;
  const base::Clock& clock_;
  std::set<std::string> dramatiq_;  ///< Queues seen.
  std::set<std::string> celery_;
  std::set<std::string> rq_;
  /// Heartbeats are written by whoever enqueues as well. Who has held a message is a worker; so is
  /// who beats steadily, unless messages wait that he does not take.
  std::set<std::string> dramatiq_workers_;
  std::map<std::string, int> dramatiq_steady_;  ///< For how many rounds.
  bool dramatiq_worked_ = false;                ///< A worker was seen once.
  bool celery_unacked_seen_ = false;
  std::optional<base::MonotonicTime> searched_at_;
};

void add_queues(const QueuesReading& reading, const WorkerPlan& plan, std::string_view server,
                MetricSink& sink);

/// Returns the milliseconds in `"message_timestamp": 1700000000000` of a message; nullopt if it has
/// none that can be read.
std::optional<std::int64_t> message_timestamp(std::string_view message);

}  // namespace tocsin::agent
