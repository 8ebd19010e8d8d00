#include "agent/collectors/rabbitmq/rabbitmq_queues.h"

#include <algorithm>

namespace tocsin::agent {
namespace {

constexpr MetricInfo kMessages{"queue_messages", "Messages that wait to be taken."};
constexpr MetricInfo kUnacked{"queue_messages_unacked", "Taken, and not done yet."};
constexpr MetricInfo kDelayed{"queue_messages_delayed", "That wait for their time."};
constexpr MetricInfo kDead{"queue_messages_dead", "Given up; deleted after some days."};
constexpr MetricInfo kAge{"queue_oldest_message_age_seconds", "Of the first that waits."};
constexpr MetricInfo kDeadAge{"queue_oldest_dead_message_age_seconds",
                              "Since the oldest dead one was given up."};
constexpr MetricInfo kEstimated{"queue_age_estimated",
                                "1 if the ages are the agent's reckoning, from counts."};
constexpr MetricInfo kConsumers{"queue_consumers", "Workers that take from this queue."};
constexpr MetricInfo kAlive{"queue_workers_alive", "Workers whose heartbeat is fresh."};

std::string_view without_suffix(std::string_view name) {
  return name.substr(0, name.size() - 3);
}

}  // namespace

/// What one queue says; nullopt: nothing to tell, or not known yet.
struct RabbitTaskQueues::Reading {
  std::string_view system;  ///< Empty: part of another queue, or not wanted.
  std::optional<double> messages{}, unacked{}, delayed{}, dead{}, consumers{};
  std::optional<QueueAge> age{}, dead_age{};
};

RabbitTaskQueues::RabbitTaskQueues(const RabbitQueueSettings& settings)
    : settings_(settings), dead_letters_(settings.dead_letter_pattern) {}

RabbitTaskQueues::Reading RabbitTaskQueues::read_one(
    const RabbitQueue& queue,
    const std::map<std::pair<std::string, std::string>, const RabbitQueue*>& all,
    base::WallTime now) {
  const auto sibling = [&](std::string_view name, const char* suffix) -> const RabbitQueue* {
    const auto found = all.find({queue.vhost, std::string(name) + suffix});
    return found == all.end() ? nullptr : found->second;
  };
  const auto is_dramatiq = [&](std::string_view name) {
    return sibling(name, "") != nullptr && sibling(name, ".DQ") != nullptr &&
           sibling(name, ".XQ") != nullptr;
  };
  const bool part = (queue.name.ends_with(".DQ") || queue.name.ends_with(".XQ")) &&
                    is_dramatiq(without_suffix(queue.name));
  if (part) return {};
  Reading reading{};
  reading.messages = number_of(queue.numbers, "messages_ready");
  reading.unacked = number_of(queue.numbers, "messages_unacknowledged");
  reading.consumers = number_of(queue.numbers, "consumers");
  reading.age = ages_.note(queue, now);
  const auto named =
      std::find(settings_.celery_queues.begin(), settings_.celery_queues.end(), queue.name);
  if (is_dramatiq(queue.name)) {
    if (!settings_.dramatiq) return {};
    reading.system = "dramatiq";
    reading.delayed = number_of(sibling(queue.name, ".DQ")->numbers, "messages");
    const RabbitQueue& dead = *sibling(queue.name, ".XQ");
    reading.dead = number_of(dead.numbers, "messages");
    reading.dead_age = ages_.note(dead, now);
  } else if (named != settings_.celery_queues.end()) {
    if (!settings_.celery) return {};
    reading.system = "celery";
  } else if (!settings_.other) {
    return {};
  } else {
    reading.system = "rabbitmq";
    // Nobody takes from it, and that is how it should be.
    if (dead_letters_.matches(queue.name)) {
      Reading dead{reading.system};
      dead.dead = number_of(queue.numbers, "messages");
      dead.dead_age = reading.age;
      return dead;
    }
  }
  return reading;
}

void RabbitTaskQueues::add(const std::vector<RabbitQueue>& queues, std::string_view server,
                           base::WallTime now, MetricSink& sink) {
  std::map<std::pair<std::string, std::string>, const RabbitQueue*> all;
  for (const RabbitQueue& queue : queues) all[{queue.vhost, queue.name}] = &queue;
  const model::LabelView of{"server", server};
  const model::LabelView broker{"broker", "rabbitmq"};
  Workers workers;
  for (const RabbitQueue& queue : queues) {
    const Reading reading = read_one(queue, all, now);
    if (reading.system.empty()) continue;
    const auto add_one = [&](const MetricInfo& metric, const std::optional<double>& value) {
      if (!value) return;
      sink.add(
          metric,
          {of, broker, {"system", reading.system}, {"vhost", queue.vhost}, {"queue", queue.name}},
          *value);
    };
    add_one(kMessages, reading.messages);
    add_one(kUnacked, reading.unacked);
    add_one(kDelayed, reading.delayed);
    add_one(kDead, reading.dead);
    add_one(kConsumers, reading.consumers);
    const auto& told = reading.age ? reading.age : reading.dead_age;
    if (reading.age) add_one(kAge, reading.age->seconds);
    if (reading.dead_age) add_one(kDeadAge, reading.dead_age->seconds);
    if (told) add_one(kEstimated, told->estimated ? 1 : 0);
    if (reading.system == "rabbitmq" || !reading.consumers) continue;
    double& alive = workers[{queue.vhost, std::string(reading.system)}];
    alive = std::max(alive, *reading.consumers);
  }
  for (const auto& [where, alive] : workers) {
    if (alive > 0) worked_.insert(where);
    // Queues that were left behind by a migration have no workers, and need none.
    if (!worked_.contains(where)) continue;
    sink.add(kAlive, {of, broker, {"system", where.second}, {"vhost", where.first}}, alive);
  }
  ages_.forget_others();
  std::set<std::string> seen;
  for (const auto& [vhost, system] : worked_) seen.insert(system);
  add_worker_plan(settings_.plan, seen, server, "rabbitmq", sink);
}

}  // namespace tocsin::agent
