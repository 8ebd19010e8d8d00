// Rows of the outbox that are not in its table yet: in memory, with a journal in the file.
//
// A message's life has three commits: it is put in, its attempt begins, its attempt ends. As a row
// that each of them writes, with two indices, that is half of what a storm costs. Here they append
// to `outbox_journal` which rows are new, which were begun and how they ended (the message itself
// lies in History), and the rows are written later, many at once and in order: when somebody wants
// them by SQL, who calls all_out() first, when nothing happens, or when many are held. Then the
// journal is emptied. What is tried again, or has a receipt, is written as soon as it ended: it is
// looked for soon.
//
// After a crash, or when a transaction failed, the journal says which rows are missing: they are
// written as they were.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "alertd/state/history.h"
#include "common/base/hash_table.h"

namespace tocsin::state {

/// When all rows are written although nobody asks.
struct FreshRowsLimits {
  std::int64_t entries = 20'000;  ///< The journal has so many: it is read after a crash.
  /// So many ended. Each holds some 100 bytes, and costs some microseconds when all are written.
  std::size_t over = 100'000;
};

/// Thread: the connection's. Errors of all: those of Database. All but known(), empty() and
/// next_pending() run inside the caller's transaction.
class FreshRows {
 public:
  FreshRows(Database& database, History& history, FreshRowsLimits limits = {})
      : database_(database), history_(history), limits_(limits), messages_(database) {}

  /// False at first, and after forget(): then recover() comes before everything else.
  bool known() const { return known_; }
  /// Writes the rows that the journal has and the table has not, and empties the journal. What is
  /// damaged is left out and logged: all else must go on.
  base::Result<void> recover();
  /// To be called when the transaction failed.
  void forget() { known_ = false; }

  /// Puts a message in, unless its incident has its key already.
  base::Result<void> add(const incident::Notification& notification);
  /// Returns whether the row is here and has not ended; then its first attempt is begun.
  bool start(std::int64_t row_id, base::WallTime at);
  /// Returns whether the row is here and its first attempt was begun; then it has ended.
  base::Result<bool> finish(const incident::AttemptResult& result);
  /// Writes one row, if it is here; or all.
  base::Result<void> out(std::int64_t row_id);
  base::Result<void> all_out();
  /// Writes the journal; the last thing in a transaction.
  base::Result<void> write();

  bool empty() const { return rows_.empty(); }
  /// Returns the first row after that one that has not ended, without its message.
  std::optional<incident::WaitingRow> next_pending(std::int64_t after_id) const;

 private:
  enum class Phase : std::uint8_t { New, Begun, Ended, Written };
  struct Row {
    Phase phase = Phase::New;
    std::int64_t due_ms = 0;
    std::int64_t started_ms = 0;  ///< Unless it is new.
    std::string outcome;          ///< If it has ended: as the journal has it.
  };

  /// Returns the row, or nullptr if it is not here.
  Row* find(std::int64_t row_id);
  base::Result<bool> is_known(const incident::Notification& notification, std::uint64_t hash);
  base::Result<void> insert(std::int64_t row_id, const Row& row);
  /// Returns whether the body of an entry of the journal could be read to its end.
  static bool read_entry(std::string_view body, std::map<std::int64_t, Row>& rows);
  base::Result<void> learn_numbers();

  Database& database_;
  History& history_;
  const FreshRowsLimits limits_;
  MessageReader messages_;
  bool known_ = false;
  std::int64_t last_id_ = 0;
  std::deque<Row> rows_;  ///< The last has last_id_, the one before it the id before.
  std::size_t over_ = 0;  ///< Of them how many ended or were written.
  /// Row ids by hashes of incident and key.
  base::HashTable<std::int64_t> keys_;
  std::int64_t newest_incident_ = -1;   ///< The largest number of one that has messages.
  std::int64_t written_incident_ = -1;  ///< Those with larger ones have all messages in keys_.
  std::string journal_;                 ///< Of this transaction.
  std::int64_t entries_ = 0;            ///< Rows of the journal in the file.
};

}  // namespace tocsin::state
