// A state store asked in a test, what is put into it, and what is due in it.
//
// Include from a *_test.cc only. `reopen` closes the store, if open, and opens it again over the
// same durable data; all executors of the store must run on `executor`.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/state_store.h"
#include "common/base/sim_executor.h"

namespace tocsin::incident {

struct StoreUnderTest {
  base::SimExecutor& executor;
  std::function<StateStore&()> reopen;
};

/// Calls the store and runs until it has answered.
template <class T, class Call>
base::Result<T> ask(base::SimExecutor& executor, Call call) {
  std::optional<base::Result<T>> answer;
  call([&answer](base::Result<T> result) { answer = std::move(result); });
  CHECK_MESSAGE(!answer, "answered inside the call");
  executor.run_ready();
  REQUIRE_MESSAGE(answer.has_value(), "no answer");
  return std::move(*answer);
}

inline base::WallTime suite_time(int seconds) {
  return base::wall_time(1'700'000'000'000 + seconds * 1000);
}

inline IncidentRecord suite_incident(std::int64_t number, IncidentState state) {
  IncidentRecord record;
  record.number = number;
  record.id = "T-" + std::to_string(number);
  record.group_key = "root:{alertname=\"A\"}";
  record.title = "it's \"bad\"; DROP TABLE incidents; --";
  record.state = state;
  record.severity = model::Severity::High;
  record.peak_severity = model::Severity::Critical;
  record.opened_at = suite_time(1);
  record.updated_at = suite_time(2);
  if (state == IncidentState::Resolved) record.resolved_at = suite_time(static_cast<int>(number));
  record.body = "{}";
  return record;
}

inline Notification suite_notification(const std::string& incident_id, std::uint64_t sequence) {
  Notification notification;
  notification.incident.id = incident_id;
  notification.incident.opened_at = suite_time(1);
  notification.sequence = sequence;
  notification.receiver = "oncall";
  notification.channel = "pager";
  notification.created_at = suite_time(static_cast<int>(sequence));
  notification.key = delivery_key(incident_id, "oncall", "pager", notification.kind, sequence);
  return notification;
}

inline base::Result<void> suite_commit(const StoreUnderTest& test, StateStore& store,
                                       StateChange change) {
  return ask<void>(test.executor,
                   [&](Done<void> done) { store.commit(change, test.executor, done); });
}

inline std::vector<WaitingRow> suite_pending_after(const StoreUnderTest& test, StateStore& store,
                                                   std::int64_t after_id, std::size_t limit) {
  auto rows = ask<std::vector<WaitingRow>>(
      test.executor, [&](auto done) { store.pending_after(after_id, limit, test.executor, done); });
  REQUIRE(rows);
  return std::move(*rows);
}

/// Rows of the outbox that are due, with their messages.
struct DueRows {
  std::vector<OutboxRow> rows;
  std::optional<base::WallTime> next_due;  ///< Earliest pending row that is not due yet.
};

inline DueRows suite_due(const StoreUnderTest& test, StateStore& store, int seconds) {
  DueRows due;
  for (const WaitingRow& row : suite_pending_after(test, store, 0, 100)) {
    if (row.due > suite_time(seconds)) {
      due.next_due = std::min(due.next_due.value_or(row.due), row.due);
      continue;
    }
    const auto message = notification_from_bytes(row.message);
    REQUIRE(message);
    OutboxRow& found = due.rows.emplace_back();
    found.id = row.id;
    found.notification = *message;
    found.attempts = row.attempts;
    found.outcome_unknown = row.outcome_unknown;
    found.due = row.due;
  }
  return due;
}

inline LoadedState suite_load(const StoreUnderTest& test, StateStore& store, int resolved_since) {
  auto state = ask<LoadedState>(test.executor, [&](Done<LoadedState> done) {
    store.load(suite_time(resolved_since), test.executor, done);
  });
  REQUIRE(state);
  return *state;
}

}  // namespace tocsin::incident
