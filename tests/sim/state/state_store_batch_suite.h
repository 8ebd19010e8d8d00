// What every StateStore must do with the notifier's batches and its reading of the outbox in order
// of commit. Include from a *_test.cc only; asked_store.h says how.
#pragma once

#include "tests/sim/state/state_store_suite.h"

namespace tocsin::incident {

inline DeliveryBatchOutcome suite_record(const StoreUnderTest& test, StateStore& store,
                                         const DeliveryBatch& batch) {
  auto outcome = ask<DeliveryBatchOutcome>(
      test.executor, [&](auto done) { store.record(batch, test.executor, done); });
  REQUIRE(outcome);
  REQUIRE(outcome->settled.size() == batch.settled.size());
  REQUIRE(outcome->started.size() == batch.started.size());
  REQUIRE(outcome->finished.size() == batch.finished.size());
  return std::move(*outcome);
}

inline void suite_batches(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
    change.outbox.push_back(suite_notification("T-1001", sequence));
  }
  change.incidents_upsert = {suite_incident(1001, IncidentState::Open)};
  REQUIRE(suite_commit(test, *store, change));

  // In order of commit, due or not, from a place on.
  const auto all = suite_pending_after(test, *store, 0, 10);
  REQUIRE(all.size() == 4);
  CHECK(suite_pending_after(test, *store, 0, 2).size() == 2);
  const auto later = suite_pending_after(test, *store, all[1].id, 10);
  REQUIRE(later.size() == 2);
  CHECK(later[0].id == all[2].id);

  // Errors of single rows hinder no other.
  DeliveryBatch batch;
  batch.settled = {{all[0].id, DeliveryState::Superseded, "superseded by message 2"},
                   {999'999, DeliveryState::Superseded, "no such row"}};
  batch.started = {
      {all[1].id, 1, suite_time(5)}, {999'999, 1, suite_time(5)}, {all[2].id, 1, suite_time(5)}};
  AttemptResult delivered;
  delivered.row_id = all[1].id;
  delivered.attempt = 1;
  delivered.state = DeliveryState::Delivered;
  delivered.finished_at = suite_time(6);
  delivered.text = "taken";
  delivered.receipt = "1712.1";
  AttemptResult unknown = delivered;
  unknown.row_id = all[3].id;
  batch.finished = {delivered, unknown};
  batch.outbox = {suite_notification("T-1001", 5)};
  const DeliveryBatchOutcome outcome = suite_record(test, *store, batch);
  CHECK(outcome.settled[0]);
  CHECK(outcome.settled[1].error().code == base::ErrorCode::NotFound);
  CHECK(outcome.started[0]);
  CHECK(outcome.started[1].error().code == base::ErrorCode::NotFound);
  CHECK(outcome.started[2]);
  CHECK(outcome.finished[0]);
  CHECK(outcome.finished[1].error().code == base::ErrorCode::NotFound);

  store = &test.reopen();
  const auto left = suite_pending_after(test, *store, 0, 10);
  REQUIRE(left.size() == 3);
  CHECK(left[0].id == all[2].id);
  CHECK(left[0].outcome_unknown);
  CHECK(left[0].attempts == 1);
  CHECK(left[1].id == all[3].id);
  CHECK(left[2].head.sequence == 5);
  CHECK(to_json(notification_from_bytes(left[2].message).value()) == to_json(batch.outbox[0]));

  // The same again: what was written stays as it is.
  DeliveryBatch again;
  again.settled = {batch.settled[0], {all[1].id, DeliveryState::Dead, "too late"}};
  again.finished = {delivered};
  again.outbox = batch.outbox;
  const DeliveryBatchOutcome repeated = suite_record(test, *store, again);
  CHECK(repeated.settled[0]);
  CHECK(repeated.settled[1].error().code == base::ErrorCode::InvalidArgument);
  CHECK(repeated.finished[0]);
  CHECK(suite_pending_after(test, *store, 0, 10).size() == 3);

  const auto detail = ask<IncidentDetail>(
      test.executor, [&](auto done) { store->incident("T-1001", test.executor, done); });
  REQUIRE(detail);
  REQUIRE(detail->deliveries.size() == 5);
  CHECK(detail->deliveries[0].row.state == DeliveryState::Superseded);
  CHECK(detail->deliveries[0].row.note == "superseded by message 2");
  CHECK(detail->deliveries[0].row.attempts == 0);
  CHECK(detail->deliveries[1].row.state == DeliveryState::Delivered);
  CHECK(detail->deliveries[1].row.receipt == "1712.1");
  REQUIRE(detail->deliveries[1].attempts.size() == 1);
  CHECK(detail->deliveries[1].attempts[0].outcome == "delivered");
}

/// An attempt that was begun and did not take place: the next one has its number.
inline void suite_called_back(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  change.outbox = {suite_notification("T-1001", 1)};
  change.incidents_upsert = {suite_incident(1001, IncidentState::Open)};
  REQUIRE(suite_commit(test, *store, change));
  const std::int64_t row = suite_pending_after(test, *store, 0, 10).at(0).id;
  AttemptResult result;
  result.row_id = row;
  const auto begin_and_end = [&](std::uint32_t attempt, int at) {
    DeliveryBatch begun;
    begun.started = {{row, attempt, suite_time(at)}};
    REQUIRE(suite_record(test, *store, begun).started[0]);
    result.attempt = attempt;
    result.next_due = suite_time(at + 1);
    result.finished_at = suite_time(at + 1);
    DeliveryBatch ended;
    ended.finished = {result};
    REQUIRE(suite_record(test, *store, ended).finished[0]);
  };
  result.text = "not sent: the channel fails";
  begin_and_end(1, 5);
  store = &test.reopen();
  const auto waiting = suite_pending_after(test, *store, 0, 10);
  REQUIRE(waiting.size() == 1);
  CHECK_FALSE(waiting[0].outcome_unknown);
  CHECK(waiting[0].attempts == 1);
  result.text = "HTTP 503";
  begin_and_end(1, 10);
  result.text = "not sent: the channel fails";
  begin_and_end(2, 20);
  result.state = DeliveryState::Delivered;
  result.text = "HTTP 200";
  begin_and_end(2, 30);
  store = &test.reopen();
  CHECK(suite_pending_after(test, *store, 0, 10).empty());
  const auto detail = ask<IncidentDetail>(
      test.executor, [&](auto done) { store->incident("T-1001", test.executor, done); });
  REQUIRE(detail);
  const DeliveryRecord& told = detail->deliveries.at(0);
  CHECK(told.row.attempts == 2);
  REQUIRE(told.attempts.size() == 2);
  CHECK(told.attempts[0].text == "HTTP 503");
  CHECK(told.attempts[0].started_at == suite_time(10));
  CHECK(told.attempts[1].text == "HTTP 200");
  CHECK(told.attempts[1].outcome == "delivered");
}

}  // namespace tocsin::incident
