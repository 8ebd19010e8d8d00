// Records inside the blocks, numbers and texts as common/base/byte_codec.h puts them:
//   event:    incident id, sequence, time, kind, actor, text
//   decision: time, subject, fingerprint, incident id, sent, reason, text
//   message:  row id, then incident::append_bytes() as a text

#include "alertd/state/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "alertd/state/columns.h"
#include "common/base/byte_codec.h"

namespace tocsin::state {

using base::ByteReader;
using base::ErrorCode;
using base::put_text;
using base::put_varint;
using base::Result;
using incident::DecisionQuery;
using incident::DecisionRecord;
using incident::Notification;
using incident::TimelineEvent;

namespace {

constexpr BlockSql kEvents{
    "SELECT id, first, last, count, keys, body FROM event_blocks ORDER BY id DESC LIMIT 1",
    "INSERT INTO event_blocks VALUES (?, ?, ?, ?, ?, ?)",
    "UPDATE event_blocks SET first = ?2, last = ?3, count = ?4, keys = ?5, body = ?6"
    " WHERE id = ?1"};
constexpr BlockSql kDecisions{
    "SELECT id, first, last, count, keys, body FROM decision_blocks ORDER BY id DESC LIMIT 1",
    "INSERT INTO decision_blocks VALUES (?, ?, ?, ?, ?, ?)",
    "UPDATE decision_blocks SET first = ?2, last = ?3, count = ?4, keys = ?5, body = ?6"
    " WHERE id = ?1"};
constexpr BlockSql kMessages{
    "SELECT id, first, last, count, keys, body FROM message_blocks ORDER BY id DESC LIMIT 1",
    "INSERT INTO message_blocks VALUES (?, ?, ?, ?, ?, ?)",
    "UPDATE message_blocks SET first = ?2, last = ?3, count = ?4, keys = ?5, body = ?6"
    " WHERE id = ?1"};

// Which field of a decision a key stands for.
constexpr unsigned kSubjectKey = 0;
constexpr unsigned kFingerprintKey = 1;
constexpr unsigned kIncidentKey = 2;

// Bounds of a query that has none.
constexpr std::int64_t kFirstMs = INT64_MIN / 2;
constexpr std::int64_t kLastMs = INT64_MAX / 2;

base::Error damaged(std::string_view what, std::int64_t id) {
  return corrupt(fmt::format("block {} of {} is damaged", id, what));
}

void put_decision(const DecisionRecord& record, std::string& out) {
  put_time(record.at, out);
  put_text(record.subject, out);
  put_text(record.fingerprint, out);
  put_text(record.incident_id, out);
  put_varint(record.sent ? 1 : 0, out);
  put_text(record.reason, out);
  put_text(record.text, out);
}

/// A decision as it lies in its block.
struct DecisionView {
  base::WallTime at;
  std::string_view subject, fingerprint, incident_id;
  bool sent = false;
  std::string_view reason, text;

  DecisionRecord record() const {
    return {at,   std::string(subject), std::string(fingerprint), std::string(incident_id),
            sent, std::string(reason),  std::string(text)};
  }
};

DecisionView read_decision(ByteReader& reader) {
  DecisionView view;
  view.at = take_time(reader);
  view.subject = reader.text();
  view.fingerprint = reader.text();
  view.incident_id = reader.text();
  view.sent = reader.varint() != 0;
  view.reason = reader.text();
  view.text = reader.text();
  return view;
}

// Decisions that older releases wrote. One statement for each index; a condition whose parameter is
// '' does not apply.
constexpr const char* kDecisionsBySubject =
    "SELECT at_ms, subject, fingerprint, incident_id, sent, reason, text FROM decisions"
    " WHERE subject_number = ?7 AND subject = ?1 AND (?2 = '' OR fingerprint = ?2)"
    " AND (?3 = '' OR incident_id = ?3) AND at_ms >= ?4 AND at_ms < ?5 ORDER BY id DESC LIMIT ?6";
constexpr const char* kDecisionsByFingerprint =
    "SELECT at_ms, subject, fingerprint, incident_id, sent, reason, text FROM decisions"
    " WHERE ?1 = '' AND fingerprint = ?2 AND fingerprint <> '' AND (?3 = '' OR incident_id = ?3)"
    " AND at_ms >= ?4 AND at_ms < ?5 ORDER BY id DESC LIMIT ?6";
constexpr const char* kDecisionsByIncident =
    "SELECT at_ms, subject, fingerprint, incident_id, sent, reason, text FROM decisions"
    " WHERE ?1 = '' AND ?2 = '' AND incident_id = ?3 AND incident_id <> ''"
    " AND at_ms >= ?4 AND at_ms < ?5 ORDER BY id DESC LIMIT ?6";
constexpr const char* kDecisionsAll =
    "SELECT at_ms, subject, fingerprint, incident_id, sent, reason, text FROM decisions"
    " WHERE ?1 = '' AND ?2 = '' AND ?3 = '' AND at_ms >= ?4 AND at_ms < ?5"
    " ORDER BY id DESC LIMIT ?6";

const char* statement_for(const DecisionQuery& query) {
  if (!query.subject.empty()) return kDecisionsBySubject;
  if (!query.fingerprint.empty()) return kDecisionsByFingerprint;
  return query.incident_id.empty() ? kDecisionsAll : kDecisionsByIncident;
}

/// Whether a decision is asked for.
class DecisionFilter {
 public:
  explicit DecisionFilter(const DecisionQuery& query)
      : query_(query), subject_(incident::clipped(query.subject, incident::kSubjectBytesMax)) {
    if (!subject_.empty()) keys_.push_back(block_key(kSubjectKey, subject_));
    if (!query.fingerprint.empty()) keys_.push_back(block_key(kFingerprintKey, query.fingerprint));
    if (!query.incident_id.empty()) keys_.push_back(block_key(kIncidentKey, query.incident_id));
  }

  /// Whether a block with these times and keys may have one.
  bool wants_block(std::int64_t first_ms, std::int64_t last_ms, std::string_view keys) const {
    if (query_.from && last_ms < base::to_ms(*query_.from)) return false;
    if (query_.to && first_ms >= base::to_ms(*query_.to)) return false;
    return std::all_of(keys_.begin(), keys_.end(),
                       [&](std::uint32_t key) { return may_have(keys, key); });
  }

  bool wants(const DecisionView& view) const {
    return (subject_.empty() || view.subject == subject_) &&
           (query_.fingerprint.empty() || view.fingerprint == query_.fingerprint) &&
           (query_.incident_id.empty() || view.incident_id == query_.incident_id) &&
           (!query_.from || view.at >= *query_.from) && (!query_.to || view.at < *query_.to);
  }

 private:
  const DecisionQuery& query_;
  std::string subject_;
  std::vector<std::uint32_t> keys_;
};

}  // namespace

std::int64_t incident_number(std::string_view incident_id) {
  const std::string_view digits = incident_id.substr(std::min<std::size_t>(2, incident_id.size()));
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return failure == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

History::History(Database& database)
    : database_(database),
      events_(database, kEvents, BlockTable::Ids::Own),
      decisions_(database, kDecisions, BlockTable::Ids::Own),
      messages_(database, kMessages, BlockTable::Ids::FirstPosition) {}

Result<void> History::add_event(const TimelineEvent& event) {
  TC_TRY(std::string * body, events_.next(incident_number(event.incident_id)));
  put_text(event.incident_id, *body);
  put_varint(event.sequence, *body);
  put_time(event.at, *body);
  put_text(event.kind, *body);
  put_text(event.actor, *body);
  put_text(event.text, *body);
  return base::ok();
}

Result<void> History::add_decision(const DecisionRecord& record) {
  TC_TRY(std::string * body, decisions_.next(base::to_ms(record.at)));
  put_decision(record, *body);
  if (!record.subject.empty()) decisions_.add_key(block_key(kSubjectKey, record.subject));
  if (!record.fingerprint.empty()) {
    decisions_.add_key(block_key(kFingerprintKey, record.fingerprint));
  }
  if (!record.incident_id.empty()) {
    decisions_.add_key(block_key(kIncidentKey, record.incident_id));
  }
  return base::ok();
}

Result<void> History::add_message(std::int64_t row_id, const Notification& notification) {
  message_.clear();
  append_bytes(notification, message_);
  if (message_.size() > incident::kBodyBytesMax) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("message {} is {} bytes, limit {}", notification.key,
                                   message_.size(), incident::kBodyBytesMax));
  }
  TC_TRY(std::string * body, messages_.next(row_id));
  put_varint(base::as_u64(row_id), *body);
  put_text(message_, *body);
  return base::ok();
}

Result<void> History::write() {
  TC_TRY(events_.write());
  TC_TRY(decisions_.write());
  return messages_.write();
}

void History::forget() {
  events_.forget();
  decisions_.forget();
  messages_.forget();
}

Result<std::vector<TimelineEvent>> History::timeline(const std::string& incident_id) {
  std::vector<TimelineEvent> events;
  {
    Statement query = database_.statement(
        "SELECT sequence, at_ms, kind, actor, text FROM events WHERE incident_id = ?"
        " ORDER BY sequence");
    query.text(incident_id);
    while (true) {
      TC_TRY(const bool row, query.next());
      if (!row) break;
      events.push_back({incident_id, base::as_u64(query.integer_at(0)),
                        base::wall_time(query.integer_at(1)), query.text_at(2), query.text_at(3),
                        query.text_at(4)});
    }
  }
  Statement query = database_.statement(
      "SELECT id, body FROM event_blocks WHERE first <= ?1 AND last >= ?1 ORDER BY id");
  query.integer(incident_number(incident_id));
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) break;
    const std::string body = query.bytes_at(1);
    ByteReader reader(body);
    while (!reader.at_end()) {
      const std::string_view id = reader.text();
      TimelineEvent event;
      event.sequence = reader.varint();
      event.at = take_time(reader);
      const std::string_view kind = reader.text();
      const std::string_view actor = reader.text();
      const std::string_view text = reader.text();
      if (!reader.ok()) return damaged("events", query.integer_at(0));
      if (id != incident_id) continue;
      event.incident_id = incident_id;
      event.kind = kind, event.actor = actor, event.text = text;
      events.push_back(std::move(event));
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  events.erase(std::unique(events.begin(), events.end(),
                           [](const auto& a, const auto& b) { return a.sequence == b.sequence; }),
               events.end());
  return events;
}

Result<std::vector<DecisionRecord>> History::decisions(const DecisionQuery& query) {
  const std::size_t limit = std::min(query.limit, incident::kLogRowsMax);
  const DecisionFilter filter(query);
  std::vector<DecisionRecord> found;
  // The body last: rows that are not wanted cost their heads.
  Statement blocks = database_.statement(
      "SELECT id, first, last, keys, body FROM decision_blocks ORDER BY id DESC");
  while (found.size() < limit) {
    TC_TRY(const bool row, blocks.next());
    if (!row) break;
    if (!filter.wants_block(blocks.integer_at(1), blocks.integer_at(2), blocks.bytes_at(3))) {
      continue;
    }
    const std::string body = blocks.bytes_at(4);
    ByteReader reader(body);
    std::vector<DecisionRecord> wanted;
    while (!reader.at_end()) {
      const DecisionView view = read_decision(reader);
      if (!reader.ok()) return damaged("decisions", blocks.integer_at(0));
      if (filter.wants(view)) wanted.push_back(view.record());
    }
    for (auto at = wanted.rbegin(); at != wanted.rend() && found.size() < limit; ++at) {
      found.push_back(std::move(*at));
    }
  }
  TC_TRY(add_old_decisions(query, limit, found));
  return found;
}

Result<void> History::add_old_decisions(const DecisionQuery& query, std::size_t limit,
                                        std::vector<DecisionRecord>& found) {
  Statement statement = database_.statement(statement_for(query));
  const std::string subject = incident::clipped(query.subject, incident::kSubjectBytesMax);
  statement.text(subject).text(query.fingerprint).text(query.incident_id);
  statement.integer(query.from ? base::to_ms(*query.from) : kFirstMs);
  statement.integer(query.to ? base::to_ms(*query.to) : kLastMs);
  statement.integer(static_cast<std::int64_t>(limit - found.size()));
  if (!subject.empty()) statement.integer(Database::number_of(subject));
  while (true) {
    TC_TRY(const bool row, statement.next());
    if (!row) return base::ok();
    found.push_back({base::wall_time(statement.integer_at(0)), statement.text_at(1),
                     statement.text_at(2), statement.text_at(3), statement.integer_at(4) != 0,
                     statement.text_at(5), statement.text_at(6)});
  }
}

Result<void> History::prune(base::WallTime decisions_before) {
  static constexpr const char* kOver[] = {
      "DELETE FROM event_blocks WHERE NOT EXISTS"
      " (SELECT 1 FROM incidents WHERE number BETWEEN first AND last)",
      "DELETE FROM message_blocks WHERE NOT EXISTS"
      " (SELECT 1 FROM outbox WHERE outbox.id BETWEEN first AND last)",
  };
  forget();
  for (const char* sql : kOver) {
    Statement statement = database_.statement(sql);
    TC_TRY(statement.run());
  }
  return prune_decisions(decisions_before);
}

Result<void> History::prune_decisions(base::WallTime before) {
  {
    // Those that older releases wrote; newer ones count too.
    Statement remove = database_.statement(
        "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - max(0, ?2 - (SELECT"
        " coalesce(sum(count), 0) FROM decision_blocks)) OR id < coalesce("
        "(SELECT id FROM decisions WHERE at_ms >= ?1 ORDER BY id LIMIT 1),"
        " (SELECT max(id) + 1 FROM decisions))");
    TC_TRY(remove.integer(base::to_ms(before)).integer(incident::kDecisionsKept).run());
  }
  {
    // Beyond the newest: whole blocks.
    Statement remove = database_.statement(
        "DELETE FROM decision_blocks WHERE id < (SELECT id FROM (SELECT id, sum(count)"
        " OVER (ORDER BY id DESC) AS newer FROM decision_blocks) WHERE newer >= ?"
        " ORDER BY id DESC LIMIT 1)");
    TC_TRY(remove.integer(incident::kDecisionsKept).run());
  }
  {
    Statement remove = database_.statement("DELETE FROM decision_blocks WHERE last < ?");
    TC_TRY(remove.integer(base::to_ms(before)).run());
  }
  std::vector<std::int64_t> partly;
  {
    Statement query = database_.statement("SELECT id FROM decision_blocks WHERE first < ?");
    query.integer(base::to_ms(before));
    while (true) {
      TC_TRY(const bool row, query.next());
      if (!row) break;
      partly.push_back(query.integer_at(0));
    }
  }
  for (const std::int64_t id : partly) TC_TRY(thin_decisions(id, before));
  return base::ok();
}

Result<void> History::thin_decisions(std::int64_t block_id, base::WallTime before) {
  Block kept;
  kept.id = block_id;
  kept.first = INT64_MAX, kept.last = INT64_MIN;
  {
    Statement query = database_.statement(
        "SELECT id, first, last, count, keys, body FROM decision_blocks"
        " WHERE id = ?");
    TC_TRY(const bool row, query.integer(block_id).next());
    if (!row) return base::ok();
    const Block block = block_at(query);
    kept.keys = block.keys;  // those of what goes do no harm
    ByteReader reader(block.body);
    while (!reader.at_end()) {
      const DecisionView view = read_decision(reader);
      if (!reader.ok()) return damaged("decisions", block_id);
      if (view.at < before) continue;
      kept.first = std::min(kept.first, base::to_ms(view.at));
      kept.last = std::max(kept.last, base::to_ms(view.at));
      ++kept.count;
      put_decision(view.record(), kept.body);
    }
  }
  Statement update = database_.statement(kDecisions.update);
  update.integer(kept.id).integer(kept.first).integer(kept.last).integer(kept.count);
  return update.bytes(kept.keys).bytes(kept.body).run();
}

Result<std::optional<std::string_view>> MessageReader::find(std::int64_t row_id) {
  if (next_ < 0 || row_id < next_ || row_id > block_.last) {
    Statement query = database_.statement(
        "SELECT id, first, last, count, keys, body FROM message_blocks WHERE id <= ?"
        " ORDER BY id DESC LIMIT 1");
    TC_TRY(const bool row, query.integer(row_id).next());
    block_ = row ? block_at(query) : Block{};
    at_ = 0;
    next_ = block_.first;
  }
  ByteReader reader(std::string_view(block_.body).substr(at_));
  while (!reader.at_end() && row_id <= block_.last) {
    const std::int64_t id = base::as_i64(reader.varint());
    const std::string_view bytes = reader.text();
    if (!reader.ok()) return damaged("messages", block_.id);
    at_ = block_.body.size() - reader.left();
    next_ = id + 1;
    if (id == row_id) return std::optional(bytes);
    if (id > row_id) break;
  }
  return std::optional<std::string_view>();
}

// An older release's.
Result<Notification> MessageReader::read_old(std::int64_t row_id) {
  Statement query = database_.statement("SELECT body FROM messages WHERE id = ?");
  TC_TRY(const bool row, query.integer(row_id).next());
  if (!row) return corrupt(fmt::format("outbox row {} has no message", row_id));
  auto notification = incident::notification_from_json(query.text_at(0));
  if (!notification) {
    return with_context(notification.error(), fmt::format("outbox row {}", row_id));
  }
  return notification;
}

Result<Notification> MessageReader::read(std::int64_t row_id) {
  const auto whole = [&]() -> Result<Notification> {
    TC_TRY(const auto bytes, find(row_id));
    return bytes ? incident::notification_from_bytes(*bytes) : read_old(row_id);
  };
  auto notification = whole();
  if (!notification && notification.error().code == ErrorCode::Corruption) {
    return instead(row_id, notification.error());
  }
  return notification;
}

Result<void> MessageReader::read(incident::WaitingRow& row) {
  const auto found = find(row.id);
  if (found && *found) {
    row.message = base::SharedText(**found);
    if (const auto head = incident::head_from_bytes(row.message)) {
      row.head = *head;
      return base::ok();
    }
  }
  TC_TRY(const auto notification, read(row.id));
  std::string bytes;
  append_bytes(notification, bytes);
  row.message = base::SharedText(bytes);
  TC_TRY(row.head, incident::head_from_bytes(row.message));
  return base::ok();
}

Result<Notification> MessageReader::instead(std::int64_t row_id, const base::Error& damage) {
  base::log_error("alertd/state", "outbox row {}: its message cannot be read: {}", row_id,
                  damage.message);
  Notification known;
  known.key = fmt::format("row {}", row_id);
  Statement query = database_.statement(
      "SELECT key, incident_id, receiver, channel, sequence, due_ms FROM outbox WHERE id = ?");
  TC_TRY(const bool written, query.integer(row_id).next());
  if (written) {
    known.key = query.text_at(0);
    known.incident.id = query.text_at(1);
    known.receiver = query.text_at(2);
    known.channel = query.text_at(3);
    known.sequence = base::as_u64(query.integer_at(4));
    known.created_at = base::wall_time(query.integer_at(5));
  }
  return incident::stand_in(std::move(known));
}

}  // namespace tocsin::state
