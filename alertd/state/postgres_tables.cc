#include "alertd/state/postgres_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/state/columns.h"
#include "alertd/state/postgres_write.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using incident::IncidentRecord;
using incident::OutboxRow;

namespace {

constexpr std::int64_t kPruneBatch = 20'000;
constexpr base::Duration kPruneTime{3'000};

/// Columns: number, id, group_key, title, state, severity, peak_severity, opened_ms, updated_ms,
/// resolved_ms, body.
Result<std::vector<IncidentRecord>> read_incidents(const postgres::Rows& rows) {
  std::vector<IncidentRecord> records;
  records.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    IncidentRecord record;
    record.number = rows.integer(i, 0);
    record.id = rows.text(i, 1);
    record.group_key = rows.bytes(i, 2);
    record.title = rows.text(i, 3);
    const auto state = incident::parse_incident_state(rows.text(i, 4));
    if (!state) return corrupt(fmt::format("incident {} has an unknown state", record.id));
    record.state = *state;
    TC_TRY(record.severity, to_severity(rows.integer(i, 5)));
    TC_TRY(record.peak_severity, to_severity(rows.integer(i, 6)));
    record.opened_at = base::wall_time(rows.integer(i, 7));
    record.updated_at = base::wall_time(rows.integer(i, 8));
    record.resolved_at = to_time(rows.optional_integer(i, 9));
    record.body = rows.bytes(i, 10);
    records.push_back(std::move(record));
  }
  return records;
}

constexpr std::string_view kOutboxColumns =
    "SELECT id, state, attempts, outcome_unknown::int, due_ms, body, receipt, note, key,"
    " incident_id, receiver, channel, sequence FROM outbox";

/// Of kOutboxColumns. A message that is damaged is logged, and stand_in() takes its place.
Result<OutboxRow> read_row(const postgres::Rows& rows, std::size_t i) {
  OutboxRow row;
  row.id = rows.integer(i, 0);
  const auto state = incident::parse_delivery_state(rows.text(i, 1));
  if (!state) return corrupt(fmt::format("outbox row {} has an unknown state", row.id));
  row.state = *state;
  row.attempts = static_cast<std::uint32_t>(rows.integer(i, 2));
  row.outcome_unknown = rows.integer(i, 3) != 0;
  row.due = base::wall_time(rows.integer(i, 4));
  auto notification = incident::notification_from_json(rows.bytes(i, 5));
  if (notification) {
    row.notification = std::move(*notification);
  } else {
    base::log_error("alertd/state", "outbox row {}: its message cannot be read: {}", row.id,
                    notification.error().message);
    incident::Notification known;
    known.key = rows.text(i, 8);
    known.incident.id = rows.text(i, 9);
    known.receiver = rows.text(i, 10);
    known.channel = rows.text(i, 11);
    known.sequence = static_cast<std::uint64_t>(rows.integer(i, 12));
    known.created_at = row.due;
    row.notification = incident::stand_in(std::move(known));
  }
  row.receipt = rows.bytes(i, 6);
  row.note = rows.text(i, 7);
  return row;
}

Result<std::vector<incident::Record>> read_records(postgres::Transaction& transaction,
                                                   const char* sql) {
  TC_TRY(const postgres::Rows rows, transaction.run(sql));
  std::vector<incident::Record> records;
  records.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    records.push_back({rows.bytes(i, 0), rows.bytes(i, 1)});
  }
  return records;
}

}  // namespace

Result<incident::LoadedState> PostgresTables::load(WallTime resolved_since) {
  incident::LoadedState state;
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  // One view of all tables, though another daemon may be writing.
  TC_TRY(transaction.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  TC_TRY(state.alerts, read_records(transaction, "SELECT key, body FROM alerts ORDER BY key"));
  TC_TRY(state.groups,
         read_records(transaction, "SELECT key, body FROM alert_groups ORDER BY key"));
  TC_TRY(const postgres::Rows incidents,
         transaction.run("SELECT number, id, group_key, title, state, severity, peak_severity,"
                         " opened_ms, updated_ms, resolved_ms, body FROM incidents"
                         " WHERE resolved_ms IS NULL OR resolved_ms >= $1 ORDER BY number",
                         postgres::Values().integer(base::to_ms(resolved_since))));
  TC_TRY(state.incidents, read_incidents(incidents));
  TC_TRY(const postgres::Rows counter,
         transaction.run("SELECT value FROM counters WHERE name = 'last_incident_number'"));
  if (counter.size() == 1) state.last_incident_number = counter.integer(0, 0);
  TC_TRY(const postgres::Rows kept,
         transaction.run("SELECT kind, key, body FROM records ORDER BY kind COLLATE \"C\", key"));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    state.records.push_back({kept.text(i, 0), kept.bytes(i, 1), kept.bytes(i, 2)});
  }
  TC_TRY(transaction.commit());
  return state;
}

Result<void> PostgresTables::check_epoch(postgres::Transaction& transaction) {
  TC_TRY(const postgres::Rows rows, transaction.run("SELECT epoch, holder FROM lease FOR SHARE"));
  if (rows.size() != 1) return corrupt("the table of the lease is empty");
  const auto epoch = static_cast<std::uint64_t>(rows.integer(0, 0));
  if (epoch_ != 0 && epoch == epoch_ && rows.text(0, 1) == holder_) return base::ok();
  return base::error(
      ErrorCode::Cancelled,
      epoch_ == 0
          ? fmt::format("this daemon has no lease (epoch {} is of '{}')", epoch, rows.text(0, 1))
          : fmt::format("the lease is lost: this daemon had epoch {}, now '{}' has epoch {}",
                        epoch_, rows.text(0, 1), epoch));
}

Result<void> PostgresTables::commit(const incident::StateChange& change) {
  TC_TRY(incident::check(change));
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  TC_TRY(write_change(transaction, change));
  return transaction.commit();
}

Result<std::vector<incident::WaitingRow>> PostgresTables::pending_after(std::int64_t after_id,
                                                                        std::size_t limit) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  postgres::Values values;
  values.integer(after_id).integer(static_cast<std::int64_t>(limit));
  values.integer(static_cast<std::int64_t>(epoch_));
  // Claims of an epoch that is over are anybody's. Only the holder of the lease comes so far; rows
  // that a transaction of the last holder still has locked are skipped until it is gone.
  TC_TRY(transaction.run(
      "UPDATE outbox SET claim_epoch = $3 WHERE claim_epoch <> $3 AND id IN ("
      "SELECT id FROM outbox WHERE state = 'pending' AND id > $1 ORDER BY id LIMIT $2"
      " FOR UPDATE SKIP LOCKED)",
      values));
  static const std::string kWaiting =
      std::string(kOutboxColumns) +
      " WHERE state = 'pending' AND id > $1 AND claim_epoch = $3 ORDER BY id LIMIT $2";
  TC_TRY(const postgres::Rows rows, transaction.run(kWaiting.c_str(), values));
  std::vector<incident::WaitingRow> waiting;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    TC_TRY(const OutboxRow row, read_row(rows, i));
    waiting.push_back(incident::waiting_row(row));
  }
  TC_TRY(transaction.commit());
  return waiting;
}

Result<std::vector<IncidentRecord>> PostgresTables::incidents(
    const incident::IncidentQuery& query) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  postgres::Values values;
  query.state ? values.text(to_string(*query.state)) : values.null();
  values.integer(query.unresolved_only ? 1 : 0);
  values.optional_integer(query.severity
                              ? std::optional<std::int64_t>(static_cast<int>(*query.severity))
                              : std::nullopt);
  values.optional_integer(query.number_below);
  values.integer(static_cast<std::int64_t>(std::min(query.limit, incident::kIncidentsMax)));
  // A condition whose parameter is null does not apply.
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT number, id, group_key, title, state, severity, peak_severity,"
                         " opened_ms, updated_ms, resolved_ms, body FROM incidents"
                         " WHERE ($1::text IS NULL OR state = $1)"
                         " AND ($2::bigint = 0 OR state <> 'resolved')"
                         " AND ($3::bigint IS NULL OR severity = $3)"
                         " AND ($4::bigint IS NULL OR number < $4)"
                         " ORDER BY number DESC LIMIT $5",
                         values));
  return read_incidents(rows);
}

Result<incident::IncidentDetail> PostgresTables::incident(const std::string& id) {
  incident::IncidentDetail detail;
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(transaction.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  const postgres::Values key = postgres::Values().text(id);
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT number, id, group_key, title, state, severity, peak_severity,"
                         " opened_ms, updated_ms, resolved_ms, body FROM incidents WHERE id = $1",
                         key));
  TC_TRY(auto found, read_incidents(rows));
  if (found.empty()) {
    return base::error(ErrorCode::NotFound, fmt::format("there is no incident '{}'", id));
  }
  detail.incident = std::move(found.front());
  TC_TRY(const postgres::Rows events,
         transaction.run("SELECT sequence, at_ms, kind, actor, text FROM events"
                         " WHERE incident_id = $1 ORDER BY sequence",
                         key));
  for (std::size_t i = 0; i < events.size(); ++i) {
    detail.timeline.push_back({id, static_cast<std::uint64_t>(events.integer(i, 0)),
                               base::wall_time(events.integer(i, 1)), events.text(i, 2),
                               events.text(i, 3), events.text(i, 4)});
  }
  static const std::string kOfIncident =
      std::string(kOutboxColumns) + " WHERE incident_id = $1 ORDER BY id";
  TC_TRY(const postgres::Rows deliveries, transaction.run(kOfIncident.c_str(), key));
  TC_TRY(const postgres::Rows attempts,
         transaction.run("SELECT row_id, attempt, started_ms, finished_ms, latency_ms, outcome,"
                         " text FROM attempts WHERE row_id IN"
                         " (SELECT id FROM outbox WHERE incident_id = $1)"
                         " ORDER BY row_id, attempt",
                         key));
  std::size_t next = 0;
  for (std::size_t i = 0; i < deliveries.size(); ++i) {
    incident::DeliveryRecord delivery;
    TC_TRY(delivery.row, read_row(deliveries, i));
    for (; next < attempts.size() && attempts.integer(next, 0) == delivery.row.id; ++next) {
      incident::AttemptRecord attempt;
      attempt.attempt = static_cast<std::uint32_t>(attempts.integer(next, 1));
      attempt.started_at = base::wall_time(attempts.integer(next, 2));
      attempt.finished_at = to_time(attempts.optional_integer(next, 3));
      attempt.latency = base::Duration{attempts.integer(next, 4)};
      attempt.outcome = attempts.text(next, 5);
      attempt.text = attempts.text(next, 6);
      delivery.attempts.push_back(std::move(attempt));
    }
    detail.deliveries.push_back(std::move(delivery));
  }
  return detail;
}

Result<std::uint64_t> PostgresTables::prune(WallTime before, WallTime decisions_before) {
  // What has lost its incident follows; an unsent message stays until it is sent and the next
  // prune.
  static constexpr const char* kFollowers[] = {
      "DELETE FROM events WHERE NOT EXISTS"
      " (SELECT 1 FROM incidents WHERE incidents.id = events.incident_id)",
      "DELETE FROM outbox WHERE state <> 'pending' AND NOT EXISTS"
      " (SELECT 1 FROM incidents WHERE incidents.id = outbox.incident_id)",
      "DELETE FROM attempts WHERE NOT EXISTS"
      " (SELECT 1 FROM outbox WHERE outbox.id = attempts.row_id)",
  };
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  TC_TRY(const postgres::Rows pruned,
         transaction.run("DELETE FROM incidents WHERE resolved_ms < $1",
                         postgres::Values().integer(base::to_ms(before))));
  for (const char* sql : kFollowers) TC_TRY(transaction.run(sql));
  TC_TRY(transaction.commit());
  TC_TRY(prune_decisions(decisions_before));
  return static_cast<std::uint64_t>(pruned.affected());
}

Result<void> PostgresTables::prune_decisions(WallTime before) {
  // In small transactions: the lease is renewed on the same connection.
  const base::MonotonicTime end = clock_.monotonic() + kPruneTime;
  std::int64_t removed = kPruneBatch;
  while (removed == kPruneBatch && clock_.monotonic() < end) {
    postgres::Transaction transaction(*connection_);
    TC_TRY(transaction.begin());
    TC_TRY(check_epoch(transaction));
    postgres::Values values;
    values.integer(base::to_ms(before)).integer(incident::kDecisionsKept).integer(kPruneBatch);
    TC_TRY(const postgres::Rows rows,
           transaction.run("DELETE FROM decisions WHERE id IN (SELECT id FROM decisions"
                           " WHERE at_ms < $1 OR id <= (SELECT max(id) FROM decisions) - $2"
                           " LIMIT $3)",
                           values));
    TC_TRY(transaction.commit());
    removed = rows.affected();
  }
  return base::ok();
}

}  // namespace tocsin::state
