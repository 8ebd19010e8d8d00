// Bodies by key of which the last counts, written as a log: what fires is written often, read at a
// start.
//
// A row for each key would be found and changed in place: pages all over the file, each of them
// written for one record. Here each transaction appends its records to a block (blocks.h has the
// same sizes), a removal is a record too, and memory knows which block has a key's last body: some
// 50 bytes a key. A block without any goes; when half of all records are out of date, the oldest
// blocks are, whose last bodies are appended once more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "alertd/state/sqlite.h"
#include "common/base/hash_table.h"

namespace tocsin::state {

/// The statements of a table with the columns id, body.
struct RecordLogSql {
  const char* all;     ///< Selects id, body of every row, by id.
  const char* one;     ///< Selects the body by id.
  const char* insert;  ///< Parameters: id, body; so is the next.
  const char* update;
  const char* remove;  ///< Parameter: id.
};

/// One such table. Thread: the connection's. Errors of all: those of Database; Corruption (names
/// the block). All but for_each() run inside the caller's transaction.
class RecordLog {
 public:
  RecordLog(Database& database, const RecordLogSql& sql) : database_(database), sql_(sql) {}

  base::Result<void> put(std::string_view key, std::string_view body);
  /// Not there: ok.
  base::Result<void> remove(std::string_view key);
  base::Result<void> clear();
  /// Writes what was put and removed; the last thing in a transaction.
  base::Result<void> write();
  /// To be called when the transaction failed: the table is read anew.
  void forget() { known_ = false; }

  /// How many keys there are. Reads the table if it is not known.
  base::Result<std::size_t> size();
  using Visit = std::function<base::Result<void>(std::string_view key, std::string_view body)>;
  /// Calls `visit` with the last body of each key, in the order in which they were written.
  /// Nothing may be changed meanwhile, nor before without a write().
  base::Result<void> for_each(const Visit& visit);

 private:
  /// Stands for a key; that two keys share one does not happen (128 bits).
  struct KeyHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend auto operator<=>(const KeyHash&, const KeyHash&) = default;
  };
  /// Which block has a key's last body.
  struct Last {
    std::uint64_t key_high = 0;
    std::int64_t block = 0;
    friend bool operator==(const Last&, const Last&) = default;
  };
  struct Block {
    std::size_t records = 0;
    std::size_t last = 0;      ///< Of them how many are the last word about a key.
    std::size_t removals = 0;  ///< Needed as long as an older block may have the key.
  };
  using Blocks = std::map<std::int64_t, Block>;

  static KeyHash hash_of(std::string_view key);
  static auto is(const KeyHash& key);  // For HashTable.
  base::Result<void> learn();
  void learn_block(std::int64_t id, std::string_view body);
  base::Result<Blocks::iterator> open_block();
  /// Returns the block, or 0.
  std::int64_t last_block(const KeyHash& key) const;
  void set_last(const KeyHash& key, std::int64_t block);
  void forget_last(const KeyHash& key);
  void outdate(std::int64_t id);
  base::Result<void> write_open();
  base::Result<void> remove_block(std::int64_t id);
  base::Result<void> move_oldest();
  base::Result<void> visit_block(std::int64_t id, std::string_view body, const Visit& visit);

  Database& database_;
  const RecordLogSql& sql_;
  bool known_ = false;
  base::HashTable<Last> last_;          ///< By KeyHash::low.
  Blocks blocks_;                       ///< By id, the oldest first.
  std::size_t records_ = 0;             ///< In all blocks.
  std::vector<std::int64_t> outdated_;  ///< Blocks that may have to go.
  std::int64_t open_id_ = 0;            ///< The end of the log; 0: none yet.
  std::string open_body_;
  bool open_exists_ = false;   ///< Whether it has a row already.
  bool open_changed_ = false;  ///< Whether it differs from its row.
};

}  // namespace tocsin::state
