// VACUUM (ANALYZE, SKIP_LOCKED) of the tables that need it, one by one; never FULL.
#pragma once

#include "agent/tasks/task_work.h"

namespace tocsin::agent {

/// `vacuum_analyze`. Options: those of the server, dead_rows_min, dead_percent_min, rows_min,
/// older_than, tables_max.
TaskWorkKind vacuum_analyze_kind();

}  // namespace tocsin::agent
