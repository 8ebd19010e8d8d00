#include "agent/app/service_sources.h"

#include "agent/collectors/mail/mail_canary.h"
#include "agent/collectors/mail/mail_queue_source.h"
#include "agent/collectors/pgbouncer/pgbouncer_source.h"
#include "agent/collectors/rabbitmq/rabbitmq_source.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kMailsMax = 16;

}  // namespace

ServiceSettings read_service_settings(config::Table& root, const SamplerOptions& sampler,
                                      const std::string& spool_folder) {
  ServiceSettings settings;
  settings.pgbouncer = read_pgbouncer_settings(root, sampler.interval);
  settings.rabbitmq = read_rabbitmq_settings(root, sampler.interval);
  settings.mail_queues = read_mail_queue_settings(root);
  settings.mail_canaries = read_mail_canary_settings(root, sampler.identity.host);
  settings.interval = sampler.interval;
  settings.state_folder = base::join_path(spool_folder.substr(0, spool_folder.rfind('/')), "mail");
  return settings;
}

void MailClients::make_for(const ServiceSettings& settings, const base::Clock& clock) {
  if (settings.mail_canaries.empty() || mail) return;
  mail = net::make_mail_client(clock, 1, kMailsMax);
  imap = net::make_imap_client(clock);
}

void add_service_sources(Sampler::Sources& sources, const ServiceSettings& settings,
                         const ServiceWorld& world) {
  for (const PgbouncerSettings& server : settings.pgbouncer) {
    sources.async.push_back(make_pgbouncer_source(server, world.reading, world.failures));
  }
  for (const RabbitmqSettings& server : settings.rabbitmq) {
    sources.async.push_back(std::make_unique<RabbitmqSource>(
        server, RabbitmqSource::World{world.reading.executor, *world.http, world.failures}));
  }
  for (const MailQueueSettings& queue : settings.mail_queues) {
    sources.async.push_back(
        make_mail_queue_source(queue, settings.interval, world.reading, world.failures));
  }
  const MailClients none;
  const MailClients& clients = world.mail == nullptr ? none : *world.mail;
  for (const MailCanarySettings& canary : settings.mail_canaries) {
    sources.async.push_back(std::make_unique<MailCanary>(
        canary,
        MailCanary::World{world.reading.executor, world.files, clients.mail.get(),
                          clients.imap.get(), world.failures, settings.state_folder},
        base::make_real_random()));
  }
}

}  // namespace tocsin::agent
