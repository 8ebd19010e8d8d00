// Incidents: rows for whoever asks by SQL, and before them a log of what changed since.
//
// In a storm an incident changes several times within seconds and nobody asks meanwhile: each row
// would be found and written again. What changed is appended to a log (record_log.h) and becomes a
// row when somebody asks; whoever reads the table calls all_out() first.
#pragma once

#include "alertd/incident/state_records.h"
#include "alertd/state/record_log.h"

namespace tocsin::state {

/// Thread: the connection's. Errors of all: those of Database; Corruption. All run inside the
/// caller's transaction, but changed() and all_are_out().
class IncidentRows {
 public:
  explicit IncidentRows(Database& database);

  base::Result<void> put(const std::vector<incident::IncidentRecord>& records);
  /// Returns what the table has not, by number.
  base::Result<std::map<std::int64_t, incident::IncidentRecord>> changed();
  /// Returns whether the table has everything.
  base::Result<bool> all_are_out();
  base::Result<void> all_out();
  /// Writes what was put; the last thing in a transaction.
  base::Result<void> write();
  /// To be called when the transaction failed.
  void forget();

 private:
  base::Result<void> upsert(const incident::IncidentRecord& record);
  base::Result<void> count(std::int64_t number);

  Database& database_;
  RecordLog log_;
  std::int64_t counted_ = 0;  ///< The counter has this number or a larger one.
};

}  // namespace tocsin::state
