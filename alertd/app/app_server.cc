// What the API tells of what the daemon runs with.
#include "alertd/app/app.h"
#include "alertd/app/config_text.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kConfigShownBytesMax = 4 << 20;

}  // namespace

api::ServerInfo App::server() const {
  api::ServerInfo info;
  info.reload_ok = reload_ok_.value() == 1;
  info.external_url = settings_.external_url;
  info.retention = base::format_duration(settings_.store.retention);
  info.flags = {
      {"config.file", config_path_.value_or("")},
      {"web.listen-address", settings_.server.listen},
      {"web.external-url", settings_.external_url},
      {"web.route-prefix", settings_.route_prefix.empty() ? "/" : settings_.route_prefix},
      {"storage.tsdb.path", settings_.data_folder},
      {"storage.tsdb.retention.time", info.retention},
      {"query.lookback-delta", base::format_duration(settings_.engine.lookback)},
      {"query.max-concurrency", std::to_string(settings_.queries_max)},
      {"query.max-samples", std::to_string(settings_.engine.samples_max)},
      {"query.timeout", base::format_duration(settings_.query_timeout)},
  };
  return info;
}

// The file as it is now: what was changed since the last reload is in it, and not in force yet.
std::string App::config_text() const {
  if (!settings_.alertmanager_text.empty()) return settings_.alertmanager_text;
  if (!config_path_) return "";
  const auto source = config::load_source(world_.files, *config_path_, kConfigShownBytesMax);
  if (!source) return "";
  base::Diagnostics diagnostics;
  return shown_config(config::parse_toml(*source, diagnostics));
}

}  // namespace tocsin::alertd
