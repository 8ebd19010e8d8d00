// Tables of blocks: rows that hold many small records, for what is only added and seldom read.
//
// A storm adds seven lines of history for each alert. As rows with indices each costs 2 to 4 us and
// dirties pages all over the file; appended to a block it costs its bytes. Records added by one
// transaction fill blocks of up to kBlockBytesMax; while the last block is small, the next
// transaction goes on in it, so that a quiet daemon has no table full of crumbs.
//
// A block knows the range of its records' positions (an incident's number, a time, a row id) and a
// few bits of the words by which they are looked for. There are no indices: readers walk over these
// heads, which are small, and open the blocks that may have what they want.
#pragma once

#include <cstdint>
#include <string>

#include "alertd/state/sqlite.h"

namespace tocsin::state {

/// A block is closed when it has reached this size; one record may make it larger.
inline constexpr std::size_t kBlockBytesMax = 64U << 10U;
/// A block larger than this is not gone on with by a later transaction.
inline constexpr std::size_t kBlockBytesOpen = 8U << 10U;

struct Block {
  std::int64_t id = 0;
  std::int64_t first = 0;  ///< Smallest position, inclusive.
  std::int64_t last = 0;   ///< Largest position, inclusive.
  std::int64_t count = 0;  ///< Records.
  std::string keys;        ///< Four bytes for each key added.
  std::string body;        ///< Records one after the other, as their owner wrote them.
};

/// The statements of one table of blocks, whose columns are those of Block, in order.
struct BlockSql {
  const char* newest;  ///< The block with the largest id.
  const char* insert;  ///< Parameters: the columns; an id of NULL is given by SQLite.
  const char* update;  ///< The same, by id.
};

/// One table of blocks: its end, to which records are added. Thread: the connection's.
///
///   TC_TRY(std::string * body, table.next(position));
///   put_text(record, *body);
///   TC_TRY(table.write());  // before the transaction ends
class BlockTable {
 public:
  /// FirstPosition: a block's id is the position of its first record; positions must grow then.
  enum class Ids { Own, FirstPosition };
  BlockTable(Database& database, const BlockSql& sql, Ids ids)
      : database_(database), sql_(sql), ids_(ids) {}

  /// Begins a record at `position`: returns where its bytes are to be appended, valid until the
  /// next call.
  base::Result<std::string*> next(std::int64_t position);
  /// Adds a key of the record begun last.
  void add_key(std::uint32_t key);
  /// Writes what was added. Nothing added: does nothing.
  base::Result<void> write();
  /// To be called when the transaction failed, or others changed the table: the end is read anew.
  void forget();

 private:
  base::Result<void> open_newest();

  Database& database_;
  const BlockSql& sql_;
  const Ids ids_;
  bool known_ = false;    ///< Whether `block_` is the table's end.
  bool exists_ = false;   ///< Whether `block_` has a row already.
  bool changed_ = false;  ///< Whether it differs from its row.
  Block block_;
};

/// Reads the row of a query that selects the columns of Block.
Block block_at(const Statement& row);

/// Returns the four bytes that stand for `text` among a block's keys; different fields of one text
/// differ.
std::uint32_t block_key(unsigned field, std::string_view text);
/// Returns whether a block may have a record with this key; wrong once in a few million.
bool may_have(std::string_view keys, std::uint32_t key);

}  // namespace tocsin::state
