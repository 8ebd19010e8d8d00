#include "agent/app/settings.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "agent/backup/backup_work.h"
#include "agent/tasks/maintenance/log_rotation.h"
#include "agent/tasks/maintenance/reindex.h"
#include "agent/tasks/maintenance/vacuum.h"
#include "common/base/process.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/net/url.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kConfigBytesMax = 4 << 20;
constexpr std::size_t kTokenBytesMax = 64 << 10;
constexpr std::size_t kHostBytesMax = 253;
constexpr base::Duration kIntervalMin{1'000};
constexpr base::Duration kIntervalMax{600'000};
constexpr std::uint64_t kSpoolBytesMin = 1 << 20;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// $STATE_DIRECTORY may hold several paths, separated by colons; ours is the first.
std::string default_spool_folder(const Surroundings& around) {
  if (around.state_directory && !around.state_directory->empty()) {
    return base::join_path(base::split(*around.state_directory, ':').front(), "spool");
  }
  if (around.is_root || !around.home || around.home->empty()) return "/var/lib/tocsin/agent/spool";
  return base::join_path(*around.home, ".local/state/tocsin/agent/spool");
}

model::Labels read_labels(config::Table& table) {
  model::LabelsBuilder builder;
  for (const auto& [name, value] : table.string_map("labels")) {
    if (!model::is_legacy_label_name(name) || name.starts_with("__")) {
      table.error("labels", fmt::format("'{}' is no label name", name));
    } else if (name == "host" || name == "instance") {
      table.error("labels", fmt::format("'{}' cannot be set here", name),
                  fmt::format("[agent] {} = \"{}\"", name, value));
    } else {
      builder.set(name, value);
    }
  }
  return builder.build();
}

void read_agent(config::Table table, const Surroundings& around, AgentSettings& settings) {
  SamplerOptions& sampler = settings.sampler;
  sampler.identity.host = table.string("host", around.host_name);
  const std::string& host = sampler.identity.host;
  if (host.empty() || host.size() > kHostBytesMax || base::escape_control(host) != host) {
    table.error("host", fmt::format("host must be 1 to {} bytes without control characters",
                                    kHostBytesMax));
  }
  sampler.identity.instance = table.string("instance", host);
  sampler.identity.external = read_labels(table);
  sampler.interval = table.duration("interval", sampler.interval);
  if (sampler.interval < kIntervalMin || sampler.interval > kIntervalMax) {
    table.error("interval",
                fmt::format("interval must be {} to {}", base::format_duration(kIntervalMin),
                            base::format_duration(kIntervalMax)));
    sampler.interval = SamplerOptions{}.interval;
  }
  sampler.samples_max = static_cast<std::size_t>(
      table.integer("samples_max", static_cast<std::int64_t>(sampler.samples_max), 100, 1'000'000));
  const std::string level =
      table.one_of("log_level", "info", {"debug", "info", "warning", "error"});
  if (const auto parsed = base::parse_log_level(level)) settings.log_level = *parsed;
  table.finish();
}

// The token that enrolment puts beside the configuration.
void read_token_beside(const base::FileSystem& files, config::Table& table,
                       const std::string& folder, SenderOptions& sender) {
  const std::string path = base::join_path(folder, kTokenFileName);
  if (!files.exists(path)) return;
  const auto mode = files.mode(path);
  if (mode && (*mode & 0007U) != 0) {
    table.error("token_file",
                fmt::format("{} may be used by everybody (mode {:04o})", path,
                            static_cast<unsigned>(*mode)),
                fmt::format("chmod o-rwx {}", path));
    return;
  }
  const auto text = files.read(path, kTokenBytesMax);
  if (!text) {
    table.error("token_file", text.error().message);
    return;
  }
  sender.token = base::Secret(std::string(base::trim(*text)));
}

// Returns the addresses: `url` for one, `urls` for several.
std::vector<std::string> read_addresses(config::Table& table) {
  const bool several = table.has("urls");
  const char* const key = several ? "urls" : "url";
  const std::vector<std::string> urls =
      several ? table.strings("urls")
              : std::vector<std::string>{table.string("url", "http://127.0.0.1:9464")};
  if (several && table.optional_string("url")) {
    table.error("url", "url and urls exclude each other", "put every address into urls");
  }
  if (urls.empty() || urls.size() > kAddressesMax) {
    table.error(key, fmt::format("{} addresses: must be 1 to {}", urls.size(), kAddressesMax));
    return {"http://127.0.0.1:9464"};
  }
  std::set<std::string> servers;
  for (const std::string& url : urls) {
    const std::string server = instance_of(url);
    if (server.empty()) {
      table.error(key, fmt::format("'{}' is no http:// or https:// address", url),
                  "for example https://alerts.example.org:9464");
    } else if (!servers.insert(server).second) {
      table.error(key, fmt::format("the server {} stands twice", server),
                  "each alertd once: all of them get everything");
    }
  }
  return urls;
}

void warn_of_clear_token(config::Table& table, const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    const std::string authority = instance_of(url);
    const std::string_view host = std::string_view(authority).substr(0, authority.rfind(':'));
    if (!url.starts_with("http://") || net::is_loopback_host(host)) continue;
    table.warning(table.has("urls") ? "urls" : "url",
                  fmt::format("the token travels in clear over {}", net::url_origin(url)),
                  "use https://");
  }
}

void read_alertd(const base::FileSystem& files, config::Table table, const std::string& folder,
                 AgentSettings& settings) {
  SenderOptions& sender = settings.links.sender;
  sender.host = settings.sampler.identity.host;
  const std::vector<std::string> urls = read_addresses(table);
  for (const std::string& url : urls) settings.links.urls.push_back(write_url(url));
  sender.url = settings.links.urls.front();
  const bool named = table.has("token") || table.has("token_file") || table.has("token_credential");
  if (auto token = table.secret("token")) sender.token = std::move(*token);
  if (!named) read_token_beside(files, table, folder, sender);
  sender.tls.ca_file = table.string("ca_file", "");
  sender.tls.client_cert_file = table.string("client_cert_file", "");
  sender.tls.client_key_file = table.string("client_key_file", "");
  sender.tls.insecure = table.boolean("insecure_tls", false);
  if (sender.tls.client_cert_file.empty() != sender.tls.client_key_file.empty()) {
    table.error("client_cert_file", "client_cert_file and client_key_file belong together");
  }
  sender.request_timeout = table.duration("timeout", sender.request_timeout);
  if (sender.request_timeout < base::Duration{1'000}) {
    table.error("timeout", "timeout must be at least 1s");
  }
  sender.replay_samples_per_second = static_cast<double>(
      table.integer("replay_samples_per_second",
                    static_cast<std::int64_t>(sender.replay_samples_per_second), 100, 10'000'000));
  if (!sender.token.empty()) warn_of_clear_token(table, urls);
  table.finish();
}

void read_spool(config::Table table, const Surroundings& around, SpoolOptions& spool) {
  spool.folder = table.string("path", default_spool_folder(around));
  if (!spool.folder.starts_with('/')) {
    table.error("path", fmt::format("'{}' is not an absolute path", spool.folder));
  }
  spool.bytes_max = table.bytes("bytes_max", spool.bytes_max);
  if (spool.bytes_max < kSpoolBytesMin) table.error("bytes_max", "bytes_max must be at least 1MiB");
  spool.age_max = table.duration("age_max", spool.age_max);
  if (spool.age_max < base::Duration{60'000}) table.error("age_max", "age_max must be at least 1m");
  spool.sync_interval = table.duration("sync_interval", spool.sync_interval);
  if (spool.sync_interval < base::Duration{100}) {
    table.error("sync_interval", "sync_interval must be at least 100ms");
  }
  table.finish();
}

// Every kind of work there is. A new one is added here.
TasksSettings read_tasks(config::Table& root, const std::string& spool_folder,
                         const BackupSettings& backup) {
  std::vector<TaskWorkKind> kinds{vacuum_analyze_kind(), reindex_bloated_kind(),
                                  log_rotation_kind()};
  for (TaskWorkKind& kind : backup_work_kinds(backup)) kinds.push_back(std::move(kind));
  // A spool without an absolute path is a mistake that was told already.
  const std::string beside = spool_folder.starts_with('/')
                                 ? spool_folder.substr(0, spool_folder.rfind('/'))
                                 : std::string("/var/lib/tocsin/agent");
  return read_tasks_settings(root, kinds, base::join_path(beside, "tasks"));
}

// Reads what the source holds into the settings.
void read_source(const base::FileSystem& files, const Surroundings& around,
                 LoadedSettings& loaded) {
  config::Context context{loaded.source, loaded.diagnostics, files};
  const config::Node node = config::parse_toml(loaded.source, loaded.diagnostics);
  config::Table root(context, &node);
  AgentSettings& settings = loaded.settings;
  read_agent(root.table("agent"), around, settings);
  read_alertd(files, root.table("alertd"), folder_of(loaded.source.file), settings);
  settings.emergency = read_emergency_settings(root.table("emergency"), settings.sampler.interval);
  read_spool(root.table("spool"), around, settings.links.spool);
  config::Table host = root.table("host");
  settings.host = read_host_settings(host);
  settings.scrapes = read_scrape_settings(root, settings.sampler.interval);
  settings.postgres = read_postgres_settings(root, settings.sampler.interval);
  settings.redis = read_redis_settings(root, settings.sampler.interval);
  settings.backup =
      read_backup_settings(root, settings.sampler.interval,
                           base::join_path(folder_of(settings.links.spool.folder), "backup"));
  settings.probes = read_probe_settings(root, settings.sampler.interval);
  settings.certificates = read_certificate_settings(root, settings.sampler.interval);
  settings.local = read_local_settings(root, settings.sampler.interval);
  settings.services = read_service_settings(root, settings.sampler, settings.links.spool.folder);
  settings.logs = read_logs_settings(root, settings.sampler.interval);
  settings.logs.state_file = base::join_path(folder_of(settings.links.spool.folder), "logs.state");
  settings.posture =
      read_posture_settings(root, settings.sampler.interval, settings.links.spool.folder);
  settings.tasks = read_tasks(root, settings.links.spool.folder, settings.backup);
  root.finish();
}

}  // namespace

Surroundings surroundings() {
  return {base::host_name(), base::environment("STATE_DIRECTORY"), base::environment("HOME"),
          ::geteuid() == 0};
}

LoadedSettings load_settings(const base::FileSystem& files, const std::string& path,
                             const Surroundings& around) {
  LoadedSettings loaded;
  const std::string file = path.empty() ? kDefaultConfigPath : path;
  loaded.source.file = file;
  if (!path.empty() || files.exists(file)) {
    auto source = config::load_source(files, file, kConfigBytesMax);
    if (!source) {
      loaded.diagnostics.push_back(
          {base::DiagnosticSeverity::Error, file, 0, 0, source.error().message, {}});
    } else {
      loaded.source = std::move(*source);
    }
  }
  read_source(files, around, loaded);
  return loaded;
}

LoadedSettings load_settings_text(const base::FileSystem& files, std::string text,
                                  const Surroundings& around) {
  LoadedSettings loaded;
  loaded.source = {kDefaultConfigPath, std::move(text)};
  read_source(files, around, loaded);
  return loaded;
}

std::string write_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t path = url.find('/', scheme == url.npos ? 0 : scheme + 3);
  if (path != url.npos && path + 1 < url.size()) return std::string(url);
  return std::string(url.substr(0, path)) + "/api/v1/write";
}

}  // namespace tocsin::agent
