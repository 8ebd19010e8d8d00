// Whether logrotate does its work: its state file is fresh, and it names the logs that must be
// rotated. Reads only.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/tasks/task_work.h"
#include "common/timezone/zone.h"

namespace tocsin::agent {

/// Parses /var/lib/logrotate/status: log file -> local time of its last rotation.
///
/// Versions 1 and 2: `"/var/log/x" 2026-11-27-6:0:1`, or without the time of day. Lines of another
/// form are left out. Errors: InvalidArgument (not such a file).
base::Result<std::map<std::string, timezone::LocalTime>> parse_logrotate_status(
    std::string_view text);

/// `log_rotation`. Options: status_file, older_than, logs, size_max.
TaskWorkKind log_rotation_kind();

}  // namespace tocsin::agent
