// What every StateStore must do with kept records, superseded messages, decisions, the audit trail
// and receipts. Include from a *_test.cc only; asked_store.h says how.
#pragma once

#include "tests/sim/state/state_store_suite.h"

namespace tocsin::incident {

inline DecisionRecord suite_decision(int seconds, std::string subject, std::string text) {
  DecisionRecord record;
  record.at = suite_time(seconds);
  record.subject = std::move(subject);
  record.reason = "silenced";
  record.text = std::move(text);
  return record;
}

inline std::string suite_decisions_of(const StoreUnderTest& test, StateStore& store,
                                      DecisionQuery query) {
  auto found = ask<std::vector<DecisionRecord>>(
      test.executor, [&](auto done) { store.decisions(query, test.executor, done); });
  REQUIRE(found);
  std::string texts;
  for (const DecisionRecord& record : *found) texts += record.text + " ";
  return texts;
}

inline void suite_records(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  // A text may hold anything; only its owner knows.
  const std::string odd = std::string("nul ") + '\0' + ", \xff and 'quotes'; DROP TABLE records;";
  change.records_upsert = {
      {"silence", "s1", "one"}, {"silence", "s2", odd}, {"override", "s1", ""}};
  REQUIRE(suite_commit(test, *store, change));
  StateChange second;
  second.records_upsert = {{"silence", "s1", "changed"}, {"silence", "gone", "x"}};
  second.records_delete = {{"override", "s1"}, {"silence", "gone"}, {"silence", "never there"}};
  REQUIRE(suite_commit(test, *store, second));
  store = &test.reopen();
  const LoadedState state = suite_load(test, *store, 0);
  REQUIRE(state.records.size() == 2);
  CHECK(state.records[0].kind == "silence");
  CHECK(state.records[0].key == "s1");
  CHECK(state.records[0].body == "changed");
  CHECK(state.records[1].body == odd);

  const auto refused = [&](KeptRecord record) {
    StateChange bad;
    bad.alerts_upsert = {{"side effect", "{}"}};
    bad.records_upsert = {std::move(record)};
    const auto result = suite_commit(test, *store, bad);
    return result ? std::string("taken") : std::string(base::to_string(result.error().code));
  };
  CHECK(refused({"Silence", "s", ""}) == "invalid_argument");
  CHECK(refused({"", "s", ""}) == "invalid_argument");
  CHECK(refused({"silence", "", ""}) == "invalid_argument");
  CHECK(refused({"silence", std::string(kKeptKeyBytesMax + 1, 'k'), ""}) == "limit_exceeded");
  CHECK(refused({"silence", "s", std::string(kKeptBodyBytesMax + 1, 'b')}) == "limit_exceeded");
  CHECK(suite_load(test, *store, 0).alerts.empty());
}

inline void suite_superseding(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    change.outbox.push_back(suite_notification("T-1001", sequence));
  }
  change.outbox.push_back(suite_notification("T-1002", 1));
  Notification other = suite_notification("T-1001", 1);
  other.channel = "mail";
  other.key = "of another channel";
  change.outbox.push_back(other);
  REQUIRE(suite_commit(test, *store, change));
  const DueRows before = suite_due(test, *store, 100);
  REQUIRE(before.rows.size() == 5);
  REQUIRE(ask<void>(test.executor, [&](auto done) {  // the first is on its way
    store->attempt_started(before.rows[0].id, 1, suite_time(5), test.executor, done);
  }));

  StateChange newer;
  newer.outbox_cancel = {{"T-1001", "oncall", "pager", 3, "replaced by message 3"}};
  REQUIRE(suite_commit(test, *store, newer));
  REQUIRE(suite_commit(test, *store, newer));
  store = &test.reopen();
  const DueRows after = suite_due(test, *store, 100);
  REQUIRE(after.rows.size() == 4);  // all but the second
  for (const OutboxRow& row : after.rows) CHECK(row.id != before.rows[1].id);
  const auto late = ask<void>(test.executor, [&](auto done) {
    store->attempt_started(before.rows[1].id, 1, suite_time(6), test.executor, done);
  });
  CHECK(late.error().code == base::ErrorCode::InvalidArgument);

  StateChange incident;
  incident.incidents_upsert = {suite_incident(1001, IncidentState::Open)};
  incident.outbox_cancel = {{"T-1001", "", "", 99, "merged"}};
  REQUIRE(suite_commit(test, *store, incident));
  CHECK(suite_due(test, *store, 100).rows.size() == 2);  // under way, and T-1002's
  const auto detail = ask<IncidentDetail>(
      test.executor, [&](auto done) { store->incident("T-1001", test.executor, done); });
  REQUIRE(detail);
  REQUIRE(detail->deliveries.size() == 4);
  CHECK(detail->deliveries[1].row.state == DeliveryState::Superseded);
  CHECK(detail->deliveries[1].row.note == "replaced by message 3");
  CHECK(detail->deliveries[3].row.note == "merged");
}

inline void suite_decisions(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange first;
  first.decisions = {suite_decision(1, "group a", "a1"), suite_decision(2, "group b", "b2")};
  first.decisions[1].fingerprint = "f00d";
  first.decisions[1].incident_id = "T-1";
  REQUIRE(suite_commit(test, *store, first));
  REQUIRE(suite_commit(test, *store, first));  // unknown outcome: the same again
  StateChange second;
  second.id = "step 2";
  second.decisions = {suite_decision(3, "group a", std::string(kLogTextBytesMax, 'x') + "tail")};
  second.decisions[0].fingerprint = "f00d";
  REQUIRE(suite_commit(test, *store, second));
  second.decisions[0].text = "another text of the same change";
  REQUIRE(suite_commit(test, *store, second));
  store = &test.reopen();
  const std::string cut = std::string(kLogTextBytesMax, 'x') + " ";
  const auto list = [&](DecisionQuery query) { return suite_decisions_of(test, *store, query); };
  DecisionQuery query;
  CHECK(list(query) == cut + "b2 a1 ");
  query.limit = 1;
  CHECK(list(query) == cut);
  query = {};
  query.subject = "group a";
  CHECK(list(query) == cut + "a1 ");
  query.to = suite_time(3);
  CHECK(list(query) == "a1 ");
  query = {};
  query.fingerprint = "f00d";
  CHECK(list(query) == cut + "b2 ");
  query.incident_id = "T-1";
  CHECK(list(query) == "b2 ");
  query = {};
  query.incident_id = "T-1";
  query.from = suite_time(2);
  CHECK(list(query) == "b2 ");
  query.from = suite_time(3);
  CHECK(list(query) == "");

  REQUIRE(ask<std::uint64_t>(test.executor, [&](auto done) {
    store->prune(suite_time(0), suite_time(2), test.executor, done);
  }));
  CHECK(list({}) == cut + "b2 ");
}

inline void suite_audit(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  const auto verify = [&] {
    auto verdict = ask<AuditVerdict>(test.executor,
                                     [&](auto done) { store->verify_audit(test.executor, done); });
    REQUIRE(verdict);
    return *verdict;
  };
  CHECK(verify().rows == 0);
  StateChange first;
  first.audit = {{suite_time(1), "ann", "api", "acknowledge", "T-1", "looking"},
                 {suite_time(1), "ann", "api", "comment", "T-1",
                  "gr\xc3\xb6\xc3\x9f"
                  "er"}};
  StateChange second;
  second.audit = {{suite_time(2), "bob", "cli", "silence.create", "silence:7", ""}};
  REQUIRE(suite_commit(test, *store, first));
  REQUIRE(suite_commit(test, *store, second));
  REQUIRE(suite_commit(test, *store, first));  // twice is once, even later
  store = &test.reopen();
  const auto list = [&](AuditQuery query) {
    auto found = ask<std::vector<StoredAudit>>(
        test.executor, [&](auto done) { store->audit(query, test.executor, done); });
    REQUIRE(found);
    return *found;
  };
  const auto all = list({});
  REQUIRE(all.size() == 3);
  CHECK(all[0].number == 3);
  CHECK(all[0].record.action == "silence.create");
  CHECK(all[2].hash == audit_hash("", 1, first.audit[0]));
  CHECK(all[1].hash == audit_hash(all[2].hash, 2, first.audit[1]));
  AuditQuery query;
  query.object = "T-1";
  CHECK(list(query).size() == 2);
  query.number_below = 2;
  CHECK(list(query).size() == 1);
  query = {};
  query.actor = "bob";
  CHECK(list(query).size() == 1);
  query.to = suite_time(2);
  CHECK(list(query).empty());
  const AuditVerdict verdict = verify();
  CHECK(verdict.rows == 3);
  CHECK(!verdict.first_broken);
}

inline void suite_receipts(const StoreUnderTest& test) {
  StateStore* store = &test.reopen();
  StateChange change;
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
    change.outbox.push_back(suite_notification("T-1001", sequence));
  }
  change.incidents_upsert = {suite_incident(1001, IncidentState::Open)};
  REQUIRE(suite_commit(test, *store, change));
  const DueRows rows = suite_due(test, *store, 100);
  REQUIRE(rows.rows.size() == 4);
  const auto deliver = [&](const OutboxRow& row, std::uint32_t attempt, DeliveryState state,
                           std::string receipt) {
    REQUIRE(ask<void>(test.executor, [&](auto done) {
      store->attempt_started(row.id, attempt, suite_time(5), test.executor, done);
    }));
    const AttemptResult result{row.id,        attempt,           state, suite_time(50),
                               suite_time(6), base::Duration{1}, "ok",  std::move(receipt)};
    REQUIRE(ask<void>(test.executor,
                      [&](auto done) { store->attempt_finished(result, test.executor, done); }));
  };
  deliver(rows.rows[0], 1, DeliveryState::Delivered, "ts=1.5");
  deliver(rows.rows[1], 1, DeliveryState::Pending, "first half");
  deliver(rows.rows[1], 2, DeliveryState::Delivered, "");  // what is known stays
  deliver(rows.rows[2], 1, DeliveryState::Delivered, "");
  deliver(rows.rows[3], 1, DeliveryState::Delivered, std::string(kReceiptBytesMax + 1, 'r'));
  store = &test.reopen();
  const auto list = [&](ReceiptQuery query) {
    auto found = ask<std::vector<Receipt>>(
        test.executor, [&](auto done) { store->receipts(query, test.executor, done); });
    REQUIRE(found);
    std::string text;
    for (const Receipt& one : *found) {
      text += one.receiver + "/" + one.channel + " " + std::to_string(one.sequence) + " " +
              one.receipt + ";";
    }
    return text;
  };
  const std::string both = "oncall/pager 1 ts=1.5;oncall/pager 2 first half;";
  CHECK(list({"T-1001", "oncall", "pager"}) == both);
  CHECK(list({"T-1001", "", ""}) == both);
  CHECK(list({"T-1001", "oncall", "mail"}) == "");
  CHECK(list({"T-1002", "", ""}) == "");
  const auto detail = ask<IncidentDetail>(
      test.executor, [&](auto done) { store->incident("T-1001", test.executor, done); });
  REQUIRE(detail);
  CHECK(detail->deliveries[0].row.receipt == "ts=1.5");
  CHECK(detail->deliveries[3].attempts[0].text ==
        "ok (receipt of 2049 bytes left out, limit 2048)");
}

}  // namespace tocsin::incident
