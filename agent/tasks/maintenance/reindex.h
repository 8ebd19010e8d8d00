// REINDEX INDEX CONCURRENTLY of B-tree indexes that are mostly air, one by one.
//
// The bloat is an estimate from row counts and column widths, the expected size being that of the
// tuples in pages filled to the fill factor; deduplication makes real indexes smaller, so the
// estimate errs towards leaving an index alone.
//
// A REINDEX CONCURRENTLY that fails leaves an invalid index `..._ccnew` (or `..._ccold`). Only what
// this run made is dropped: invalid, named after the index, not there before, and of no build that
// is under way. What was there before is written down first, so that a run that was killed is
// cleaned up after by the next.
#pragma once

#include "agent/tasks/task_work.h"

namespace tocsin::agent {

/// `reindex_bloated`. Options: those of the server, bloat_percent_min, bytes_min, indexes_max,
/// disk_check.
TaskWorkKind reindex_bloated_kind();

}  // namespace tocsin::agent
