// The journal's bodies, numbers as common/base/byte_codec.h puts them: 1, row id: a row is new;
// 2, row id, time: its first attempt begins; 3, row id, outcome: it ended. Said again, it says
// nothing new. An outcome: the state, how long after its begin it ended, latency, text.

#include "alertd/state/fresh_rows.h"

#include <algorithm>

#include "common/base/byte_codec.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::state {

using base::ByteReader;
using base::put_signed;
using base::put_text;
using base::put_varint;
using base::Result;
using incident::AttemptResult;
using incident::DeliveryState;
using incident::Notification;
using incident::WaitingRow;

namespace {

constexpr std::uint64_t kNew = 1;
constexpr std::uint64_t kBegun = 2;
constexpr std::uint64_t kEnded = 3;

std::uint64_t hash_of(const Notification& notification) {
  return base::hash64(notification.key, base::hash64(notification.incident.id));
}

/// Two keys with one hash: the table is asked, which does no harm.
bool any_key(std::int64_t) {
  return true;
}

struct Outcome {
  DeliveryState state = DeliveryState::Pending;
  std::int64_t finished_ms = 0;
  std::int64_t latency_ms = 0;
  std::string_view text;
  std::string_view receipt;
  std::int64_t next_due_ms = 0;  ///< If it is pending.
};

std::string outcome_bytes(const AttemptResult& result, std::int64_t started_ms) {
  const auto since_start = [started_ms](base::WallTime time) {
    return base::as_u64(base::to_ms(time)) - base::as_u64(started_ms);
  };
  std::string bytes;
  put_varint(static_cast<std::uint64_t>(result.state), bytes);
  put_signed(since_start(result.finished_at), bytes);
  put_signed(base::as_u64(result.latency.count()), bytes);
  put_text(incident::attempt_text(result), bytes);
  put_text(incident::kept_receipt(result), bytes);
  if (result.state == DeliveryState::Pending) put_signed(since_start(result.next_due), bytes);
  return bytes;
}

Outcome take_outcome(ByteReader& reader, std::int64_t started_ms) {
  const auto since_start = [&reader, started_ms] {
    return base::as_i64(base::as_u64(started_ms) + reader.signed_varint());
  };
  Outcome outcome;
  const std::uint64_t state = reader.varint();
  if (state > static_cast<std::uint64_t>(DeliveryState::Superseded)) reader.fail();
  outcome.state = static_cast<DeliveryState>(state);
  outcome.finished_ms = since_start();
  outcome.latency_ms = base::as_i64(reader.signed_varint());
  outcome.text = reader.text();
  outcome.receipt = reader.text();
  if (outcome.state == DeliveryState::Pending) outcome.next_due_ms = since_start();
  return outcome;
}

}  // namespace

Result<void> FreshRows::recover() {
  rows_.clear();
  over_ = 0;
  keys_.clear();
  journal_.clear();
  entries_ = 0;
  messages_.forget();
  std::map<std::int64_t, Row> rows;
  {
    Statement query = database_.statement("SELECT body FROM outbox_journal ORDER BY id");
    while (true) {
      TC_TRY(const bool row, query.next());
      if (!row) break;
      if (read_entry(query.bytes_at(0), rows)) continue;
      base::log_error("alertd/state", "the journal of the outbox is damaged: rows may be missing");
    }
  }
  // What was written has perhaps gone on since.
  for (const auto& [row_id, row] : rows) {
    Statement query = database_.statement("SELECT 1 FROM outbox WHERE id = ?");
    TC_TRY(const bool written, query.integer(row_id).next());
    if (!written) TC_TRY(insert(row_id, row));
  }
  TC_TRY(database_.execute("DELETE FROM outbox_journal"));
  TC_TRY(learn_numbers());
  known_ = true;
  return base::ok();
}

bool FreshRows::read_entry(std::string_view body, std::map<std::int64_t, Row>& rows) {
  ByteReader reader(body);
  while (!reader.at_end()) {
    const std::uint64_t what = reader.varint();
    const std::int64_t row_id = base::as_i64(reader.varint());
    if (!reader.ok() || what < kNew || what > kEnded) return false;
    const auto known = what == kNew ? rows.try_emplace(row_id).first : rows.find(row_id);
    Row row = known == rows.end() ? Row{} : known->second;
    if (what == kBegun) {
      row.phase = Phase::Begun;
      row.started_ms = base::as_i64(reader.signed_varint());
    } else if (what == kEnded) {
      const char* begin = reader.here();
      take_outcome(reader, row.started_ms);
      row.phase = Phase::Ended;
      row.outcome.assign(begin, reader.here());
    }
    if (!reader.ok()) return false;
    if (known != rows.end()) known->second = std::move(row);
  }
  return true;
}

Result<void> FreshRows::learn_numbers() {
  {
    // The sequence does not know of a message that was lost.
    Statement query = database_.statement(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0),"
        " coalesce((SELECT last FROM message_blocks ORDER BY id DESC LIMIT 1), 0))");
    TC_TRY(const bool row, query.next());
    last_id_ = row ? query.integer_at(0) : 0;
  }
  if (written_incident_ < 0) {
    Statement query =
        database_.statement("SELECT max(CAST(substr(incident_id, 3) AS INTEGER)) FROM outbox");
    TC_TRY(const bool row, query.next());
    newest_incident_ = row ? query.integer_at(0) : 0;
  }
  written_incident_ = newest_incident_;
  return base::ok();
}

Result<bool> FreshRows::is_known(const Notification& notification, std::uint64_t hash) {
  if (keys_.find(hash, any_key) != 0) {
    TC_TRY(all_out());
  } else if (incident_number(notification.incident.id) > written_incident_) {
    return false;
  }
  Statement query = database_.statement("SELECT 1 FROM outbox WHERE incident_id = ? AND key = ?");
  return query.lasting(notification.incident.id).lasting(notification.key).next();
}

Result<void> FreshRows::add(const Notification& notification) {
  const std::uint64_t hash = hash_of(notification);
  TC_TRY(const bool known, is_known(notification, hash));
  if (known) return base::ok();
  const std::int64_t row_id = last_id_ + 1;
  TC_TRY(history_.add_message(row_id, notification));
  last_id_ = row_id;
  put_varint(kNew, journal_);
  put_varint(base::as_u64(row_id), journal_);
  keys_.put(hash, row_id, any_key);
  newest_incident_ = std::max(newest_incident_, incident_number(notification.incident.id));
  rows_.push_back({Phase::New, base::to_ms(notification.created_at), 0, {}});
  return base::ok();
}

FreshRows::Row* FreshRows::find(std::int64_t row_id) {
  const std::int64_t from_end = last_id_ - row_id;
  if (from_end < 0 || from_end >= static_cast<std::int64_t>(rows_.size())) return nullptr;
  Row& row = rows_[rows_.size() - 1 - static_cast<std::size_t>(from_end)];
  return row.phase == Phase::Written ? nullptr : &row;
}

bool FreshRows::start(std::int64_t row_id, base::WallTime at) {
  Row* row = find(row_id);
  if (row == nullptr || row->phase == Phase::Ended) return false;
  row->phase = Phase::Begun;
  row->started_ms = base::to_ms(at);
  put_varint(kBegun, journal_);
  put_varint(base::as_u64(row_id), journal_);
  put_signed(base::as_u64(row->started_ms), journal_);
  return true;
}

Result<bool> FreshRows::finish(const AttemptResult& result) {
  Row* row = find(result.row_id);
  if (row == nullptr || row->phase != Phase::Begun) return false;
  row->phase = Phase::Ended;
  row->outcome = outcome_bytes(result, row->started_ms);
  ++over_;
  put_varint(kEnded, journal_);
  put_varint(base::as_u64(result.row_id), journal_);
  journal_ += row->outcome;
  // Others look for these soon.
  const bool wanted = result.state == DeliveryState::Pending || !result.receipt.empty();
  if (wanted) TC_TRY(out(result.row_id));
  return true;
}

Result<void> FreshRows::out(std::int64_t row_id) {
  Row* row = find(row_id);
  if (row == nullptr) return base::ok();
  TC_TRY(insert(row_id, *row));
  if (row->phase != Phase::Ended) ++over_;
  *row = {Phase::Written, 0, 0, {}};
  return base::ok();
}

Result<void> FreshRows::all_out() {
  std::int64_t row_id = last_id_ - static_cast<std::int64_t>(rows_.size());
  for (const Row& row : rows_) {
    ++row_id;
    if (row.phase != Phase::Written) TC_TRY(insert(row_id, row));
  }
  rows_.clear();
  over_ = 0;
  keys_.clear();
  written_incident_ = newest_incident_;
  return base::ok();
}

Result<void> FreshRows::insert(std::int64_t row_id, const Row& row) {
  TC_TRY(history_.write());  // the message may be of this transaction
  WaitingRow message;
  message.id = row_id;
  TC_TRY(messages_.read(message));
  const incident::NotificationHead& head = message.head;
  const bool ended = row.phase == Phase::Ended;
  ByteReader reader(row.outcome);
  const Outcome outcome = ended ? take_outcome(reader, row.started_ms) : Outcome{};
  const bool again = ended && outcome.state == DeliveryState::Pending;
  const auto started = row.phase == Phase::New ? std::nullopt : std::optional(row.started_ms);
  Statement insert = database_.statement(
      "INSERT INTO outbox (id, key, incident_id, receiver, channel, sequence, state, attempts,"
      " outcome_unknown, due_ms, receipt, started_ms, finished_ms, latency_ms, outcome, text)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.integer(row_id).lasting(head.key).lasting(head.incident_id);
  insert.lasting(head.receiver).lasting(head.channel);
  insert.integer(base::as_i64(head.sequence)).lasting(to_string(outcome.state));
  insert.integer(started ? 1 : 0).integer(started && !ended ? 1 : 0);
  insert.integer(again ? outcome.next_due_ms : base::to_ms(head.created_at));
  insert.lasting(outcome.receipt).optional_integer(started);
  insert.optional_integer(ended ? std::optional(outcome.finished_ms) : std::nullopt);
  insert.integer(outcome.latency_ms);
  insert.lasting(ended ? incident::attempt_outcome(outcome.state) : std::string_view());
  return insert.lasting(outcome.text).run();
}

Result<void> FreshRows::write() {
  if (entries_ >= limits_.entries || over_ >= limits_.over) TC_TRY(all_out());
  if (rows_.empty()) {
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

std::optional<WaitingRow> FreshRows::next_pending(std::int64_t after_id) const {
  const std::int64_t first_id = last_id_ + 1 - static_cast<std::int64_t>(rows_.size());
  for (std::int64_t id = std::max(after_id + 1, first_id); id <= last_id_; ++id) {
    const Row& row = rows_[static_cast<std::size_t>(id - first_id)];
    if (row.phase != Phase::New && row.phase != Phase::Begun) continue;
    WaitingRow pending;
    pending.id = id;
    pending.attempts = row.phase == Phase::Begun ? 1 : 0;
    pending.outcome_unknown = row.phase == Phase::Begun;
    pending.due = base::wall_time(row.due_ms);
    return pending;
  }
  return std::nullopt;
}

}  // namespace tocsin::state
