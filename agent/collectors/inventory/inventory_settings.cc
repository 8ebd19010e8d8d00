#include "agent/collectors/inventory/inventory_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/kept/slow_settings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

void read_accounts(config::Table& table, AccountPolicy& policy) {
  policy.people_from =
      static_cast<std::uint32_t>(table.integer("people_from_uid", policy.people_from, 1, 60'000));
  policy.admin_groups = table.strings("admin_groups", policy.admin_groups);
  policy.service_accounts = table.strings("service_accounts");
  policy.login_services = table.strings("service_accounts_with_shell");
  policy.dormant_after = table.duration("dormant_after", policy.dormant_after);
  if (policy.dormant_after < base::Duration{86'400'000}) {
    table.error("dormant_after", "dormant_after must be at least 1d");
  }
}

InventorySettings read_one(config::Table table, base::Duration interval,
                           const std::string& state_folder) {
  InventorySettings settings;
  settings.interval = read_slow_interval(table, settings.interval);
  settings.timeout = round_timeout(interval);
  settings.root = read_absolute(table, "root_path", settings.root);
  settings.proc = read_absolute(table, "proc_path", settings.proc);
  settings.sys = read_absolute(table, "sys_path", settings.sys);
  settings.checks = read_checks(table, kInventoryChecks);
  read_accounts(table, settings.accounts);
  settings.leavers_file = read_absolute(table, "leavers_file", "");
  settings.authorized_keys = table.strings("authorized_keys", settings.authorized_keys);
  settings.secret_files = read_patterns(table, "secret_files", settings.secret_files);
  settings.secrets_group_readable = table.boolean("secrets_group_readable", false);
  settings.rotated_keys = read_patterns(table, "rotated_keys", {});
  settings.git_work_trees = read_patterns(table, "git_work_trees", {});
  settings.watched_files = read_patterns(table, "watched_files", settings.watched_files);
  settings.suid_paths = read_patterns(table, "suid_paths", settings.suid_paths);
  settings.encrypted_mounts = read_patterns(table, "encrypted_mounts", {});
  settings.state.path = read_absolute(table, "state_file", state_folder + "/inventory.json");
  table.finish();
  return settings;
}

}  // namespace

std::optional<InventorySettings> read_inventory_settings(config::Table& root,
                                                         base::Duration interval,
                                                         const std::string& state_folder) {
  if (!root.has("inventory")) return std::nullopt;
  return read_one(root.table("inventory"), interval, state_folder);
}

}  // namespace tocsin::agent
