// Outbox rows that nothing has ended yet: in memory, with a journal in the file.
//
// A message's life has three commits: it is put in, its attempt begins, its attempt ends. As a row
// that each of them writes, with two indices, that is half of what a storm costs. Here the first
// two append to `outbox_journal` which rows are new and which were begun (the message itself lies
// in History), and the row is written once, as it ended. Whoever wants rows by SQL calls all_out()
// first. When no row is left here the journal is emptied.
//
// After a crash, or when a transaction failed, the journal says which rows are missing: they are
// written as they were, with their first attempt begun or not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_set>

#include "alertd/state/history.h"

namespace tocsin::state {

/// A row without an end: pending, with no attempt or a first one that is under way.
struct FreshRow {
  std::string key;
  std::string incident_id;
  std::string receiver;
  std::string channel;
  std::uint64_t sequence = 0;
  std::int64_t due_ms = 0;
  std::optional<std::int64_t> started_ms;
};

/// Thread: the connection's. Errors of all: those of Database. All but known() and rows() run
/// inside the caller's transaction.
class FreshRows {
 public:
  FreshRows(Database& database, History& history) : database_(database), history_(history) {}

  /// False at first, and after forget(): then recover() comes before everything else.
  bool known() const { return known_; }
  /// Writes the rows that the journal has and the table has not, and empties the journal. What is
  /// damaged is left out and logged: all else must go on.
  base::Result<void> recover();
  /// To be called when the transaction failed.
  void forget() { known_ = false; }

  /// Puts a message in, unless its incident has its key already.
  base::Result<void> add(const incident::Notification& notification);
  /// Returns whether the row is here; then its first attempt is begun.
  bool start(std::int64_t row_id, base::WallTime at);
  /// Returns whether the row is here and its first attempt was begun; then it is written as it
  /// ended.
  base::Result<bool> finish(const incident::AttemptResult& result);
  /// Writes one row, if it is here; or all.
  base::Result<void> out(std::int64_t row_id);
  base::Result<void> all_out();
  /// Writes the journal; the last thing in a transaction.
  base::Result<void> write();

  /// By row id.
  const std::map<std::int64_t, FreshRow>& rows() const { return rows_; }

 private:
  base::Result<void> insert(std::int64_t row_id, const FreshRow& row,
                            const incident::AttemptResult* result);
  base::Result<bool> is_known(const incident::Notification& notification);
  base::Result<void> recover_entry(std::string_view body, MessageReader& messages);

  Database& database_;
  History& history_;
  bool known_ = false;
  std::int64_t last_id_ = 0;
  std::map<std::int64_t, FreshRow> rows_;
  /// Hashes of incident and key of each row, also of some that left: others need no look here.
  std::unordered_set<std::uint64_t> keys_;
  std::string journal_;       ///< Of this transaction.
  std::int64_t entries_ = 0;  ///< Rows of the journal in the file.
};

}  // namespace tocsin::state
