#include "agent/collectors/redis/redis_source.h"

#include "agent/collectors/redis/redis_info.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr MetricInfo kUp{"redis_up", "1 if the Redis server answered."};
constexpr MetricInfo kSlow{"redis_slowlog_length", "Commands in the slow log."};

/// A round. A part that was not read has its error.
struct RedisRound {
  std::optional<base::Error> down;
  RedisInfo info;
  double slow = -1;
  QueuesReading queues;
  std::map<std::string, base::Error> failed;
};

/// Thread: one at a time.
class RedisReader {
 public:
  RedisReader(const RedisSettings& settings, const base::Clock& clock)
      : settings_(settings), queues_(settings.queues, clock) {}

  RedisRound read() {
    RedisRound round;
    if (auto done = read_into(round); !done) round.down = done.error();
    if (connection_ && connection_->broken()) connection_.reset();
    return round;
  }

 private:
  Result<void> read_into(RedisRound& round) {
    if (!connection_) {
      TC_TRY(connection_, RedisConnection::connect(settings_.address));
      if (settings_.database != 0) {
        TC_TRY(connection_->run({"SELECT", std::to_string(settings_.database)}));
      }
    }
    TC_TRY(const RedisReply info, connection_->run({"INFO"}));
    round.info = parse_info(info.text.value_or(""));
    // Not everybody may look at the slow log.
    if (const auto slow = connection_->run({"SLOWLOG", "LEN"})) round.slow = slow->number();
    if (connection_->broken()) return base::error(base::ErrorCode::Unavailable, "Redis went away");
    auto queues = queues_.read(*connection_);
    if (queues) {
      round.queues = std::move(*queues);
    } else {
      if (connection_->broken()) return queues.error();
      round.failed.emplace("queues", queues.error());
    }
    return base::ok();
  }

  RedisSettings settings_;
  RedisQueues queues_;
  std::unique_ptr<RedisConnection> connection_;
};

void report(const std::string& key, const RedisRound& round, base::FailureLog& failures) {
  if (round.down) {
    failures.report(key, round.down->message);
    return;
  }
  failures.clear(key);
  const auto queues = round.failed.find("queues");
  if (queues != round.failed.end()) {
    failures.report(key + ", queues", queues->second.message);
  } else {
    failures.clear(key + ", queues");
  }
}

void fill(RoundSink& sink, const RedisSettings& settings, const RedisRound& round) {
  const std::string& name = settings.name;
  const model::LabelView server{"server", name};
  sink.add(kUp, {server}, round.down ? 0 : 1);
  if (round.down) {
    add_check_failed(sink, name, "connection", *round.down);
    return;
  }
  for (const auto& [check, error] : round.failed) {
    add_check_failed(sink, name, check, error);
  }
  add_info(round.info, name, sink);
  if (round.slow >= 0) sink.add(kSlow, {server}, round.slow);
  add_queues(round.queues, settings.queues.plan, name, sink);
}

}  // namespace

std::unique_ptr<AsyncSource> make_redis_source(const RedisSettings& settings,
                                               BlockingSource::World world,
                                               base::FailureLog& failures) {
  const auto filled = [settings, &failures](RedisRound round) -> Fill {
    report(settings.key(), round, failures);
    return [settings, round = std::move(round)](RoundSink& sink) { fill(sink, settings, round); };
  };
  BlockingSource::Reading reading;
  reading.timeout = settings.timeout;
  reading.read = [filled, reader = std::make_shared<RedisReader>(settings, world.clock)] {
    return filled(reader->read());
  };
  reading.down = [filled](const base::Error& why) {
    RedisRound round;
    round.down = why;
    return filled(std::move(round));
  };
  return std::make_unique<BlockingSource>(settings.key(), "redis", std::move(reading), world);
}

}  // namespace tocsin::agent
