// PostgresTables: reads of decisions, the audit trail and receipts, and the lease.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/state/columns.h"
#include "alertd/state/postgres_tables.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using incident::DecisionRecord;
using incident::Lease;
using incident::StoredAudit;

namespace {

constexpr std::int64_t kAuditBlock = 5'000;

std::int64_t limited(std::size_t limit) {
  return static_cast<std::int64_t>(std::min(limit, incident::kLogRowsMax));
}

// One statement for each index; a condition whose parameter is '' or null does not apply.
constexpr const char* kDecisionsBySubject =
    "SELECT at_ms, subject, fingerprint, incident_id, sent::int, reason, text FROM decisions"
    " WHERE sha256(subject) = sha256($1) AND ($2::text = '' OR fingerprint = $2)"
    " AND ($3::text = '' OR incident_id = $3) AND ($4::bigint IS NULL OR at_ms >= $4)"
    " AND ($5::bigint IS NULL OR at_ms < $5) ORDER BY id DESC LIMIT $6";
constexpr const char* kDecisionsByFingerprint =
    "SELECT at_ms, subject, fingerprint, incident_id, sent::int, reason, text FROM decisions"
    " WHERE $1::bytea = '' AND fingerprint = $2 AND fingerprint <> ''"
    " AND ($3::text = '' OR incident_id = $3) AND ($4::bigint IS NULL OR at_ms >= $4)"
    " AND ($5::bigint IS NULL OR at_ms < $5) ORDER BY id DESC LIMIT $6";
constexpr const char* kDecisionsByIncident =
    "SELECT at_ms, subject, fingerprint, incident_id, sent::int, reason, text FROM decisions"
    " WHERE $1::bytea = '' AND $2::text = '' AND incident_id = $3 AND incident_id <> ''"
    " AND ($4::bigint IS NULL OR at_ms >= $4) AND ($5::bigint IS NULL OR at_ms < $5)"
    " ORDER BY id DESC LIMIT $6";
constexpr const char* kDecisionsAll =
    "SELECT at_ms, subject, fingerprint, incident_id, sent::int, reason, text FROM decisions"
    " WHERE $1::bytea = '' AND $2::text = '' AND $3::text = ''"
    " AND ($4::bigint IS NULL OR at_ms >= $4) AND ($5::bigint IS NULL OR at_ms < $5)"
    " ORDER BY id DESC LIMIT $6";
constexpr const char* kAudit =
    "SELECT number, at_ms, actor, source, action, object, text, hash FROM audit"
    " WHERE ($1::text = '' OR object = $1) AND ($2::text = '' OR actor = $2)"
    " AND ($3::bigint IS NULL OR at_ms >= $3) AND ($4::bigint IS NULL OR at_ms < $4)"
    " AND ($5::bigint IS NULL OR number < $5) ORDER BY number DESC LIMIT $6";

const char* statement_for(const incident::DecisionQuery& query) {
  if (!query.subject.empty()) return kDecisionsBySubject;
  if (!query.fingerprint.empty()) return kDecisionsByFingerprint;
  return query.incident_id.empty() ? kDecisionsAll : kDecisionsByIncident;
}

/// Columns as in kAudit.
StoredAudit read_audit(const postgres::Rows& rows, std::size_t i) {
  StoredAudit stored;
  stored.number = rows.integer(i, 0);
  stored.record.at = base::wall_time(rows.integer(i, 1));
  stored.record.actor = rows.text(i, 2);
  stored.record.source = rows.text(i, 3);
  stored.record.action = rows.text(i, 4);
  stored.record.object = rows.text(i, 5);
  stored.record.text = rows.text(i, 6);
  stored.hash = rows.text(i, 7);
  return stored;
}

}  // namespace

Result<std::vector<DecisionRecord>> PostgresTables::decisions(
    const incident::DecisionQuery& query) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  postgres::Values values;
  values.bytes(incident::clipped(query.subject, incident::kSubjectBytesMax));
  values.text(query.fingerprint).text(query.incident_id);
  values.optional_integer(to_ms(query.from)).optional_integer(to_ms(query.to));
  values.integer(limited(query.limit));
  TC_TRY(const postgres::Rows rows, transaction.run(statement_for(query), values));
  std::vector<DecisionRecord> found;
  found.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    DecisionRecord record;
    record.at = base::wall_time(rows.integer(i, 0));
    record.subject = rows.bytes(i, 1);
    record.fingerprint = rows.text(i, 2);
    record.incident_id = rows.text(i, 3);
    record.sent = rows.integer(i, 4) != 0;
    record.reason = rows.text(i, 5);
    record.text = rows.text(i, 6);
    found.push_back(std::move(record));
  }
  return found;
}

Result<std::vector<StoredAudit>> PostgresTables::audit(const incident::AuditQuery& query) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  postgres::Values values;
  values.text(query.object).text(query.actor);
  values.optional_integer(to_ms(query.from)).optional_integer(to_ms(query.to));
  values.optional_integer(query.number_below).integer(limited(query.limit));
  TC_TRY(const postgres::Rows rows, transaction.run(kAudit, values));
  std::vector<StoredAudit> found;
  found.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) found.push_back(read_audit(rows, i));
  return found;
}

Result<incident::AuditVerdict> PostgresTables::verify_audit() {
  incident::AuditChain chain;
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(transaction.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  std::int64_t after = INT64_MIN;
  for (bool sound = true; sound;) {
    TC_TRY(const postgres::Rows rows,
           transaction.run("SELECT number, at_ms, actor, source, action, object, text, hash"
                           " FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
                           postgres::Values().integer(after).integer(kAuditBlock)));
    if (rows.size() == 0) break;
    for (std::size_t i = 0; i < rows.size() && sound; ++i) sound = chain.add(read_audit(rows, i));
    after = rows.integer(rows.size() - 1, 0);
  }
  TC_TRY(const postgres::Rows last,
         transaction.run("SELECT value FROM counters WHERE name = 'last_audit_number'"));
  return chain.finish(last.size() == 1 ? last.integer(0, 0) : 0);
}

Result<std::vector<incident::Receipt>> PostgresTables::receipts(
    const incident::ReceiptQuery& query) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  postgres::Values values;
  values.text(query.incident_id).text(query.receiver).text(query.channel);
  values.integer(static_cast<std::int64_t>(incident::kReceiptsMax));
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT id, receiver, channel, sequence, receipt FROM outbox"
                         " WHERE incident_id = $1 AND ($2 = '' OR receiver = $2)"
                         " AND ($3 = '' OR channel = $3) AND receipt <> ''"
                         " ORDER BY id DESC LIMIT $4",
                         values));
  std::vector<incident::Receipt> found;
  for (std::size_t i = rows.size(); i-- > 0;) {
    found.push_back({rows.integer(i, 0), rows.text(i, 1), rows.text(i, 2),
                     static_cast<std::uint64_t>(rows.integer(i, 3)), rows.bytes(i, 4)});
  }
  return found;
}

// The clock of the lease is the server's: hosts' clocks may differ.

Result<Lease> PostgresTables::acquire_lease(const std::string& holder, base::Duration duration) {
  TC_TRY(incident::check_lease(holder, duration));
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  // Ours already: renewed with the same epoch. Of our last process, or when the answer to the last
  // call was lost: ours at once, with a new one.
  postgres::Values values;
  values.text(holder).integer(duration.count()).integer(static_cast<std::int64_t>(epoch_));
  TC_TRY(const postgres::Rows taken,
         transaction.run("UPDATE lease SET"
                         " epoch = epoch + CASE WHEN holder = $1 AND epoch = $3 THEN 0 ELSE 1 END,"
                         " holder = $1,"
                         " until = clock_timestamp() + $2::bigint * interval '1 millisecond'"
                         " WHERE holder = $1 OR holder = '' OR until <= clock_timestamp()"
                         " RETURNING epoch",
                         values));
  if (taken.size() == 1) {
    TC_TRY(transaction.commit());
    holder_ = postgres::storable(holder);
    epoch_ = static_cast<std::uint64_t>(taken.integer(0, 0));
    return Lease{holder_, epoch_, true};
  }
  TC_TRY(const postgres::Rows found, transaction.run("SELECT holder, epoch FROM lease"));
  if (found.size() != 1) {
    return base::error(ErrorCode::Corruption, "state store: the table of the lease is empty");
  }
  return Lease{found.text(0, 0), static_cast<std::uint64_t>(found.integer(0, 1)), false};
}

Result<Lease> PostgresTables::renew_lease(base::Duration duration) {
  TC_TRY(incident::check_lease(epoch_ == 0 ? "nobody" : holder_, duration));
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  postgres::Values values;
  values.integer(duration.count()).integer(static_cast<std::int64_t>(epoch_));
  TC_TRY(const postgres::Rows renewed,
         transaction.run("UPDATE lease SET"
                         " until = clock_timestamp() + $1::bigint * interval '1 millisecond'"
                         " WHERE epoch = $2",
                         values));
  TC_TRY(transaction.commit());
  return Lease{holder_, epoch_, renewed.affected() == 1};
}

Result<void> PostgresTables::release_lease() {
  if (epoch_ == 0) return base::ok();
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(
      transaction.run("UPDATE lease SET holder = '', until = '-infinity'"
                      " WHERE epoch = $1 AND holder = $2",
                      postgres::Values().integer(static_cast<std::int64_t>(epoch_)).text(holder_)));
  TC_TRY(transaction.commit());
  epoch_ = 0;
  return base::ok();
}

}  // namespace tocsin::state
