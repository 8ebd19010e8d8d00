// What every StateStore must do: one suite, run against the fake, SQLite and PostgreSQL. Include
// from a *_test.cc only.
#pragma once

#include "tests/sim/state/asked_store.h"

namespace tocsin::incident {

inline void suite_state_survives(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  CHECK(suite_load(test, *store, 0).alerts.empty());
  StateChange change;
  change.alerts_upsert = {{"a", "one"}, {"b", "two"}};
  change.groups_upsert = {{"g'1", "{}"}};
  change.incidents_upsert = {suite_incident(1001, IncidentState::Open),
                             suite_incident(1002, IncidentState::Resolved)};
  REQUIRE(suite_commit(test, *store, change));
  StateChange second;
  second.alerts_upsert = {{"a", "changed"}};
  second.alerts_delete = {"b", "never there"};
  REQUIRE(suite_commit(test, *store, second));
  store = &test.reopen();
  const LoadedState state = suite_load(test, *store, 2000);
  REQUIRE(state.alerts.size() == 1);
  CHECK(state.alerts[0].body == "changed");
  REQUIRE(state.groups.size() == 1);
  CHECK(state.groups[0].key == "g'1");
  REQUIRE(state.incidents.size() == 1);  // 1002 was resolved at 1002 s, before 2000 s
  CHECK(state.incidents[0].id == "T-1001");
  CHECK(state.incidents[0].title == suite_incident(1001, IncidentState::Open).title);
  CHECK(state.incidents[0].peak_severity == model::Severity::Critical);
  CHECK(!state.incidents[0].resolved_at);
  CHECK(state.last_incident_number == 1002);
  CHECK(suite_load(test, *store, 1002).incidents.size() == 2);
}

inline void suite_outbox(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  change.outbox = {suite_notification("T-1001", 1), suite_notification("T-1001", 2),
                   suite_notification("T-1001", 9)};
  REQUIRE(suite_commit(test, *store, change));
  REQUIRE(suite_commit(test, *store, change));  // unknown outcome: the same again
  DueRows rows = suite_due(test, *store, 5);
  REQUIRE(rows.rows.size() == 2);
  CHECK(rows.rows[0].notification.sequence == 1);
  CHECK(rows.rows[0].id < rows.rows[1].id);
  CHECK(rows.next_due == suite_time(9));

  const std::int64_t id = rows.rows[0].id;
  const auto start = [&](std::int64_t row, std::uint32_t attempt) {
    return ask<void>(test.executor, [&](Done<void> done) {
      store->attempt_started(row, attempt, suite_time(5), test.executor, done);
    });
  };
  const auto finish = [&](AttemptResult result) {
    return ask<void>(test.executor, [&](Done<void> done) {
      store->attempt_finished(result, test.executor, done);
    });
  };
  CHECK(start(999'999, 1).error().code == base::ErrorCode::NotFound);
  CHECK(finish({id, 1, DeliveryState::Dead, {}, suite_time(6), base::Duration{0}, "", ""})
            .error()
            .code == base::ErrorCode::NotFound);
  REQUIRE(start(id, 1));
  store = &test.reopen();  // dies while sending
  rows = suite_due(test, *store, 5);
  REQUIRE(rows.rows.size() == 2);
  CHECK(rows.rows[0].outcome_unknown);
  CHECK(rows.rows[0].attempts == 1);
  REQUIRE(start(id, 2));
  REQUIRE(finish({id, 2, DeliveryState::Pending, suite_time(30), suite_time(6), base::Duration{40},
                  std::string(5000, 'x'), ""}));
  rows = suite_due(test, *store, 8);
  REQUIRE(rows.rows.size() == 1);
  REQUIRE(start(id, 3));
  const AttemptResult delivered{
      id, 3, DeliveryState::Delivered, {}, suite_time(31), base::Duration{7}, "ok", ""};
  REQUIRE(finish(delivered));
  REQUIRE(finish(delivered));  // twice is once
  AttemptResult late = delivered;
  late.attempt = 2, late.state = DeliveryState::Pending;  // an answer after it was given up
  REQUIRE(finish(late));
  CHECK(start(id, 4).error().code == base::ErrorCode::InvalidArgument);
  CHECK(suite_due(test, *store, 100).rows.size() == 2);
}

inline void suite_queries(const StoreUnderTest& test) {
  StateStore& store = test.reopen();
  StateChange change;
  change.incidents_upsert = {suite_incident(1001, IncidentState::Resolved),
                             suite_incident(1002, IncidentState::Open),
                             suite_incident(1003, IncidentState::Acknowledged)};
  change.events = {{"T-1002", 2, suite_time(2), "comment", "ann", "looking"},
                   {"T-1002", 1, suite_time(1), "opened", "", "high"}};
  change.outbox = {suite_notification("T-1002", 1), suite_notification("T-1001", 1)};
  REQUIRE(suite_commit(test, store, change));
  const auto list = [&](IncidentQuery query) {
    auto found = ask<std::vector<IncidentRecord>>(
        test.executor, [&](auto done) { store.incidents(query, test.executor, done); });
    REQUIRE(found);
    std::string ids;
    for (const IncidentRecord& record : *found) ids += record.id + " ";
    return ids;
  };
  IncidentQuery query;
  CHECK(list(query) == "T-1003 T-1002 T-1001 ");
  query.limit = 1;
  CHECK(list(query) == "T-1003 ");
  query.number_below = 1003;
  CHECK(list(query) == "T-1002 ");
  query = {};
  query.unresolved_only = true;
  CHECK(list(query) == "T-1003 T-1002 ");
  query.state = IncidentState::Open;
  CHECK(list(query) == "T-1002 ");
  query = {};
  query.severity = model::Severity::Low;
  CHECK(list(query) == "");

  const auto detail_of = [&](const std::string& id) {
    return ask<IncidentDetail>(test.executor,
                               [&](auto done) { store.incident(id, test.executor, done); });
  };
  const auto detail = detail_of("T-1002");
  REQUIRE(detail);
  REQUIRE(detail->timeline.size() == 2);
  CHECK(detail->timeline[0].kind == "opened");
  CHECK(detail->timeline[1].actor == "ann");
  REQUIRE(detail->deliveries.size() == 1);
  CHECK(detail->deliveries[0].row.notification.channel == "pager");
  CHECK(detail->deliveries[0].attempts.empty());
  CHECK(detail_of("T-7").error().code == base::ErrorCode::NotFound);

  const auto prune = [&](int seconds) {
    auto pruned = ask<std::uint64_t>(test.executor, [&](auto done) {
      store.prune(suite_time(seconds), suite_time(0), test.executor, done);
    });
    REQUIRE(pruned);
    return *pruned;
  };
  CHECK(prune(1001) == 0);  // resolved at 1001 s, exclusive
  CHECK(prune(1002) == 1);
  CHECK(detail_of("T-1001").error().code == base::ErrorCode::NotFound);
  // Its unsent message is still to be sent; it goes with the prune after that.
  const DueRows rows = suite_due(test, store, 100);
  REQUIRE(rows.rows.size() == 2);
  for (const OutboxRow& row : rows.rows) {
    REQUIRE(ask<void>(test.executor, [&](auto done) {
      store.attempt_started(row.id, 1, suite_time(101), test.executor, done);
    }));
    const AttemptResult result{row.id, 1, DeliveryState::Delivered, {}, {}, base::Duration{1},
                               "",     ""};
    REQUIRE(ask<void>(test.executor,
                      [&](auto done) { store.attempt_finished(result, test.executor, done); }));
  }
  CHECK(prune(1002) == 0);
  const auto again = [&](const OutboxRow& row) {  // finished rows answer otherwise than gone ones
    return ask<void>(test.executor, [&](auto done) {
      store.attempt_started(row.id, 2, suite_time(102), test.executor, done);
    });
  };
  CHECK(again(rows.rows[0]).error().code == base::ErrorCode::InvalidArgument);  // of T-1002
  CHECK(again(rows.rows[1]).error().code == base::ErrorCode::NotFound);         // of T-1001
  CHECK(suite_load(test, store, 0).last_incident_number == 1003);
}

}  // namespace tocsin::incident
