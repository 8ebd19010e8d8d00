// What `[inventory]` in the agent's configuration says.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/collectors/inventory/accounts.h"
#include "agent/collectors/kept/state_file.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// The parts that can be left out, by `checks`.
inline constexpr const char* kInventoryChecks[] = {
    "accounts", "last_logins", "sudoers", "authorized_keys", "cron", "ports",
    "secrets",  "git",         "files",   "encryption",      "suid"};

struct InventorySettings {
  base::Duration interval{300'000};
  base::Duration timeout{10'000};  ///< Of a round.
  std::string root = "/";
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::set<std::string> checks;  ///< Names out of kInventoryChecks.
  AccountPolicy accounts;
  std::string leavers_file;  ///< Empty for none. Not below the root.
  std::vector<std::string> authorized_keys = {".ssh/authorized_keys", ".ssh/authorized_keys2"};
  std::vector<std::string> secret_files = {"/etc/ssh/ssh_host_*_key", "/etc/ssl/private/*",
                                           "/root/.ssh/id_*"};
  bool secrets_group_readable = false;
  std::vector<std::string> rotated_keys;
  std::vector<std::string> git_work_trees;
  std::vector<std::string> watched_files = {"/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*",
                                            "/etc/pam.d/*", "/etc/ld.so.preload"};
  std::vector<std::string> suid_paths = {"/usr/bin", "/usr/sbin", "/usr/local/bin",
                                         "/usr/local/sbin"};
  std::vector<std::string> encrypted_mounts;  ///< Must be encrypted.
  StateOptions state;
};

/// Reads `[inventory]` of the root; nullopt if there is none. `state_folder` is where its memory
/// goes by default, `interval` the round's. Mistakes go to the diagnostics.
std::optional<InventorySettings> read_inventory_settings(config::Table& root,
                                                         base::Duration interval,
                                                         const std::string& state_folder);

}  // namespace tocsin::agent
