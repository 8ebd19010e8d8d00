// The parts of propose(), one for each kind of service. Each adds to `out`.
#pragma once

#include "agent/discover/proposals.h"

namespace tocsin::agent {

void propose_host(const HostLook& look, const Trials& trials, std::vector<Proposal>& out);
/// PostgreSQL, PgBouncer, Redis.
void propose_databases(const HostLook& look, const Trials& trials, std::vector<Proposal>& out);
/// nginx: logs, certificates, probes.
void propose_web(const HostLook& look, const Trials& trials, std::vector<Proposal>& out);
/// RabbitMQ, Postfix, exporters of others.
void propose_brokers_and_mail(const HostLook& look, const Trials& trials,
                              std::vector<Proposal>& out);
/// Groups of processes, control groups.
void propose_processes(const HostLook& look, const Trials& trials, std::vector<Proposal>& out);
/// Backups, plugins of Nagios, disks' reports.
void propose_files(const HostLook& look, const Trials& trials, std::vector<Proposal>& out);

/// "name = "..."" for each name once: the second "redis" becomes "redis-6380".
class UniqueNames {
 public:
  std::string take(const std::string& name, const std::string& or_else);

 private:
  std::vector<std::string> taken_;
};

}  // namespace tocsin::agent
