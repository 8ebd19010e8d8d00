// PostgresTables: attempts, one for each call, and many in one transaction.
#include <fmt/format.h>

#include "alertd/state/postgres_tables.h"
#include "alertd/state/postgres_write.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using incident::AttemptResult;
using incident::DeliveryState;

namespace {

// An error that is about this row only: nothing was written for it, and the others go on.
bool about_one_row(const base::Error& error) {
  return error.code == ErrorCode::NotFound || error.code == ErrorCode::InvalidArgument;
}

/// Locks the row. Returns its state. Errors: NotFound.
Result<std::string> state_of(postgres::Transaction& transaction, std::int64_t row_id) {
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT state FROM outbox WHERE id = $1 FOR UPDATE",
                         postgres::Values().integer(row_id)));
  if (rows.size() == 1) return rows.text(0, 0);
  return base::error(ErrorCode::NotFound, fmt::format("there is no outbox row {}", row_id));
}

base::Error finished_row(std::int64_t row_id) {
  return base::error(ErrorCode::InvalidArgument, fmt::format("outbox row {} is finished", row_id));
}

}  // namespace

Result<void> PostgresTables::attempt_started(std::int64_t row_id, std::uint32_t attempt,
                                             base::WallTime at) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  TC_TRY(start_attempt(transaction, {row_id, attempt, at}));
  return transaction.commit();
}

Result<void> PostgresTables::attempt_finished(const AttemptResult& result) {
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  TC_TRY(finish_attempt(transaction, result));
  return transaction.commit();
}

Result<incident::DeliveryBatchOutcome> PostgresTables::record(
    const incident::DeliveryBatch& batch) {
  incident::DeliveryBatchOutcome outcome;
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(check_epoch(transaction));
  const auto note = [](std::vector<Result<void>>& results, Result<void> result) -> Result<void> {
    if (!result && !about_one_row(result.error())) return result;
    results.push_back(std::move(result));
    return base::ok();
  };
  for (const incident::SettledRow& row : batch.settled) {
    TC_TRY(note(outcome.settled, settle(transaction, row)));
  }
  for (const incident::AttemptStart& start : batch.started) {
    TC_TRY(note(outcome.started, start_attempt(transaction, start)));
  }
  for (const AttemptResult& result : batch.finished) {
    TC_TRY(note(outcome.finished, finish_attempt(transaction, result)));
  }
  incident::StateChange messages;
  messages.outbox = batch.outbox;
  TC_TRY(write_change(transaction, messages));
  TC_TRY(transaction.commit());
  return outcome;
}

Result<void> PostgresTables::settle(postgres::Transaction& transaction,
                                    const incident::SettledRow& row) {
  TC_TRY(const std::string state, state_of(transaction, row.row_id));
  if (state == to_string(row.state)) return base::ok();
  if (state != to_string(DeliveryState::Pending)) return finished_row(row.row_id);
  postgres::Values values;
  values.integer(row.row_id).text(to_string(row.state));
  values.text(incident::clipped(row.text, incident::kAttemptTextMax));
  TC_TRY(transaction.run(
      "UPDATE outbox SET state = $2, outcome_unknown = FALSE, note = $3 WHERE id = $1", values));
  return base::ok();
}

Result<void> PostgresTables::start_attempt(postgres::Transaction& transaction,
                                           const incident::AttemptStart& start) {
  TC_TRY(const std::string state, state_of(transaction, start.row_id));
  if (state != to_string(DeliveryState::Pending)) return finished_row(start.row_id);
  postgres::Values values;
  values.integer(start.row_id).integer(start.attempt).integer(base::to_ms(start.at));
  TC_TRY(transaction.run(
      "INSERT INTO attempts (row_id, attempt, started_ms) VALUES ($1, $2, $3)"
      " ON CONFLICT (row_id, attempt) DO UPDATE SET started_ms = excluded.started_ms,"
      " finished_ms = NULL, latency_ms = 0, outcome = '', text = ''",
      values));
  postgres::Values row;
  row.integer(start.row_id).integer(start.attempt).integer(static_cast<std::int64_t>(epoch_));
  TC_TRY(
      transaction.run("UPDATE outbox SET attempts = greatest(attempts, $2),"
                      " outcome_unknown = TRUE, claim_epoch = $3 WHERE id = $1",
                      row));
  return base::ok();
}

Result<void> PostgresTables::finish_attempt(postgres::Transaction& transaction,
                                            const AttemptResult& result) {
  postgres::Values attempt;
  attempt.integer(result.row_id).integer(result.attempt).integer(base::to_ms(result.finished_at));
  attempt.integer(result.latency.count()).text(incident::attempt_outcome(result.state));
  attempt.text(incident::attempt_text(result));
  TC_TRY(const postgres::Rows updated,
         transaction.run("UPDATE attempts SET finished_ms = $3, latency_ms = $4, outcome = $5,"
                         " text = $6 WHERE row_id = $1 AND attempt = $2",
                         attempt));
  if (updated.affected() == 0) {
    return base::error(ErrorCode::NotFound, fmt::format("outbox row {} has no attempt {}",
                                                        result.row_id, result.attempt));
  }
  postgres::Values row;
  row.integer(result.row_id).text(to_string(result.state)).integer(base::to_ms(result.next_due));
  row.bytes(incident::kept_receipt(result));
  TC_TRY(
      transaction.run("UPDATE outbox SET state = $2, outcome_unknown = FALSE,"
                      " due_ms = CASE WHEN $2 = 'pending' THEN $3::bigint ELSE due_ms END,"
                      " receipt = CASE WHEN $4::bytea = '' THEN receipt ELSE $4::bytea END"
                      " WHERE id = $1 AND state = 'pending'",
                      row));
  return base::ok();
}

}  // namespace tocsin::state
