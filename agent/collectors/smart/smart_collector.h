// Collector "smart": what `smartctl --json --all` has written to files, under the names of
// smartctl_exporter. Who may ask disks is root; the agent only reads what root has left.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/base/time.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// The table `[smart]`.
struct SmartSettings {
  std::vector<std::string> files;      ///< Paths; the last part may have * and ?. Empty: none.
  base::Duration age_max{90'000'000};  ///< An older file counts as failed: 25 hours.
};

/// Mistakes go to the diagnostics.
SmartSettings read_smart_settings(config::Table& root);

struct SmartWorld {
  const base::FileSystem& files;
  const base::Clock& clock;
  base::FailureLog& failures;
};

/// A file is parsed again only when it was written again. At most 100 files of 1 MiB.
std::unique_ptr<Collector> make_smart_collector(SmartSettings settings, SmartWorld world);

}  // namespace tocsin::agent
