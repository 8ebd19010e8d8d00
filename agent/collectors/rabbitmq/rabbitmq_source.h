// A RabbitMQ as the sampler sees it: rabbitmq_up, the broker's numbers, and the queues in it.
//
// A round is a chain of requests to the management API: overview, nodes, pages of queues. Each gets
// what is left of the round's time-out, so that a broker that hangs costs that and no more.
// tocsin_agent_check_failed says which part failed ("connection", "nodes", "queues") and the class
// of the reason; the log has the reason, with the tag or the setting that is missing.
#pragma once

#include <optional>

#include "agent/collectors/rabbitmq/rabbitmq_settings.h"
#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// Owner: the sampler's executor.
class RabbitmqSource final : public AsyncSource {
 public:
  struct World {
    base::Executor& executor;  ///< The sampler's.
    net::HttpClient& http;
    base::FailureLog& failures;
  };

  RabbitmqSource(RabbitmqSettings settings, World world);

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  /// A round under way. A part that was not read has its error.
  struct Round {
    std::function<void(const Fill&)> done;
    base::MonotonicTime due;
    std::optional<base::Error> down;
    RabbitOverview overview;
    std::vector<RabbitNode> nodes;
    std::vector<RabbitQueue> queues;
    std::size_t total = 0;  ///< Queues that the user may see.
    std::map<std::string, base::Error> failed;
  };
  using Answer = std::function<void(const std::shared_ptr<Round>&, base::Result<std::string>)>;

  void ask(const std::shared_ptr<Round>& round, const std::string& path, Answer answer);
  base::Result<std::string> body_of(const base::Result<net::HttpResponse>& answer,
                                    const std::string& path) const;
  void ask_nodes(const std::shared_ptr<Round>& round);
  void ask_queues(const std::shared_ptr<Round>& round, std::size_t vhost, std::size_t page);
  void take_page(const std::shared_ptr<Round>& round, std::size_t vhost, std::size_t page,
                 RabbitQueuePage answer);
  void take_queues(const std::shared_ptr<Round>& round, bool cut);
  void look_for_hidden(const Round& round);
  void finish(const std::shared_ptr<Round>& round);
  void report(const Round& round);
  void fill(RoundSink& sink, const Round& round);

  RabbitmqSettings settings_;
  World world_;
  std::string key_;
  std::string authorization_;
  Pattern exclude_;
  RabbitTaskQueues task_queues_;
  std::vector<RabbitQueue> queues_;          ///< Of the last complete reading.
  std::optional<base::Error> queues_short_;  ///< There are more than are told, and why.
  int hidden_ = 0;                           ///< Readings in a row that did not show all.
  std::optional<base::MonotonicTime> queues_read_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent
