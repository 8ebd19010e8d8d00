// What `[[rabbitmq]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "agent/collectors/rabbitmq/rabbitmq_queues.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/net/http_client.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One broker, or a cluster that is asked through one of its nodes.
struct RabbitmqSettings {
  std::string name;  ///< The label `server`.
  std::string url;   ///< Of the management API, without a slash at the end.
  std::string user;
  base::Secret password;
  net::TlsOptions tls;
  base::Duration timeout{5'000};    ///< Of a round, all requests together.
  std::vector<std::string> vhosts;  ///< Whose queues are told; empty: all.
  /// Whose names match are left out; by default queues that live as long as a connection, and
  /// those by which Celery's workers talk.
  std::string queues_exclude = R"(^amq\.gen-|^celeryev\.|\.celery\.pidbox$|\.reply\.)";
  std::size_t queues_max = 500;            ///< That are read; the others are a failed check.
  base::Duration queues_interval{15'000};  ///< How often; in between the last answer is told.
  RabbitQueueSettings queues;

  std::string key() const { return "rabbitmq " + name; }
};

/// Reads every `[[rabbitmq]]` table of the root. `interval` is the round's: a time-out must be
/// shorter. Mistakes go to the diagnostics.
std::vector<RabbitmqSettings> read_rabbitmq_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent
