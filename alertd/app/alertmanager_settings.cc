#include "alertd/app/alertmanager_settings.h"

#include <fmt/core.h>

#include "alertd/notify/alertmanager_receivers.h"
#include "alertd/routing/alertmanager_config.h"
#include "alertd/routing/alertmanager_export.h"
#include "common/base/process.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/yaml.h"

namespace tocsin::alertd {
namespace {

constexpr std::size_t kConfigBytesMax = 4 << 20;
constexpr std::size_t kSecretBytesMax = 4096;
/// Alertmanager sends a whole group; this is more than a message of 16 MiB holds.
constexpr std::size_t kAlertsPerNotification = 100'000;

base::Result<base::Secret> secret_of(const std::string& path, const base::FileSystem& files) {
  TC_TRY(const mode_t mode, files.mode(path));
  if ((mode & 007U) != 0) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("{} holds a secret and everybody may read it (mode {:o}); "
                                   "chmod 600 it",
                                   path, mode));
  }
  TC_TRY(const std::string text, files.read(path, kSecretBytesMax));
  base::Secret secret{std::string(base::trim(text))};
  if (secret.empty()) {
    return base::error(base::ErrorCode::InvalidArgument, fmt::format("{} is empty", path));
  }
  return secret;
}

std::string port_of(std::string_view address) {
  return std::string(address.substr(std::min(address.rfind(':'), address.size())));
}

void read_file(const config::Source& source, const base::FileSystem& files, Settings& settings,
               base::Diagnostics& diagnostics) {
  const config::Node document = config::parse_yaml(source, diagnostics);
  if (base::has_errors(diagnostics)) return;
  config::Context context{source, diagnostics, files};
  config::Table root(context, &document);
  settings.notify = notify::read_alertmanager_receivers(root);
  settings.notify.external_url = settings.external_url;
  settings.routing = routing::read_alertmanager_routing(root);
  root.finish();
  settings.alertmanager_text = routing::masked_alertmanager(document);
  settings.incident.receivers = notify::channels_by_receiver(settings.notify);
  settings.incident.alerts_per_notification = kAlertsPerNotification;
}

}  // namespace

base::Result<LoadedSettings> load_alertmanager_settings(const AlertmanagerFlags& flags,
                                                        const base::FileSystem& files) {
  LoadedSettings loaded;
  TC_TRY(loaded.source, config::load_source(files, flags.config_file, kConfigBytesMax));
  Settings& settings = loaded.settings;
  settings.alertmanager.emplace().flags = flags;
  settings.server.listen = listen_text(flags.listen_address);
  settings.external_url = flags.external_url.empty()
                              ? "http://" + base::host_name() + port_of(flags.listen_address)
                              : flags.external_url;
  while (settings.external_url.ends_with('/')) settings.external_url.pop_back();
  settings.route_prefix =
      normal_prefix(flags.route_prefix.value_or(path_of_url(settings.external_url)));
  settings.log_level = flags.log_level;
  settings.data_folder = flags.storage_path;
  settings.store.folder = base::join_path(settings.data_folder, "tsdb");
  settings.rule_files.interval_default = std::chrono::seconds(15);
  settings.ack_links = false;
  if (!flags.auth_token_file.empty()) {
    TC_TRY(settings.admin_token, secret_of(flags.auth_token_file, files));
  }
  if (!flags.cluster_secret_file.empty()) {
    TC_TRY(settings.alertmanager->cluster_secret, secret_of(flags.cluster_secret_file, files));
  }
  read_file(loaded.source, files, settings, loaded.diagnostics);
  settings.routing.log_retention = flags.retention;
  settings.routing.silences.limits.silences_max = flags.silences_max;
  settings.routing.silences.limits.bytes_max = flags.silence_bytes_max;
  settings.routing.silences.limits.retention = flags.retention;
  return loaded;
}

base::Result<void> read_alertmanager_file(const std::string& path, const base::FileSystem& files,
                                          Settings& settings) {
  TC_TRY(const config::Source source, config::load_source(files, path, kConfigBytesMax));
  base::Diagnostics diagnostics;
  read_file(source, files, settings, diagnostics);
  if (!base::has_errors(diagnostics)) return base::ok();
  const std::vector<config::Source> sources{source};
  return refused(diagnostics, sources);
}

}  // namespace tocsin::alertd
