// What the state store only adds to: timelines, decisions, the bodies of messages; in blocks
// (blocks.h). Rows that older releases wrote into tables of their own are read too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/incident/state_records.h"
#include "alertd/state/blocks.h"

namespace tocsin::state {

/// Thread: the connection's. Writers run inside the caller's transaction; nothing is written before
/// write(). Errors of all: those of Database; Corruption (a damaged block, named).
class History {
 public:
  explicit History(Database& database);

  base::Result<void> add_event(const incident::TimelineEvent& event);
  base::Result<void> add_decision(const incident::DecisionRecord& record);
  /// `row_id` grows from call to call.
  base::Result<void> add_message(std::int64_t row_id, const incident::Notification& notification);
  base::Result<void> write();
  /// To be called when the transaction failed.
  void forget();

  /// The events of one incident by their sequence; of those that were added twice the first.
  base::Result<std::vector<incident::TimelineEvent>> timeline(const std::string& incident_id);
  /// Newest first, at most `query.limit`.
  base::Result<std::vector<incident::DecisionRecord>> decisions(
      const incident::DecisionQuery& query);

  /// Removes what is over, as StateStore::prune() says; a block of events or messages goes with the
  /// last incident or row that it tells of.
  base::Result<void> prune(base::WallTime decisions_before);

 private:
  base::Result<void> add_old_decisions(const incident::DecisionQuery& query, std::size_t limit,
                                       std::vector<incident::DecisionRecord>& found);
  base::Result<void> prune_decisions(base::WallTime before);
  base::Result<void> thin_decisions(std::int64_t block_id, base::WallTime before);

  Database& database_;
  BlockTable events_;
  BlockTable decisions_;
  BlockTable messages_;
  std::string message_;  ///< Being added; kept for its memory.
};

/// The number in an incident's id; 0 for an id of another form.
std::int64_t incident_number(std::string_view incident_id);

/// Reads messages by row id, fast when the ids come in order. Thread: the connection's.
class MessageReader {
 public:
  explicit MessageReader(Database& database) : database_(database) {}
  /// Returns the row's message. One that is damaged or gone is logged, and stand_in() takes its
  /// place: neither the others nor whoever should have got it must miss anything.
  base::Result<incident::Notification> read(std::int64_t row_id);
  /// Fills in `row.message` and `row.head` of `row.id`, likewise.
  base::Result<void> read(incident::WaitingRow& row);
  /// To be called when a transaction failed.
  void forget() { next_ = -1; }

 private:
  /// The bytes of the message, in `block_`; none: it is not in a block.
  base::Result<std::optional<std::string_view>> find(std::int64_t row_id);
  base::Result<incident::Notification> read_old(std::int64_t row_id);
  base::Result<incident::Notification> instead(std::int64_t row_id, const base::Error& damage);

  Database& database_;
  Block block_;             ///< Messages may have been added to it since.
  std::size_t at_ = 0;      ///< Where in the block the next record begins.
  std::int64_t next_ = -1;  ///< Its row id is this one or larger.
};

}  // namespace tocsin::state
