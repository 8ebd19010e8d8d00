// agent.toml: what it says, with defaults good enough for no file at all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/app/alertd_links.h"
#include "agent/app/local_sources.h"
#include "agent/app/posture_sources.h"
#include "agent/app/service_sources.h"
#include "agent/backup/backup_settings.h"
#include "agent/collectors/host/host_collectors.h"
#include "agent/collectors/logs/logs_settings.h"
#include "agent/collectors/postgres/postgres_settings.h"
#include "agent/collectors/probe/certificate_settings.h"
#include "agent/collectors/probe/probe_settings.h"
#include "agent/collectors/redis/redis_settings.h"
#include "agent/collectors/scrape/scrape_settings.h"
#include "agent/emergency/emergency_settings.h"
#include "agent/sampler/sampler.h"
#include "agent/tasks/task_settings.h"
#include "common/base/log.h"
#include "common/config/node.h"

namespace tocsin::agent {

using remote_write::SenderOptions;
using spool::SpoolOptions;

/// The whole configuration of the agent.
struct AgentSettings {
  SamplerOptions sampler;  ///< [agent]
  base::LogLevel log_level = base::LogLevel::Info;
  LinkSettings links;  ///< [alertd], [spool]
  std::optional<EmergencySettings> emergency;
  HostSettings host;  ///< [host]
  std::vector<ScrapeSettings> scrapes;
  std::vector<PostgresSettings> postgres;
  std::vector<RedisSettings> redis;
  BackupSettings backup;
  std::vector<ProbeSettings> probes;
  std::vector<CertificateSettings> certificates;
  ServiceSettings services;  ///< [[pgbouncer]], [[rabbitmq]], [[mail_queue]], [[mail_canary]]
  LocalSettings local;       ///< [[process_group]], [cgroups], [smart], [[check]], [statsd], [otlp]
  LogsSettings logs;         ///< [[log]], [[access_log]], [[auth_log]], [log_files]
  PostureSettings posture;   ///< [inventory], [packages], [[findings]], [snapshots]
  TasksSettings tasks;       ///< [tasks], [[task]]
};

/// What the program's surroundings give; passed in so that tests need no root and no environment.
struct Surroundings {
  std::string host_name;
  std::optional<std::string> state_directory;  ///< $STATE_DIRECTORY, set by systemd.
  std::optional<std::string> home;
  bool is_root = false;
};

/// Asks the system.
Surroundings surroundings();

/// A file as read, with everything that is wrong with it.
struct LoadedSettings {
  AgentSettings settings;
  base::Diagnostics diagnostics;
  config::Source source;
};

/// How many alertds an agent sends to at most.
inline constexpr unsigned kAddressesMax = 4;
inline constexpr const char* kDefaultConfigPath = "/etc/tocsin/agent.toml";
/// Read from the folder of the configuration when [alertd] names no token.
inline constexpr const char* kTokenFileName = "tocsin-agent.token";

/// Reads the configuration. `path` empty: kDefaultConfigPath if it exists, else the defaults.
///
/// Never fails: what is wrong, a missing file included, is in the diagnostics.
LoadedSettings load_settings(const base::FileSystem& files, const std::string& path,
                             const Surroundings& around);

/// Reads a text as load_settings() reads a file; for proposals.
LoadedSettings load_settings_text(const base::FileSystem& files, std::string text,
                                  const Surroundings& around);

/// Returns the URL to post to: "/api/v1/write" is added to an address without a path.
std::string write_url(std::string_view url);

}  // namespace tocsin::agent
