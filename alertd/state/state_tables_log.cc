// StateTables: kept records, decisions, the audit trail and receipts.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/state/state_tables.h"

namespace tocsin::state {

using base::Result;
using incident::AuditRecord;
using incident::DecisionRecord;
using incident::KeptKey;
using incident::KeptRecord;
using incident::StateChange;
using incident::StoredAudit;

namespace {

// Bounds of a query that has none.
constexpr base::WallTime kFirst = base::wall_time(INT64_MIN / 2);
constexpr base::WallTime kLast = base::wall_time(INT64_MAX / 2);

// One statement for each index; a condition whose parameter is '' or null does not apply.
constexpr const char* kAuditByObject =
    "SELECT number, at_ms, actor, source, action, object, text, hash FROM audit"
    " WHERE object = ?1 AND (?2 = '' OR actor = ?2) AND at_ms >= ?3 AND at_ms < ?4"
    " AND (?5 IS NULL OR number < ?5) ORDER BY number DESC LIMIT ?6";
constexpr const char* kAuditAll =
    "SELECT number, at_ms, actor, source, action, object, text, hash FROM audit"
    " WHERE ?1 = '' AND (?2 = '' OR actor = ?2) AND at_ms >= ?3 AND at_ms < ?4"
    " AND (?5 IS NULL OR number < ?5) ORDER BY number DESC LIMIT ?6";

std::int64_t limited(std::size_t limit) {
  return static_cast<std::int64_t>(std::min(limit, incident::kLogRowsMax));
}

/// Columns: number, at_ms, actor, source, action, object, text, hash.
StoredAudit read_audit(const Statement& row) {
  StoredAudit stored;
  stored.number = row.integer_at(0);
  stored.record.at = base::wall_time(row.integer_at(1));
  stored.record.actor = row.text_at(2);
  stored.record.source = row.text_at(3);
  stored.record.action = row.text_at(4);
  stored.record.object = row.text_at(5);
  stored.record.text = row.text_at(6);
  stored.hash = row.text_at(7);
  return stored;
}

}  // namespace

Result<void> StateTables::write_kept(const StateChange& change) {
  for (const KeptRecord& record : change.records_upsert) {
    Statement upsert = database_.statement("INSERT OR REPLACE INTO records VALUES (?, ?, ?)");
    TC_TRY(upsert.text(record.kind).text(record.key).text(record.body).run());
  }
  for (const KeptKey& key : change.records_delete) {
    Statement remove = database_.statement("DELETE FROM records WHERE kind = ? AND key = ?");
    TC_TRY(remove.text(key.kind).text(key.key).run());
  }
  return base::ok();
}

Result<std::vector<KeptRecord>> StateTables::read_kept() {
  std::vector<KeptRecord> records;
  Statement query = database_.statement("SELECT kind, key, body FROM records ORDER BY kind, key");
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) return records;
    records.push_back({query.text_at(0), query.text_at(1), query.text_at(2)});
  }
}

Result<void> StateTables::write_decisions(const StateChange& change) {
  if (change.decisions.empty()) return base::ok();
  const std::string id = change_id(change);
  {
    Statement known = database_.statement("SELECT 1 FROM decided_change WHERE change_id = ?");
    TC_TRY(const bool written, known.text(id).next());
    if (written) return base::ok();
  }
  {
    Statement remember = database_.statement("INSERT OR REPLACE INTO decided_change VALUES (1, ?)");
    TC_TRY(remember.text(id).run());
  }
  for (const DecisionRecord& record : change.decisions) {
    TC_TRY(history_.add_decision(incident::clipped(record)));
  }
  return base::ok();
}

Result<std::int64_t> StateTables::last_audit_number() {
  Statement counter =
      database_.statement("SELECT value FROM counters WHERE name = 'last_audit_number'");
  TC_TRY(const bool row, counter.next());
  return row ? counter.integer_at(0) : 0;
}

Result<void> StateTables::write_audit(const StateChange& change) {
  if (change.audit.empty()) return base::ok();
  const std::string id = change_id(change);
  {
    // A change is written whole: its first line tells of all.
    Statement known = database_.statement("SELECT 1 FROM audit WHERE change_id = ?");
    TC_TRY(const bool written, known.text(id).next());
    if (written) return base::ok();
  }
  TC_TRY(std::int64_t number, last_audit_number());
  std::string previous;
  {
    Statement last = database_.statement("SELECT hash FROM audit WHERE number = ?");
    TC_TRY(const bool row, last.integer(number).next());
    if (row) previous = last.text_at(0);
  }
  std::int64_t n = 0;
  for (const AuditRecord& whole : change.audit) {
    const AuditRecord record = incident::clipped(whole);
    previous = incident::audit_hash(previous, ++number, record);
    Statement insert =
        database_.statement("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.integer(number).text(id).integer(n++).integer(base::to_ms(record.at));
    insert.text(record.actor).text(record.source).text(record.action).text(record.object);
    TC_TRY(insert.text(record.text).text(previous).run());
  }
  Statement counter =
      database_.statement("INSERT OR REPLACE INTO counters VALUES ('last_audit_number', ?)");
  return counter.integer(number).run();
}

Result<std::vector<DecisionRecord>> StateTables::decisions(const incident::DecisionQuery& query) {
  return history_.decisions(query);
}

Result<std::vector<StoredAudit>> StateTables::audit(const incident::AuditQuery& query) {
  Statement statement = database_.statement(query.object.empty() ? kAuditAll : kAuditByObject);
  statement.text(query.object).text(query.actor);
  statement.integer(base::to_ms(query.from.value_or(kFirst)));
  statement.integer(base::to_ms(query.to.value_or(kLast)));
  statement.optional_integer(query.number_below).integer(limited(query.limit));
  std::vector<StoredAudit> found;
  while (true) {
    TC_TRY(const bool row, statement.next());
    if (!row) return found;
    found.push_back(read_audit(statement));
  }
}

Result<incident::AuditVerdict> StateTables::verify_audit() {
  incident::AuditChain chain;
  Statement statement = database_.statement(
      "SELECT number, at_ms, actor, source, action, object, text, hash FROM audit"
      " ORDER BY number");
  while (true) {
    TC_TRY(const bool row, statement.next());
    if (!row || !chain.add(read_audit(statement))) break;
  }
  TC_TRY(const std::int64_t last, last_audit_number());
  return chain.finish(last);
}

Result<std::vector<incident::Receipt>> StateTables::receipts(const incident::ReceiptQuery& query) {
  // Rows that are not in the table have no receipt.
  Statement statement = database_.statement(
      "SELECT id, receiver, channel, sequence, receipt FROM outbox WHERE incident_id = ?1"
      " AND (?2 = '' OR receiver = ?2) AND (?3 = '' OR channel = ?3) AND receipt <> ''"
      " ORDER BY id DESC LIMIT ?4");
  statement.text(query.incident_id).text(query.receiver).text(query.channel);
  statement.integer(static_cast<std::int64_t>(incident::kReceiptsMax));
  std::vector<incident::Receipt> found;
  while (true) {
    TC_TRY(const bool row, statement.next());
    if (!row) break;
    incident::Receipt receipt;
    receipt.row_id = statement.integer_at(0);
    receipt.receiver = statement.text_at(1);
    receipt.channel = statement.text_at(2);
    receipt.sequence = static_cast<std::uint64_t>(statement.integer_at(3));
    receipt.receipt = statement.text_at(4);
    found.push_back(std::move(receipt));
  }
  std::reverse(found.begin(), found.end());
  return found;
}

Result<incident::Lease> StateTables::acquire_lease(const std::string& holder,
                                                   base::Duration duration) {
  TC_TRY(incident::check_lease(holder, duration));
  lease_ = {holder, 1, true};
  return lease_;
}

Result<incident::Lease> StateTables::renew_lease(base::Duration duration) {
  if (!lease_.held) return base::error(base::ErrorCode::Cancelled, "this store has no lease");
  TC_TRY(incident::check_lease(lease_.holder, duration));
  rest();  // this comes every few seconds, whatever is going on
  return lease_;
}

// What fails here is done by a later one, or when it must be, and then said.
void StateTables::rest() {
  if (!database_.changed_since_rest()) static_cast<void>(bring_messages_out());
  database_.rest();
}

Result<void> StateTables::release_lease() {
  lease_ = {};
  return base::ok();
}

}  // namespace tocsin::state
