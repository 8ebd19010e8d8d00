// Reads `[host]`; see HostSettings in host_collectors.h for what the keys mean.
#include <algorithm>

#include "agent/collectors/host/host_collectors.h"
#include "agent/collectors/host/pattern.h"
#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

void read_pattern(config::Table& table, std::string_view key, std::string& pattern) {
  std::string text = table.string(key, pattern);
  if (auto compiled = Pattern::compile(text); !compiled) {
    table.error(key, compiled.error().message);
    return;
  }
  pattern = std::move(text);
}

void read_names(config::Table& table, std::string_view key, std::vector<std::string>& names) {
  const std::vector<std::string> known = host_collector_names();
  for (std::string& name : table.strings(key)) {
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      names.push_back(std::move(name));
      continue;
    }
    const auto meant = base::closest(name, known);
    table.error(key, "no host collector is named '" + base::escape_control(name) + "'",
                meant ? "did you mean '" + *meant + "'?" : "known: " + base::join(known, ", "));
  }
}

void read_deadline(config::Table& table, std::string_view key, base::Duration& deadline) {
  // A round of all collectors has to fit into the smallest interval.
  constexpr base::Duration kMin{10};
  constexpr base::Duration kMax{900};
  const base::Duration value = table.duration(key, deadline);
  if (value < kMin || value > kMax) {
    table.error(key, "deadline " + base::format_duration(value) + " is outside of 10ms to 900ms");
    return;
  }
  deadline = value;
}

void read_folder(config::Table& table, std::string_view key, std::string& folder) {
  std::string value = table.string(key, folder);
  if (!value.empty() && value.front() != '/') {
    table.error(key, "'" + base::escape_control(value) + "' is no absolute path");
    return;
  }
  folder = std::move(value);
}

}  // namespace

HostSettings read_host_settings(config::Table& table) {
  HostSettings settings;
  read_folder(table, "proc_path", settings.paths.proc);
  read_folder(table, "sys_path", settings.paths.sys);
  read_folder(table, "root_path", settings.paths.root);
  read_names(table, "enabled", settings.enabled);
  read_names(table, "disabled", settings.disabled);
  read_folder(table, "textfile_directory", settings.textfile_directory);
  read_pattern(table, "mount_points_exclude", settings.mount_points_exclude);
  read_pattern(table, "fs_types_exclude", settings.fs_types_exclude);
  read_deadline(table, "statfs_deadline", settings.statfs_deadline);
  read_pattern(table, "disk_devices_exclude", settings.disk_devices_exclude);
  read_pattern(table, "network_devices_exclude", settings.network_devices_exclude);
  read_pattern(table, "network_properties_exclude", settings.network_properties_exclude);
  read_pattern(table, "systemd_units_include", settings.systemd_units_include);
  read_pattern(table, "systemd_units_exclude", settings.systemd_units_exclude);
  read_deadline(table, "systemd_deadline", settings.systemd_deadline);
  table.finish();
  return settings;
}

}  // namespace tocsin::agent
