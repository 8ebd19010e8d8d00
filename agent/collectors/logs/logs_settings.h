// What `[[log]]`, `[[access_log]]`, `[[auth_log]]` and `[log_files]` in the agent's configuration
// say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/logs/access_log.h"
#include "agent/collectors/logs/app_log.h"
#include "agent/collectors/logs/auth_log.h"
#include "agent/collectors/logs/deleted_files.h"
#include "agent/collectors/logs/journal.h"
#include "agent/collectors/logs/tail.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// Where a log's lines come from: files, or the journal.
struct LogInputSettings {
  std::string name;  ///< The label `log`.
  TailOptions tail;
  std::optional<JournalOptions> journal;
  std::optional<base::Duration> silent_after;  ///< Without a line, something is wrong.
};

struct AppLogSettings : LogInputSettings {
  AppLogOptions options;
};
struct AccessLogSettings : LogInputSettings {
  AccessLogOptions options;
};
struct AuthLogSettings : LogInputSettings {
  AuthLogOptions options;
};

struct LogsSettings {
  std::vector<AppLogSettings> apps;
  std::vector<AccessLogSettings> accesses;
  std::vector<AuthLogSettings> auths;
  std::optional<DeletedFilesOptions> deleted;
  std::string logrotate_status;    ///< "": not looked at.
  base::Duration timeout{10'000};  ///< Of a round.
  std::string state_file;          ///< Set by whoever knows the state folder.

  bool any() const {
    return !apps.empty() || !accesses.empty() || !auths.empty() || deleted.has_value() ||
           !logrotate_status.empty();
  }
};

/// Reads the tables of the root. `interval` is the round's. Mistakes go to the diagnostics.
LogsSettings read_logs_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent
