// The queries about attempts: one for each, and many in one transaction.

#include <fmt/format.h>

#include "alertd/state/columns.h"
#include "alertd/state/state_tables.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using incident::AttemptResult;
using incident::DeliveryBatch;
using incident::DeliveryBatchOutcome;
using incident::DeliveryState;

namespace {

// An error that is about this row only: nothing was written for it, and the others go on.
bool about_one_row(const base::Error& error) {
  return error.code == ErrorCode::NotFound || error.code == ErrorCode::InvalidArgument;
}

base::Error no_row(std::int64_t row_id) {
  return base::error(ErrorCode::NotFound, fmt::format("there is no outbox row {}", row_id));
}

base::Error finished_row(std::int64_t row_id) {
  return base::error(ErrorCode::InvalidArgument, fmt::format("outbox row {} is finished", row_id));
}

}  // namespace

Result<void> StateTables::attempt_started(std::int64_t row_id, std::uint32_t attempt, WallTime at) {
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(start_attempt(row_id, attempt, at));
  return transaction.commit();
}

Result<void> StateTables::attempt_finished(const AttemptResult& result) {
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(finish_attempt(result));
  return transaction.commit();
}

Result<DeliveryBatchOutcome> StateTables::record(const DeliveryBatch& batch) {
  DeliveryBatchOutcome outcome;
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  const auto note = [](std::vector<Result<void>>& results, Result<void> result) -> Result<void> {
    if (!result && !about_one_row(result.error())) return result;
    results.push_back(std::move(result));
    return base::ok();
  };
  for (const incident::SettledRow& row : batch.settled) {
    TC_TRY(note(outcome.settled, settle(row)));
  }
  for (const incident::AttemptStart& start : batch.started) {
    TC_TRY(note(outcome.started, start_attempt(start.row_id, start.attempt, start.at)));
  }
  for (const AttemptResult& result : batch.finished) {
    TC_TRY(note(outcome.finished, finish_attempt(result)));
  }
  for (const incident::Notification& notification : batch.outbox) TC_TRY(fresh_.add(notification));
  TC_TRY(transaction.commit());
  return outcome;
}

Result<void> StateTables::settle(const incident::SettledRow& row) {
  TC_TRY(fresh_.out(row.row_id));
  Statement query = database_.statement("SELECT state FROM outbox WHERE id = ?");
  query.integer(row.row_id);
  TC_TRY(const bool found, query.next());
  if (!found) return no_row(row.row_id);
  if (query.text_at(0) == to_string(row.state)) return base::ok();
  if (query.text_at(0) != to_string(DeliveryState::Pending)) return finished_row(row.row_id);
  Statement update = database_.statement(
      "UPDATE outbox SET state = ?, outcome_unknown = 0, note = ? WHERE id = ?");
  update.text(to_string(row.state)).text(incident::clipped(row.text, incident::kAttemptTextMax));
  return update.integer(row.row_id).run();
}

Result<void> StateTables::start_attempt(std::int64_t row_id, std::uint32_t attempt, WallTime at) {
  if (attempt == 1 && fresh_.start(row_id, at)) return base::ok();
  TC_TRY(fresh_.out(row_id));
  {
    // The first attempt has its columns in the row, which changes anyway.
    Statement update = database_.statement(
        attempt == 1 ? "UPDATE outbox SET attempts = max(attempts, ?1), outcome_unknown = 1,"
                       " started_ms = ?3, finished_ms = NULL, latency_ms = 0, outcome = '',"
                       " text = '' WHERE id = ?2 AND state = 'pending'"
                     : "UPDATE outbox SET attempts = max(attempts, ?1), outcome_unknown = 1"
                       " WHERE id = ?2 AND state = 'pending'");
    update.integer(attempt).integer(row_id);
    if (attempt == 1) update.integer(base::to_ms(at));
    TC_TRY(update.run());
  }
  if (database_.changes() == 0) {
    Statement query = database_.statement("SELECT state FROM outbox WHERE id = ?");
    query.integer(row_id);
    TC_TRY(const bool found, query.next());
    return found ? finished_row(row_id) : no_row(row_id);
  }
  if (attempt == 1) return base::ok();
  Statement insert =
      database_.statement("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, NULL, 0, '', '')");
  return insert.integer(row_id).integer(attempt).integer(base::to_ms(at)).run();
}

Result<void> StateTables::finish_attempt(const AttemptResult& result) {
  if (result.attempt == 1) {
    TC_TRY(const bool written, fresh_.finish(result));
    if (written) return base::ok();
  }
  TC_TRY(fresh_.out(result.row_id));
  if (result.attempt == 1) {
    TC_TRY(const bool finished, finish_first(result));
    if (finished) return base::ok();
  }
  {
    Statement update = database_.statement(
        "UPDATE attempts SET finished_ms = ?, latency_ms = ?, outcome = ?, text = ?"
        " WHERE row_id = ? AND attempt = ?");
    update.integer(base::to_ms(result.finished_at)).integer(result.latency.count());
    update.text(incident::attempt_outcome(result.state));
    update.text(incident::attempt_text(result));
    TC_TRY(update.integer(result.row_id).integer(result.attempt).run());
    if (database_.changes() == 0) {
      return base::error(ErrorCode::NotFound, fmt::format("outbox row {} has no attempt {}",
                                                          result.row_id, result.attempt));
    }
  }
  Statement update = database_.statement(
      "UPDATE outbox SET state = ?1, outcome_unknown = 0,"
      " due_ms = CASE WHEN ?1 = 'pending' THEN ?2 ELSE due_ms END,"
      " receipt = CASE WHEN ?4 = '' THEN receipt ELSE ?4 END"
      " WHERE id = ?3 AND state = 'pending'");
  update.text(to_string(result.state)).integer(base::to_ms(result.next_due));
  update.integer(result.row_id).text(incident::kept_receipt(result));
  return update.run();
}

// Returns whether the row has its first attempt; one that an older release began has it elsewhere.
Result<bool> StateTables::finish_first(const AttemptResult& result) {
  {
    Statement update = database_.statement(
        "UPDATE outbox SET state = ?1, outcome_unknown = 0,"
        " due_ms = CASE WHEN ?1 = 'pending' THEN ?2 ELSE due_ms END,"
        " receipt = CASE WHEN ?4 = '' THEN receipt ELSE ?4 END,"
        " finished_ms = ?5, latency_ms = ?6, outcome = ?7, text = ?8"
        " WHERE id = ?3 AND state = 'pending' AND started_ms IS NOT NULL");
    update.text(to_string(result.state)).integer(base::to_ms(result.next_due));
    update.integer(result.row_id).text(incident::kept_receipt(result));
    update.integer(base::to_ms(result.finished_at)).integer(result.latency.count());
    update.text(incident::attempt_outcome(result.state));
    TC_TRY(update.text(incident::attempt_text(result)).run());
    if (database_.changes() > 0) return true;
  }
  // The row is finished: a late answer changes the attempt only.
  Statement update = database_.statement(
      "UPDATE outbox SET finished_ms = ?2, latency_ms = ?3, outcome = ?4, text = ?5"
      " WHERE id = ?1 AND started_ms IS NOT NULL");
  update.integer(result.row_id).integer(base::to_ms(result.finished_at));
  update.integer(result.latency.count()).text(incident::attempt_outcome(result.state));
  TC_TRY(update.text(incident::attempt_text(result)).run());
  return database_.changes() > 0;
}

Result<void> StateTables::add_attempts(incident::DeliveryRecord& delivery) {
  Statement query = database_.statement(
      "SELECT attempt, started_ms, finished_ms, latency_ms, outcome, text FROM attempts"
      " WHERE row_id = ? ORDER BY attempt");
  query.integer(delivery.row.id);
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) return base::ok();
    incident::AttemptRecord attempt;
    attempt.attempt = static_cast<std::uint32_t>(query.integer_at(0));
    if (attempt.attempt == 1 && !delivery.attempts.empty()) continue;
    attempt.started_at = base::wall_time(query.integer_at(1));
    attempt.finished_at = to_time(query.optional_integer_at(2));
    attempt.latency = base::Duration{query.integer_at(3)};
    attempt.outcome = query.text_at(4);
    attempt.text = query.text_at(5);
    delivery.attempts.push_back(std::move(attempt));
  }
}

}  // namespace tocsin::state
