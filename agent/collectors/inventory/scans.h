// The parts of the inventory: each reads its files and adds to the round and to the snapshot.
//
// What cannot be read is a failed check, and hides its entries from the comparison; the other parts
// go on.
#pragma once

#include "agent/collectors/inventory/baseline.h"
#include "agent/collectors/inventory/inventory_settings.h"
#include "agent/collectors/kept/glob.h"
#include "agent/collectors/kept/kept_round.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// One reading under way.
struct InventoryScan {
  const InventorySettings& settings;
  const base::FileSystem& files;
  base::WallTime now;
  Baseline& baseline;
  KeptRound& round;
  Snapshot snapshot{};
  std::set<std::string> with_keys{};  ///< Accounts with an authorised key; by scan_keys().

  std::string path(std::string_view of_host) const { return below(settings.root, of_host); }

  /// Says how `check` went; a refused permission with what it takes.
  void check(std::string_view name, const base::Result<void>& outcome);
};

/// How a part with many files went: the first failure speaks for all.
class ScanOutcome {
 public:
  void failed(const base::Error& error) {
    if (!error_) error_ = error;
  }
  base::Result<void> result() const { return error_ ? base::Result<void>(*error_) : base::ok(); }

 private:
  std::optional<base::Error> error_;
};

/// Returns what stands for a content: equal if and only if the content is.
std::string content_mark(std::string_view content);

void scan_keys(InventoryScan& scan);      ///< Before scan_accounts().
void scan_accounts(InventoryScan& scan);  ///< Accounts, groups, last logins, leavers.
void scan_sudoers(InventoryScan& scan);
void scan_cron(InventoryScan& scan);  ///< And timers.
void scan_watched_files(InventoryScan& scan);
void scan_suid(InventoryScan& scan);
void scan_ports(InventoryScan& scan);
void scan_secrets(InventoryScan& scan);  ///< Modes, and ages of keys.
void scan_git(InventoryScan& scan);
void scan_encryption(InventoryScan& scan);

}  // namespace tocsin::agent
