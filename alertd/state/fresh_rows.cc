// The journal's bodies, numbers as common/base/byte_codec.h puts them: 1, row id: a row is new;
// 2, row id, time: its first attempt begins. Said again, it says nothing new.

#include "alertd/state/fresh_rows.h"

#include "common/base/byte_codec.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::state {

using base::ByteReader;
using base::put_signed;
using base::put_varint;
using base::Result;
using incident::AttemptResult;
using incident::DeliveryState;
using incident::Notification;

namespace {

constexpr std::uint64_t kNew = 1;
constexpr std::uint64_t kBegun = 2;

/// A longer journal is emptied by writing all rows: it is read after a crash.
constexpr std::int64_t kEntriesMax = 20'000;

FreshRow row_of(const Notification& notification) {
  return {notification.key,     notification.incident.id, notification.receiver,
          notification.channel, notification.sequence,    base::to_ms(notification.created_at),
          std::nullopt};
}

std::uint64_t hash_of(std::string_view incident_id, std::string_view key) {
  return base::hash64(key, base::hash64(incident_id));
}

}  // namespace

Result<void> FreshRows::recover() {
  rows_.clear();
  keys_.clear();
  journal_.clear();
  entries_ = 0;
  {
    MessageReader messages(database_);
    Statement query = database_.statement("SELECT body FROM outbox_journal ORDER BY id");
    while (true) {
      TC_TRY(const bool row, query.next());
      if (!row) break;
      TC_TRY(recover_entry(query.bytes_at(0), messages));
    }
  }
  TC_TRY(database_.execute("DELETE FROM outbox_journal"));
  Statement query = database_.statement("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'");
  TC_TRY(const bool row, query.next());
  last_id_ = row ? query.integer_at(0) : 0;
  known_ = true;
  return base::ok();
}

Result<void> FreshRows::recover_entry(std::string_view body, MessageReader& messages) {
  ByteReader reader(body);
  while (!reader.at_end()) {
    const std::uint64_t what = reader.varint();
    const std::int64_t row_id = base::as_i64(reader.varint());
    const std::int64_t at_ms = what == kBegun ? base::as_i64(reader.signed_varint()) : 0;
    if (!reader.ok() || (what != kNew && what != kBegun)) {
      base::log_error("alertd/state", "the journal of the outbox is damaged: rows may be missing");
      return base::ok();
    }
    if (what == kNew) {
      {
        Statement query = database_.statement("SELECT 1 FROM outbox WHERE id = ?");
        TC_TRY(const bool written, query.integer(row_id).next());
        if (written) continue;
      }
      const auto notification = messages.read(row_id);
      if (!notification && notification.error().code == base::ErrorCode::Corruption) {
        base::log_error("alertd/state", "a message is lost: {}", notification.error().message);
        continue;
      }
      if (!notification) return notification.error();
      TC_TRY(insert(row_id, row_of(*notification), nullptr));
      continue;
    }
    // Rows that ended, or whose attempt did, say so already.
    Statement update = database_.statement(
        "UPDATE outbox SET attempts = 1, outcome_unknown = 1, started_ms = ?2"
        " WHERE id = ?1 AND state = 'pending' AND attempts = 0");
    TC_TRY(update.integer(row_id).integer(at_ms).run());
  }
  return base::ok();
}

Result<bool> FreshRows::is_known(const Notification& notification) {
  // It may be one of those here, or have been, or none: the table knows.
  if (keys_.contains(hash_of(notification.incident.id, notification.key))) TC_TRY(all_out());
  Statement query = database_.statement("SELECT 1 FROM outbox WHERE incident_id = ? AND key = ?");
  return query.lasting(notification.incident.id).lasting(notification.key).next();
}

Result<void> FreshRows::add(const Notification& notification) {
  TC_TRY(const bool known, is_known(notification));
  if (known) return base::ok();
  const std::int64_t row_id = ++last_id_;
  TC_TRY(history_.add_message(row_id, notification));
  put_varint(kNew, journal_);
  put_varint(base::as_u64(row_id), journal_);
  keys_.insert(hash_of(notification.incident.id, notification.key));
  rows_.emplace_hint(rows_.end(), row_id, row_of(notification));
  return base::ok();
}

bool FreshRows::start(std::int64_t row_id, base::WallTime at) {
  const auto row = rows_.find(row_id);
  if (row == rows_.end()) return false;
  row->second.started_ms = base::to_ms(at);
  put_varint(kBegun, journal_);
  put_varint(base::as_u64(row_id), journal_);
  put_signed(base::as_u64(base::to_ms(at)), journal_);
  return true;
}

Result<bool> FreshRows::finish(const AttemptResult& result) {
  const auto row = rows_.find(result.row_id);
  if (row == rows_.end() || !row->second.started_ms) return false;
  TC_TRY(insert(row->first, row->second, &result));
  rows_.erase(row);
  return true;
}

Result<void> FreshRows::out(std::int64_t row_id) {
  const auto row = rows_.find(row_id);
  if (row == rows_.end()) return base::ok();
  TC_TRY(insert(row->first, row->second, nullptr));
  rows_.erase(row);
  return base::ok();
}

Result<void> FreshRows::all_out() {
  for (const auto& [row_id, row] : rows_) TC_TRY(insert(row_id, row, nullptr));
  rows_.clear();
  keys_.clear();
  return base::ok();
}

Result<void> FreshRows::insert(std::int64_t row_id, const FreshRow& row,
                               const AttemptResult* result) {
  Statement insert = database_.statement(
      "INSERT INTO outbox (id, key, incident_id, receiver, channel, sequence, "
      "state, attempts,"
      " outcome_unknown, due_ms, receipt, started_ms, finished_ms, latency_ms, "
      "outcome, text)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.integer(row_id).lasting(row.key).lasting(row.incident_id).lasting(row.receiver);
  insert.lasting(row.channel).integer(base::as_i64(row.sequence));
  const DeliveryState state = result ? result->state : DeliveryState::Pending;
  insert.lasting(to_string(state)).integer(row.started_ms ? 1 : 0);
  insert.integer(row.started_ms && !result ? 1 : 0);
  const bool again = result && state == DeliveryState::Pending;
  insert.integer(again ? base::to_ms(result->next_due) : row.due_ms);
  insert.text(result ? incident::kept_receipt(*result) : std::string());
  insert.optional_integer(row.started_ms);
  insert.optional_integer(result ? std::optional(base::to_ms(result->finished_at)) : std::nullopt);
  insert.integer(result ? result->latency.count() : 0);
  insert.lasting(result ? incident::attempt_outcome(result->state) : std::string_view());
  return insert.text(result ? incident::attempt_text(*result) : std::string()).run();
}

Result<void> FreshRows::write() {
  if (entries_ >= kEntriesMax) TC_TRY(all_out());
  if (rows_.empty()) {
    keys_.clear();
    journal_.clear();
    if (entries_ == 0) return base::ok();
    entries_ = 0;
    return database_.execute("DELETE FROM outbox_journal");
  }
  if (journal_.empty()) return base::ok();
  {
    Statement insert = database_.statement("INSERT INTO outbox_journal (body) VALUES (?)");
    TC_TRY(insert.bytes(journal_).run());
  }
  journal_.clear();
  ++entries_;
  return base::ok();
}

}  // namespace tocsin::state
