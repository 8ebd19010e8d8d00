// What `[[backup]]` in the agent's configuration says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/backup/backup_set.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

struct BackupSettings {
  /// Shared with readings that hang, and with the work of tasks. Never null.
  std::shared_ptr<const std::vector<BackupSet>> sets =
      std::make_shared<const std::vector<BackupSet>>();
  std::string state_folder{};
  base::Duration timeout{10'000};  ///< Of a round.

  bool any() const { return !sets->empty(); }
  /// nullptr if there is no set of that name.
  const BackupSet* find(const std::string& name) const;
};

/// Reads every `[[backup]]` table of the root. `interval` is the round's. Mistakes go to the
/// diagnostics.
BackupSettings read_backup_settings(config::Table& root, base::Duration interval,
                                    std::string state_folder);

}  // namespace tocsin::agent
