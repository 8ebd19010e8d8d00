#include "agent/collectors/redis/redis_queues.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr base::Duration kSearchEvery{60'000};
constexpr double kMessageBytesMax = 64 << 10;
constexpr std::size_t kIdsMax = 500;
constexpr std::size_t kQueuesMax = 200;
/// An idle worker asks for work about once a second.
constexpr double kBeatsWithin = 10;
constexpr int kSteadyRounds = 3;
/// kombu's separator between a queue and a priority.
constexpr std::string_view kPriority = "\x06\x16";

double seconds_since(std::int64_t ms, base::WallTime now) {
  return std::max(0.0, static_cast<double>(base::to_ms(now) - ms) / 1000);
}

}  // namespace

std::optional<std::int64_t> message_timestamp(std::string_view message) {
  constexpr std::string_view kName = "\"message_timestamp\"";
  const std::size_t at = message.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = base::trim(message.substr(at + kName.size()));
  if (!rest.starts_with(':')) return std::nullopt;
  rest = base::trim(rest.substr(1));
  const std::size_t end = rest.find_first_not_of("0123456789");
  return base::parse_i64(rest.substr(0, end));
}

RedisQueues::RedisQueues(RedisQueueSettings settings, const base::Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {
  dramatiq_.insert(settings_.dramatiq_queues.begin(), settings_.dramatiq_queues.end());
}

Result<QueuesReading> RedisQueues::read(RedisConnection& connection) {
  QueuesReading reading;
  TC_TRY(find_queues(connection));
  if (settings_.dramatiq) TC_TRY(read_dramatiq(connection, reading));
  if (settings_.celery) TC_TRY(read_celery(connection, reading));
  if (settings_.rq) TC_TRY(read_rq(connection, reading));
  return reading;
}

/// Dramatiq keeps no list of its queues, so the keys are looked through; never with KEYS, which
/// stops the server.
Result<void> RedisQueues::find_queues(RedisConnection& connection) {
  const base::MonotonicTime now = clock_.monotonic();
  if (!settings_.dramatiq || !settings_.dramatiq_queues.empty()) return base::ok();
  if (searched_at_ && now - *searched_at_ < kSearchEvery) return base::ok();
  searched_at_ = now;
  const std::string prefix = settings_.dramatiq_namespace + ":";
  std::string cursor = "0";
  for (int page = 0; page < settings_.scan_pages_max; ++page) {
    TC_TRY(const RedisReply reply,
           connection.run({"SCAN", cursor, "MATCH", prefix + "*.msgs", "COUNT", "1000"}));
    if (reply.list.size() != 2) break;
    for (const RedisReply& key : reply.list[1].list) {
      std::string name = key.text.value_or("");
      name = name.substr(prefix.size(), name.size() - prefix.size() - 5);
      for (const char* suffix : {".DQ", ".XQ"}) {
        if (name.ends_with(suffix)) name.resize(name.size() - 3);
      }
      if (dramatiq_.size() < kQueuesMax) dramatiq_.insert(name);
    }
    cursor = reply.list[0].text.value_or("0");
    if (cursor == "0") break;
  }
  return base::ok();
}

Result<void> RedisQueues::read_dramatiq(RedisConnection& connection, QueuesReading& reading) {
  if (dramatiq_.empty()) return base::ok();
  TC_TRY(const RedisReply beats,
         connection.run({"ZREVRANGE", settings_.dramatiq_namespace + ":__heartbeats__", "0",
                         std::to_string(kIdsMax - 1), "WITHSCORES"}));
  std::vector<std::string> ids;
  std::map<std::string, double> beat;
  for (std::size_t i = 0; i + 1 < beats.list.size(); i += 2) {
    ids.push_back(beats.list[i].text.value_or(""));
    beat[ids.back()] = beats.list[i + 1].number();
  }
  std::set<std::string> busy;
  for (const std::string& queue : dramatiq_) {
    TC_TRY(read_dramatiq_queue(connection, queue, ids, reading, busy));
  }
  dramatiq_workers_.insert(busy.begin(), busy.end());
  std::erase_if(dramatiq_workers_, [&](const auto& id) { return !beat.contains(id); });
  std::erase_if(dramatiq_steady_, [&](const auto& each) { return !beat.contains(each.first); });
  const double timeout = static_cast<double>(settings_.worker_timeout.count()) / 1000;
  const bool waiting = std::any_of(reading.queues.begin(), reading.queues.end(),
                                   [&](const auto& each) { return each.oldest_age > timeout; });
  WorkersReading workers{"dramatiq"};
  for (const auto& [id, ms] : beat) {
    const double age = seconds_since(static_cast<std::int64_t>(ms), clock_.wall());
    int& steady = dramatiq_steady_[id];
    steady = age <= kBeatsWithin ? steady + 1 : 0;
    const bool worker = dramatiq_workers_.contains(id) || (steady >= kSteadyRounds && !waiting);
    if (worker && age <= timeout) {
      ++workers.alive;
    } else if (busy.contains(id)) {
      ++workers.stuck;
    }
  }
  dramatiq_worked_ = dramatiq_worked_ || workers.alive > 0;
  // Before any was seen nobody knows whether there are any: an idle one has left no sign.
  if (dramatiq_worked_ || waiting || workers.stuck > 0) reading.workers.push_back(workers);
  return base::ok();
}

Result<void> RedisQueues::read_dramatiq_queue(RedisConnection& connection, const std::string& queue,
                                              const std::vector<std::string>& ids,
                                              QueuesReading& reading, std::set<std::string>& busy) {
  const std::string key = settings_.dramatiq_namespace + ":" + queue;
  std::vector<RedisCommand> commands{{"LLEN", key},
                                     {"HLEN", key + ".msgs"},
                                     {"HLEN", key + ".DQ.msgs"},
                                     {"ZCARD", key + ".XQ"},
                                     {"LINDEX", key, "0"},
                                     {"ZRANGE", key + ".XQ", "0", "0", "WITHSCORES"}};
  const std::size_t fixed = commands.size();
  const std::string acks = settings_.dramatiq_namespace + ":__acks__.";
  for (const std::string& id : ids) commands.push_back({"SCARD", acks + id + "." + queue});
  TC_TRY(const std::vector<RedisReply> replies, connection.run_all(commands));
  QueueReading result{"dramatiq", queue, replies[0].number()};
  double taken = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double held = replies[fixed + i].number();
    taken += held;
    if (held > 0) busy.insert(ids[i]);
  }
  result.unacked = taken;
  // Its id is in no list and with no worker: evicted, or lost. Nobody will ever run it.
  result.orphans = std::max(0.0, replies[1].number() - result.messages - taken);
  // Not the list's length: workers hold delayed messages in memory.
  result.delayed = replies[2].number();
  result.dead = replies[3].number();
  if (replies[5].list.size() == 2) {
    result.oldest_dead_age =
        seconds_since(static_cast<std::int64_t>(replies[5].list[1].number()), clock_.wall());
  }
  if (!replies[4].text) {
    result.oldest_age = 0;
  } else {
    TC_TRY(const RedisReply size, connection.run({"HSTRLEN", key + ".msgs", *replies[4].text}));
    if (size.number() > 0 && size.number() <= kMessageBytesMax) {
      TC_TRY(const RedisReply message, connection.run({"HGET", key + ".msgs", *replies[4].text}));
      if (const auto ms = message_timestamp(message.text.value_or(""))) {
        result.oldest_age = seconds_since(*ms, clock_.wall());
      }
    }
  }
  reading.queues.push_back(std::move(result));
  return base::ok();
}

/// A list for each queue, and one for each of its priorities; what is taken lies in one hash for
/// all.
Result<void> RedisQueues::read_celery(RedisConnection& connection, QueuesReading& reading) {
  std::vector<RedisCommand> commands{{"HLEN", "unacked"}};
  for (const std::string& queue : settings_.celery_queues) {
    commands.push_back({"LLEN", queue});
    for (const char* step : {"3", "6", "9"}) {
      commands.push_back({"LLEN", queue + std::string(kPriority) + step});
    }
    commands.push_back({"EXISTS", "_kombu.binding." + queue});
  }
  const auto replies = connection.run_all(commands);
  if (!replies) {
    // A key of that name that is no list is somebody else's.
    return replies.error().message.find("WRONGTYPE") != std::string::npos ? base::ok()
                                                                          : replies.error();
  }
  const double unacked = (*replies)[0].number();
  celery_unacked_seen_ = celery_unacked_seen_ || unacked > 0;
  for (std::size_t i = 0; i < settings_.celery_queues.size(); ++i) {
    const std::size_t at = 1 + i * 5;
    double waiting = 0;
    for (std::size_t k = 0; k < 4; ++k) waiting += (*replies)[at + k].number();
    if (waiting > 0 || (*replies)[at + 4].number() > 0) celery_.insert(settings_.celery_queues[i]);
    if (!celery_.contains(settings_.celery_queues[i])) continue;
    reading.queues.push_back({"celery", settings_.celery_queues[i], waiting});
  }
  if (!celery_.empty() || celery_unacked_seen_) {
    QueueReading all{"celery", "", 0};
    all.unacked = unacked;
    reading.queues.push_back(all);
  }
  return base::ok();
}

Result<void> RedisQueues::read_rq(RedisConnection& connection, QueuesReading& reading) {
  const std::string prefix = settings_.rq_prefix + ":";
  TC_TRY(const RedisReply names, connection.run({"SMEMBERS", prefix + "queues"}));
  for (const RedisReply& name : names.list) {
    std::string queue = name.text.value_or("");
    if (queue.starts_with(prefix + "queue:")) queue = queue.substr(prefix.size() + 6);
    if (rq_.size() < kQueuesMax) rq_.insert(queue);
  }
  for (const std::string& queue : rq_) {
    TC_TRY(const auto replies, connection.run_all({{"LLEN", prefix + "queue:" + queue},
                                                   {"ZCARD", prefix + "wip:" + queue},
                                                   {"ZCARD", prefix + "scheduled:" + queue},
                                                   {"ZCARD", prefix + "failed:" + queue}}));
    QueueReading result{"rq", queue, replies[0].number()};
    result.unacked = replies[1].number();
    result.delayed = replies[2].number();
    result.dead = replies[3].number();
    reading.queues.push_back(std::move(result));
  }
  if (rq_.empty()) return base::ok();
  TC_TRY(const RedisReply workers, connection.run({"SCARD", prefix + "workers"}));
  reading.workers.push_back({"rq", workers.number(), 0});
  return base::ok();
}

namespace {

constexpr MetricInfo kMessages{"queue_messages", "Messages that wait to be taken."};
constexpr MetricInfo kUnacked{"queue_messages_unacked", "Taken, and not done yet."};
constexpr MetricInfo kDelayed{"queue_messages_delayed", "That wait for their time."};
constexpr MetricInfo kDead{"queue_messages_dead", "Given up; deleted after some days."};
constexpr MetricInfo kOrphans{"queue_orphan_messages",
                              "Stored, in no queue and with no worker: never run."};
constexpr MetricInfo kAge{"queue_oldest_message_age_seconds", "Of the first that waits."};
constexpr MetricInfo kDeadAge{"queue_oldest_dead_message_age_seconds",
                              "Since the oldest dead one was given up."};
constexpr MetricInfo kAlive{"queue_workers_alive", "Workers whose heartbeat is fresh."};
constexpr MetricInfo kStuck{"queue_workers_stuck",
                            "Workers without heartbeat that still hold messages."};

}  // namespace

void add_queues(const QueuesReading& reading, const WorkerPlan& plan, std::string_view server,
                MetricSink& sink) {
  const model::LabelView of{"server", server};
  const model::LabelView broker{"broker", "redis"};
  for (const QueueReading& each : reading.queues) {
    const model::LabelView system{"system", each.system};
    const model::LabelView queue{"queue", each.queue};
    const auto add = [&](const MetricInfo& metric, const std::optional<double>& value) {
      if (value) sink.add(metric, {of, broker, system, queue}, *value);
    };
    if (!each.queue.empty()) add(kMessages, each.messages);
    add(kUnacked, each.unacked);
    add(kDelayed, each.delayed);
    add(kDead, each.dead);
    add(kOrphans, each.orphans);
    add(kAge, each.oldest_age);
    add(kDeadAge, each.oldest_dead_age);
  }
  for (const WorkersReading& each : reading.workers) {
    sink.add(kAlive, {of, broker, {"system", each.system}}, each.alive);
    sink.add(kStuck, {of, broker, {"system", each.system}}, each.stuck);
  }
  std::set<std::string> seen;
  for (const WorkersReading& each : reading.workers) seen.insert(each.system);
  add_worker_plan(plan, seen, server, "redis", sink);
}

}  // namespace tocsin::agent
