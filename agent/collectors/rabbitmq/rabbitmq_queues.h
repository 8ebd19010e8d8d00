// Task queues in RabbitMQ, under the names that all brokers share (queue_*). Pure but for what was
// seen before.
//
// Dramatiq makes three queues of one: q, q.DQ for messages that wait for their time, q.XQ for those
// that were given up. A worker takes delayed messages out of q.DQ at once and holds them in memory,
// so delayed is ready and unacknowledged together. Workers are the consumers: each worker process
// has one on every queue that it works for. Source: Dramatiq 2.x, its RabbitMQ broker.
#pragma once

#include <map>
#include <set>

#include "agent/collectors/blocking/worker_plan.h"
#include "agent/collectors/collector.h"
#include "agent/collectors/host/pattern.h"
#include "agent/collectors/rabbitmq/queue_ages.h"
#include "agent/collectors/rabbitmq/rabbitmq_api.h"

namespace tocsin::agent {

struct RabbitQueueSettings {
  bool dramatiq = true;
  bool celery = true;
  bool other = true;  ///< Whatever is in no task queue library's shape.
  std::vector<std::string> celery_queues{"celery"};
  /// Queues of other programs whose messages were given up.
  std::string dead_letter_pattern = "(?i)[._-](dlq|dlx|dead|dead[._-]?letters?)$";
  WorkerPlan plan;
};

/// Thread: one at a time.
class RabbitTaskQueues {
 public:
  explicit RabbitTaskQueues(const RabbitQueueSettings& settings);

  /// Adds the samples of all queues; `server` is their label, `now` the time of the reading.
  void add(const std::vector<RabbitQueue>& queues, std::string_view server, base::WallTime now,
           MetricSink& sink);

 private:
  struct Reading;
  using Workers = std::map<std::pair<std::string, std::string>, double>;  // vhost, system

  Reading read_one(const RabbitQueue& queue,
                   const std::map<std::pair<std::string, std::string>, const RabbitQueue*>& all,
                   base::WallTime now);

  RabbitQueueSettings settings_;
  Pattern dead_letters_;
  QueueAges ages_;
  std::set<std::pair<std::string, std::string>> worked_;  ///< Where a worker was seen once.
};

}  // namespace tocsin::agent
