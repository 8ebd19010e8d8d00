// Where the rows of a table of bodies by key are: key number to row id, in memory.
//
// An index in the file has random order, so that each commit of a storm would write most of its
// pages again; in memory an entry costs some 40 bytes, and only what fires has one.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "alertd/incident/state_change.h"
#include "alertd/state/sqlite.h"

namespace tocsin::state {

/// The statements of a table with the columns id, number (Database::number_of the key), key, body.
struct RecordTable {
  const char* numbers;  ///< Selects id, number of every row.
  const char* update;   ///< Parameters: id, key, body.
  const char* insert;   ///< Parameters: number, key, body.
  const char* remove;   ///< Parameters: id, key.
};

/// One such table. Thread: the connection's. Errors: those of Database.
class KeyedRows {
 public:
  KeyedRows(Database& database, const RecordTable& table) : database_(database), table_(table) {}

  base::Result<void> upsert(const incident::Record& record);
  /// Not there: ok.
  base::Result<void> remove(const std::string& key);
  /// To be called when the transaction failed, or others changed the table: it is read anew.
  void forget() { known_ = false; }

 private:
  base::Result<void> learn();
  Database& database_;
  const RecordTable& table_;
  bool known_ = false;
  std::unordered_multimap<std::int64_t, std::int64_t> ids_;  ///< Two keys may share a number.
};

}  // namespace tocsin::state
