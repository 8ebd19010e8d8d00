// What lies in blocks: many lines, few lines, failed transactions, damage, and older releases'
// rows.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/state/test_support.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin::state {
namespace {

using incident::DecisionRecord;
using incident::StateChange;
using incident::suite_incident;
using incident::suite_notification;
using incident::suite_time;

struct HistoryFile : test::StateFile {
  std::string texts(const incident::DecisionQuery& query) {
    const auto found = tables->decisions(query);
    REQUIRE_MESSAGE(found, found);
    std::string all;
    for (const DecisionRecord& record : *found) all += record.text + " ";
    return all;
  }
};

DecisionRecord decision(int seconds, std::string subject, std::string text) {
  DecisionRecord record;
  record.at = suite_time(seconds);
  record.subject = std::move(subject);
  record.text = std::move(text);
  return record;
}

/// A step of a storm: each incident opens, is decided about and told of.
StateChange storm(std::int64_t first, int incidents, const std::string& filling) {
  StateChange change;
  change.id = std::to_string(first);
  for (std::int64_t number = first; number < first + incidents; ++number) {
    const std::string id = "T-" + std::to_string(number);
    change.incidents_upsert.push_back(suite_incident(number, incident::IncidentState::Open));
    for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
      change.events.push_back({id, sequence, suite_time(1), "kind", "", id + filling});
    }
    auto record = decision(static_cast<int>(number), "subject of " + id, "of-" + id);
    record.fingerprint = "fingerprint of " + id;
    record.incident_id = id;
    record.reason = filling;
    change.decisions.push_back(std::move(record));
    change.outbox.push_back(suite_notification(id, 1));
    change.outbox.back().words = filling;
  }
  return change;
}

}  // namespace

TEST_CASE("history: a storm fills many blocks, and each line is found") {
  HistoryFile file;
  const std::string filling(500, 'x');
  REQUIRE(file.tables->commit(storm(1001, 300, filling)));
  REQUIRE(file.tables->commit(storm(1301, 300, filling)));
  REQUIRE(file.tables->commit(storm(1301, 300, filling)));  // the same again
  file.crash();
  CHECK(file.number("SELECT count(*) FROM event_blocks") > 10);
  CHECK(file.number("SELECT count(*) FROM decision_blocks") > 5);
  CHECK(file.number("SELECT count(*) FROM message_blocks") > 5);
  CHECK(file.number("SELECT sum(count) FROM decision_blocks") == 600);
  CHECK(file.number("SELECT sum(count) FROM message_blocks") == 600);
  CHECK(file.number("SELECT max(length(body)) FROM event_blocks") < 70'000);
  for (const char* id : {"T-1001", "T-1300", "T-1301", "T-1600", "T-1444"}) {
    const auto detail = file.tables->incident(id);
    REQUIRE_MESSAGE(detail, detail);
    REQUIRE(detail->timeline.size() == 3);
    CHECK(detail->timeline[2].sequence == 3);
    CHECK(detail->timeline[2].text == id + filling);
    REQUIRE(detail->deliveries.size() == 1);
    CHECK(detail->deliveries[0].row.notification.incident.id == id);
    incident::DecisionQuery query;
    query.subject = "subject of " + std::string(id);
    CHECK(file.texts(query) == "of-" + std::string(id) + " ");
    query = {};
    query.fingerprint = "fingerprint of " + std::string(id);
    CHECK(file.texts(query) == "of-" + std::string(id) + " ");
    query = {};
    query.incident_id = id;
    CHECK(file.texts(query) == "of-" + std::string(id) + " ");
  }
  incident::DecisionQuery newest;
  newest.limit = 2;
  CHECK(file.texts(newest) == "of-T-1600 of-T-1599 ");
  newest.to = suite_time(1301);
  CHECK(file.texts(newest) == "of-T-1300 of-T-1299 ");
  const auto rows = file.tables->pending_after(0, 1000);
  REQUIRE_MESSAGE(rows, rows);
  REQUIRE(rows->size() == 600);
  for (std::size_t i = 0; i < rows->size(); ++i) {
    CHECK(rows->at(i).head.incident_id == "T-" + std::to_string(1001 + i));
  }
  CHECK(file.tables->pending_after(rows->at(399).id, 1)->at(0).id == rows->at(400).id);
}

TEST_CASE("history: small changes go on in one block") {
  HistoryFile file;
  for (int number = 1001; number <= 1020; ++number) {
    REQUIRE(file.tables->commit(storm(number, 1, "x")));
    if (number % 7 == 0) file.crash();
  }
  CHECK(file.number("SELECT count(*) FROM event_blocks") == 1);
  CHECK(file.number("SELECT count(*) FROM decision_blocks") == 1);
  CHECK(file.number("SELECT count(*) FROM message_blocks") == 1);
  CHECK(file.number("SELECT last - first FROM event_blocks") == 19);
  CHECK(file.tables->incident("T-1007")->timeline.size() == 3);
  CHECK(file.tables->pending_after(0, 100)->size() == 20);
}

TEST_CASE("history: nothing of a failed change is left in memory") {
  HistoryFile file;
  REQUIRE(file.tables->commit(storm(1001, 1, "x")));
  for (const char* what : {"UPDATE ON message_blocks", "UPDATE ON event_blocks",
                           "UPDATE ON incident_log", "INSERT ON alert_log"}) {
    const std::string trigger = fmt::format(
        "CREATE TRIGGER full BEFORE {} BEGIN SELECT raise(ABORT, 'no room'); END", what);
    REQUIRE(file.database->execute(trigger.c_str()));
    StateChange change = storm(1002, 1, "x");
    change.alerts_upsert = {{"a", "{}"}};
    CHECK(!file.tables->commit(change));
    REQUIRE(file.database->execute("DROP TRIGGER full"));
    CHECK(file.number("SELECT sum(count) FROM decision_blocks") == 1);
  }
  StateChange change = storm(1002, 1, "x");
  change.alerts_upsert = {{"a", "{}"}};
  REQUIRE(file.tables->commit(change));
  CHECK(file.number("SELECT count FROM decision_blocks") == 2);
  CHECK(file.number("SELECT count FROM event_blocks") == 6);
  CHECK(file.tables->load(base::wall_time(0))->alerts.size() == 1);
  CHECK(file.tables->pending_after(0, 100)->size() == 2);
  REQUIRE(file.tables->commit(change));
  CHECK(file.tables->load(base::wall_time(0))->alerts.size() == 1);
}

TEST_CASE("history: what is over goes, and what goes on stays") {
  HistoryFile file;
  StateChange change = storm(1001, 2, "x");
  change.incidents_upsert[0] = suite_incident(1001, incident::IncidentState::Resolved);
  change.decisions = {decision(1, "s", "old"), decision(50, "s", "new"), decision(2, "s", "late")};
  REQUIRE(file.tables->commit(change));
  for (std::int64_t row = 1; row <= 2; ++row) {
    REQUIRE(file.tables->attempt_started(row, 1, suite_time(2)));
    REQUIRE(file.tables->attempt_finished({row,
                                           1,
                                           incident::DeliveryState::Delivered,
                                           {},
                                           suite_time(3),
                                           base::Duration{5},
                                           "ok",
                                           ""}));
  }
  CHECK(file.tables->prune(suite_time(2000), suite_time(10)).value() == 1);
  CHECK(file.texts({}) == "new ");
  const auto detail = file.tables->incident("T-1002");
  REQUIRE(detail);
  CHECK(detail->timeline.size() == 3);
  REQUIRE(detail->deliveries.size() == 1);
  REQUIRE(detail->deliveries[0].attempts.size() == 1);
  CHECK(detail->deliveries[0].attempts[0].outcome == "delivered");
  CHECK(detail->deliveries[0].attempts[0].latency == base::Duration{5});
  REQUIRE(file.tables->commit(storm(1003, 1, "y")));
  CHECK(file.tables->incident("T-1003")->timeline.size() == 3);

  change = {};
  for (int number = 1002; number <= 1003; ++number) {
    change.incidents_upsert.push_back(suite_incident(number, incident::IncidentState::Resolved));
  }
  REQUIRE(file.tables->commit(change));
  REQUIRE(file.tables->attempt_started(3, 1, suite_time(2)));
  REQUIRE(file.tables->attempt_finished(
      {3, 1, incident::DeliveryState::Delivered, {}, suite_time(3), base::Duration{5}, "ok", ""}));
  CHECK(file.tables->prune(suite_time(2000), suite_time(5000)).value() == 2);
  for (const char* table : {"event_blocks", "decision_blocks", "message_blocks", "outbox"}) {
    CHECK(file.number(fmt::format("SELECT count(*) FROM {}", table).c_str()) == 0);
  }
}

TEST_CASE("history: a damaged block is told of, and other blocks are read") {
  HistoryFile file;
  const std::string filling(kBlockBytesOpen, 'x');
  REQUIRE(file.tables->commit(storm(1001, 1, filling)));
  REQUIRE(file.tables->commit(storm(1002, 1, filling)));
  REQUIRE(file.tables->incident("T-1001"));  // the rows are written
  for (const char* table : {"event_blocks", "decision_blocks", "message_blocks"}) {
    REQUIRE(file.database->execute(
        fmt::format("UPDATE {} SET body = substr(body, 1, 100) WHERE first <= (SELECT min(first)"
                    " FROM {})",
                    table, table)
            .c_str()));
  }
  const auto waiting = file.tables->pending_after(0, 10);
  REQUIRE_MESSAGE(waiting, waiting);
  REQUIRE(waiting->size() == 2);
  const auto instead = incident::notification_from_bytes(waiting->at(0).message);
  REQUIRE(instead);
  CHECK(instead->incident.title == "a message about T-1001 cannot be read any more");
  CHECK(instead->firing());
  CHECK(waiting->at(0).head.key == suite_notification("T-1001", 1).key);
  CHECK(waiting->at(0).head.receiver == "oncall");
  CHECK(waiting->at(0).head.created_at == waiting->at(0).due);
  CHECK(waiting->at(1).head.incident_id == "T-1002");
  CHECK(incident::notification_from_bytes(waiting->at(1).message)->incident.title !=
        instead->incident.title);
  const auto refused = file.tables->incident("T-1001");
  REQUIRE(!refused);
  CHECK(refused.error().code == base::ErrorCode::Corruption);
  CHECK(refused.error().message.find("block 1 of events") != std::string::npos);
  CHECK(file.tables->incident("T-1002"));
  CHECK(file.tables->decisions({}).error().code == base::ErrorCode::Corruption);
  CHECK(file.tables->pending_after(0, 10)->size() == 2);
}

TEST_CASE("history: rows of the fourth schema are read on until they are pruned") {
  HistoryFile file;
  ::unlink(file.path.c_str());
  file.tables.reset();
  file.database.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((file.path + suffix).c_str());
  file.crash(4);
  const std::string body = to_json(suite_notification("T-1001", 1));
  REQUIRE(file.database->execute(
      fmt::format(
          "INSERT INTO incidents VALUES (1001, 'T-1001', 'g', 't', 'open', 1, 1, 0, 0, NULL, "
          "'{{}}');"
          "INSERT INTO events VALUES ('T-1001', 1, 5, 'opened', '', 'first'),"
          " ('T-1001', 2, 6, 'notified', '', 'second');"
          "INSERT INTO outbox (id, key, incident_id, receiver, channel, sequence, state, attempts,"
          " outcome_unknown, due_ms) VALUES (1, 'k', 'T-1001', 'oncall', 'pager', 1, 'pending', 1, "
          "1,"
          " 0);"
          "INSERT INTO messages VALUES (1, '{}');"
          "INSERT INTO attempts VALUES (1, 1, 7, NULL, 0, '', '');"
          "INSERT INTO decisions (at_ms, subject, fingerprint, incident_id, sent, reason, text,"
          " subject_number) VALUES (1000, 's', 'f', 'T-1001', 0, 'GroupWait', 'old1', "
          "tocsin_number('s')),"
          " (2000, 's', '', '', 1, 'x', 'old2', tocsin_number('s'));"
          "INSERT INTO alerts (number, key, body) VALUES (tocsin_number('a'), 'a', 'old');",
          body)
          .c_str()));
  file.crash();
  StateChange change;
  change.alerts_upsert = {{"a", "new"}};
  change.events = {{"T-1001", 2, suite_time(9), "notified", "", "again"},
                   {"T-1001", 3, suite_time(9), "comment", "ann", "third"}};
  change.decisions = {decision(9, "s", "new")};
  change.outbox = {suite_notification("T-1001", 2)};
  REQUIRE(file.tables->commit(change));
  CHECK(file.tables->load(base::wall_time(0))->alerts.size() == 1);
  const auto rows = file.tables->pending_after(0, 10);
  REQUIRE_MESSAGE(rows, rows);
  REQUIRE(rows->size() == 2);
  CHECK(rows->at(0).outcome_unknown);
  CHECK(rows->at(0).head.sequence == 1);
  CHECK(to_json(*incident::notification_from_bytes(rows->at(0).message)) == body);
  CHECK(rows->at(1).head.sequence == 2);
  REQUIRE(file.tables->attempt_finished({1, 1, incident::DeliveryState::Pending, suite_time(3),
                                         suite_time(3), base::Duration{5}, "503", ""}));
  REQUIRE(file.tables->attempt_started(1, 2, suite_time(4)));
  REQUIRE(file.tables->attempt_finished(
      {1, 2, incident::DeliveryState::Delivered, {}, suite_time(5), base::Duration{5}, "ok", ""}));
  const auto detail = file.tables->incident("T-1001");
  REQUIRE(detail);
  REQUIRE(detail->timeline.size() == 3);
  CHECK(detail->timeline[1].text == "second");
  CHECK(detail->timeline[2].text == "third");
  REQUIRE(detail->deliveries.size() == 2);
  REQUIRE(detail->deliveries[0].attempts.size() == 2);
  CHECK(detail->deliveries[0].attempts[0].text == "503");
  CHECK(detail->deliveries[0].attempts[1].text == "ok");
  incident::DecisionQuery query;
  query.subject = "s";
  CHECK(file.texts(query) == "new old2 old1 ");
  query.limit = 2;
  CHECK(file.texts(query) == "new old2 ");
  query = {};
  query.incident_id = "T-1001";
  CHECK(file.texts(query) == "old1 ");
  REQUIRE(file.tables->prune(base::wall_time(0), base::wall_time(1500)));
  CHECK(file.texts({}) == "new old2 ");
}

}  // namespace tocsin::state
