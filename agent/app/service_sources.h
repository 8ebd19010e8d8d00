// The services beside the databases: PgBouncer, RabbitMQ, mail. Their tables, and their sources.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/mail/mail_settings.h"
#include "agent/collectors/pgbouncer/pgbouncer_settings.h"
#include "agent/collectors/rabbitmq/rabbitmq_settings.h"
#include "agent/sampler/sampler.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

struct ServiceSettings {
  std::vector<PgbouncerSettings> pgbouncer;
  std::vector<RabbitmqSettings> rabbitmq;
  std::vector<MailQueueSettings> mail_queues;
  std::vector<MailCanarySettings> mail_canaries;
  base::Duration interval{15'000};  ///< Of the rounds.
  std::string state_folder;         ///< Where canaries remember.
};

/// Reads [[pgbouncer]], [[rabbitmq]], [[mail_queue]] and [[mail_canary]]. Mistakes go to the
/// diagnostics. `spool_folder` lies in the agent's state folder.
ServiceSettings read_service_settings(config::Table& root, const SamplerOptions& sampler,
                                      const std::string& spool_folder);

/// What sends the canaries and looks for them: two threads. Empty: nothing is sent.
struct MailClients {
  std::unique_ptr<net::MailClient> mail{};
  std::unique_ptr<net::ImapClient> imap{};

  /// Makes both if there is a canary and they are not there.
  void make_for(const ServiceSettings& settings, const base::Clock& clock);
};

struct ServiceWorld {
  BlockingSource::World reading;
  base::FileSystem& files;
  base::FailureLog& failures;
  net::HttpClient* http;              ///< There if there is a RabbitMQ.
  const MailClients* mail = nullptr;  ///< Null: nothing is sent.
};

/// Everything in `world` outlives the sources.
void add_service_sources(Sampler::Sources& sources, const ServiceSettings& settings,
                         const ServiceWorld& world);

}  // namespace tocsin::agent
