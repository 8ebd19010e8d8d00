// Rows of the outbox that are not written yet: what a crash, a failed transaction and a reader see.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "alertd/state/test_support.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin::state {
namespace {

using incident::AttemptResult;
using incident::DeliveryState;
using incident::StateChange;
using incident::suite_notification;
using incident::suite_time;

struct OutboxFile : test::StateFile {
  std::int64_t written() { return number("SELECT count(*) FROM outbox"); }
  std::int64_t journal() { return number("SELECT count(*) FROM outbox_journal"); }

  void put(std::uint64_t first, std::uint64_t last, const std::string& incident = "T-1001") {
    StateChange change;
    for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
      change.outbox.push_back(suite_notification(incident, sequence));
    }
    REQUIRE(tables->commit(change));
  }
  base::Result<void> start(std::int64_t row, std::uint32_t attempt = 1) {
    return tables->attempt_started(row, attempt, suite_time(5));
  }
  base::Result<void> finish(std::int64_t row, DeliveryState state, std::uint32_t attempt = 1,
                            const std::string& receipt = "") {
    return tables->attempt_finished(
        {row, attempt, state, suite_time(30), suite_time(6), base::Duration{7}, "text", receipt});
  }
  /// "id:attempts", with '?' where the outcome is unknown.
  std::string pending(std::int64_t after = 0, std::size_t limit = 100) {
    const auto rows = tables->pending_after(after, limit);
    REQUIRE_MESSAGE(rows, rows);
    std::string text;
    for (const incident::WaitingRow& row : *rows) {
      CHECK(row.head.sequence == static_cast<std::uint64_t>(row.id));
      text += fmt::format("{}:{}{} ", row.id, row.attempts, row.outcome_unknown ? "?" : "");
    }
    return text;
  }
  /// Somebody wants to see the rows themselves.
  void bring_out() { CHECK(!tables->incident("T-0")); }
  /// Everything that the table says of its rows, once all are in it.
  std::string all_rows() {
    bring_out();
    Statement query = database->statement(
        "SELECT group_concat(id || key || incident_id || receiver || channel || sequence || state"
        " || attempts || outcome_unknown || due_ms || receipt || note || coalesce(started_ms, '-')"
        " || coalesce(finished_ms, '-') || latency_ms || outcome || text, char(10)) FROM"
        " (SELECT * FROM outbox ORDER BY id)");
    REQUIRE(query.next().value());
    return query.text_at(0);
  }
};

/// FreshRows with small limits on a file of its own.
struct LimitedRows {
  explicit LimitedRows(FreshRowsLimits limits) : fresh(*file.database, history, limits) {}

  /// Puts a message in that is delivered, in one transaction.
  void deliver(std::uint64_t sequence) {
    const auto row = static_cast<std::int64_t>(sequence);
    Transaction transaction(*file.database);
    REQUIRE(transaction.begin());
    if (!fresh.known()) REQUIRE(fresh.recover());
    REQUIRE(fresh.add(suite_notification("T-1001", sequence)));
    REQUIRE(fresh.start(row, suite_time(5)));
    const AttemptResult result{row, 1, DeliveryState::Delivered, {}, suite_time(6), {}, "", ""};
    REQUIRE(fresh.finish(result).value());
    REQUIRE(fresh.write());
    REQUIRE(history.write());
    REQUIRE(transaction.commit());
  }

  OutboxFile file;
  History history{*file.database};
  FreshRows fresh;
};

}  // namespace

TEST_CASE("fresh rows: a message is one row, written when somebody wants it") {
  OutboxFile file;
  file.put(1, 3);
  CHECK(file.written() == 0);
  CHECK(file.journal() == 1);
  CHECK(file.pending() == "1:0 2:0 3:0 ");
  REQUIRE(file.start(1));
  REQUIRE(file.start(2));
  CHECK(file.pending() == "1:1? 2:1? 3:0 ");
  REQUIRE(file.finish(1, DeliveryState::Delivered));
  CHECK(file.written() == 0);
  REQUIRE(file.finish(2, DeliveryState::Pending));  // it is tried again soon
  CHECK(file.written() == 1);
  CHECK(file.pending() == "2:1 3:0 ");
  CHECK(file.pending(2) == "3:0 ");
  CHECK(file.pending(0, 1) == "2:1 ");
  REQUIRE(file.start(3));
  REQUIRE(file.finish(3, DeliveryState::Delivered, 1, "receipt"));
  const auto receipts = file.tables->receipts({"T-1001", "", ""});
  REQUIRE(receipts);
  REQUIRE(receipts->size() == 1);
  CHECK(receipts->front().receipt == "receipt");
  CHECK(file.written() == 2);
  CHECK(file.journal() > 0);
  file.bring_out();
  CHECK(file.written() == 3);
  CHECK(file.journal() == 0);
  CHECK(file.finish(3, DeliveryState::Delivered));  // the same again
  CHECK(file.start(3).error().code == base::ErrorCode::InvalidArgument);
}

TEST_CASE("fresh rows: what ended is said again, and is not begun again") {
  OutboxFile file;
  file.put(1, 2);
  REQUIRE(file.start(1));
  REQUIRE(file.start(2));
  REQUIRE(file.finish(1, DeliveryState::Delivered));
  REQUIRE(file.finish(2, DeliveryState::Dead));
  CHECK(file.written() == 0);
  CHECK(file.start(1).error().code == base::ErrorCode::InvalidArgument);
  CHECK(file.finish(2, DeliveryState::Dead));
  CHECK(file.pending().empty());
  const std::string before = file.all_rows();
  file.crash();
  CHECK(file.all_rows() == before);
}

TEST_CASE("fresh rows: they are written when nothing happened between two renewals of the lease") {
  OutboxFile file;
  const base::Duration term{9'000};
  REQUIRE(file.tables->acquire_lease("one", term));
  file.put(1, 1);
  REQUIRE(file.start(1));
  REQUIRE(file.tables->renew_lease(term));
  REQUIRE(file.finish(1, DeliveryState::Delivered));
  REQUIRE(file.tables->renew_lease(term));
  CHECK(file.written() == 0);
  REQUIRE(file.tables->renew_lease(term));
  CHECK(file.written() == 1);
  CHECK(file.journal() == 0);
}

TEST_CASE("fresh rows: those that ended are written when they are many, or their journal is long") {
  for (const FreshRowsLimits limits : {FreshRowsLimits{.entries = 5}, {.over = 5}}) {
    LimitedRows rows(limits);
    for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) rows.deliver(sequence);
    CHECK(rows.file.written() == 0);
    for (std::uint64_t sequence = 5; sequence <= 6; ++sequence) rows.deliver(sequence);
    CHECK(rows.file.written() >= 5);
    CHECK(rows.file.journal() <= 1);
  }
}

TEST_CASE("fresh rows: a key is known though its incident is not the newest") {
  OutboxFile file;
  file.put(1, 1, "T-7");
  file.put(1, 1, "T-9");
  file.put(1, 1, "T-8");
  file.put(1, 1, "word");
  for (int round = 0; round < 3; ++round) {
    for (const char* incident : {"T-7", "T-8", "T-9", "word"}) file.put(1, 1, incident);
    file.bring_out();
    CHECK(file.number("SELECT count(*) FROM outbox WHERE state = 'pending'") == 4);
    if (round == 1) file.crash();
  }
}

TEST_CASE("fresh rows: nothing is lost, doubled or given a second id by crashes") {
  OutboxFile file;
  file.put(1, 4);
  REQUIRE(file.start(1));
  REQUIRE(file.start(2));
  REQUIRE(file.start(3));
  REQUIRE(file.finish(2, DeliveryState::Delivered));
  REQUIRE(file.finish(3, DeliveryState::Pending));
  file.crash();
  CHECK(file.pending() == "1:1? 3:1 4:0 ");
  file.crash();
  CHECK(file.pending() == "1:1? 3:1 4:0 ");
  file.put(1, 4);  // the same again
  CHECK(file.pending() == "1:1? 3:1 4:0 ");
  CHECK(file.number("SELECT count(*) FROM outbox WHERE id = 2 AND state = 'delivered'"
                    " AND latency_ms = 7 AND text = 'text'") == 1);
  file.put(5, 5);
  CHECK(file.pending(4) == "5:0 ");
  REQUIRE(file.finish(1, DeliveryState::Delivered));  // begun before the crash
  CHECK(file.pending() == "3:1 4:0 5:0 ");
}

TEST_CASE("fresh rows: the journal of an older release is read on") {
  OutboxFile file;
  file.put(1, 2);
  REQUIRE(file.database->execute("DELETE FROM outbox_journal"));
  REQUIRE(file.database->execute("INSERT INTO outbox_journal (body) VALUES (x'01010102')"));
  REQUIRE(file.database->execute("INSERT INTO outbox_journal (body) VALUES (x'02020A')"));
  file.crash();
  CHECK(file.pending() == "1:0 2:1? ");
  CHECK(file.number("SELECT started_ms FROM outbox WHERE id = 2") == 5);
}

TEST_CASE("fresh rows: a failed transaction leaves them as they were") {
  OutboxFile file;
  file.put(1, 3);
  REQUIRE(file.start(1));
  for (const char* trigger :
       {"CREATE TRIGGER full BEFORE INSERT ON outbox_journal BEGIN SELECT raise(ABORT, 'x'); END",
        "CREATE TRIGGER full BEFORE INSERT ON outbox WHEN new.finished_ms IS NOT NULL"
        " BEGIN SELECT raise(ABORT, 'x'); END",
        "CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT raise(ABORT, 'x'); END"}) {
    REQUIRE(file.database->execute(trigger));
    StateChange change;
    change.outbox = {suite_notification("T-1001", 4)};
    const bool put = file.tables->commit(change).has_value();
    const bool begun = file.start(2).has_value();
    const bool ended = file.finish(1, DeliveryState::Delivered, 1, "receipt").has_value();
    CHECK((!put || !begun || !ended));
    REQUIRE(file.database->execute("DROP TRIGGER full"));
    file.crash();
    const std::string rows = file.pending();
    CHECK(rows.find("1:1? ") == (ended ? std::string::npos : 0));
    CHECK((rows.find("2:1? ") != std::string::npos) == begun);
    CHECK((rows.find("4:0 ") != std::string::npos) == put);
    if (ended) break;
  }
}

TEST_CASE("fresh rows: whatever is done and whenever it crashes, the outbox is as if it had not") {
  OutboxFile crashing;
  OutboxFile steady;
  std::mt19937 random(7);
  std::uint64_t put = 0;
  for (int step = 0; step < 400; ++step) {
    const auto row = static_cast<std::int64_t>(random() % (put + 1));
    const auto what = random() % 9;
    const auto attempt = static_cast<std::uint32_t>(1 + random() % 2);
    const auto state = static_cast<DeliveryState>(random() % 3);
    for (OutboxFile* file : {&crashing, &steady}) {
      if (what < 3) {
        file->put(put / 2 + 1, put + 1);  // some again
      } else if (what < 5) {
        static_cast<void>(file->start(row, attempt));
      } else if (what < 7) {
        static_cast<void>(file->finish(row, state, attempt, step % 3 == 0 ? "receipt" : ""));
      } else if (what == 7) {
        StateChange change;
        change.outbox_cancel = {{"T-1001", "", "", static_cast<std::uint64_t>(row), "newer"}};
        if (step % 5 == 0) REQUIRE(file->tables->commit(change));
      } else {
        incident::DeliveryBatch batch;
        batch.settled = {{row, DeliveryState::Superseded, "newer"}};
        batch.started = {{row + 1, 1, suite_time(5)}};
        REQUIRE(file->tables->record(batch));
      }
    }
    if (what < 3) ++put;
    if (random() % 7 == 0) crashing.crash();
    REQUIRE(crashing.pending() == steady.pending());
    if (random() % 20 == 0) REQUIRE(crashing.all_rows() == steady.all_rows());
  }
  CHECK(crashing.all_rows() == steady.all_rows());
  CHECK(crashing.number("SELECT sum(count) FROM message_blocks") == static_cast<std::int64_t>(put));
}

TEST_CASE("fresh rows: what is damaged hinders nothing else") {
  OutboxFile file;
  file.put(1, 1);
  file.put(2, 2);
  file.put(3, 3);
  REQUIRE(file.database->execute("UPDATE outbox_journal SET body = x'07' WHERE id = 2"));
  file.crash();
  CHECK(file.pending() == "1:0 3:0 ");
  file.put(4, 4);
  REQUIRE(file.database->execute("UPDATE message_blocks SET body = substr(body, 1, 50)"));
  file.crash();
  REQUIRE(file.tables->commit({}));
  // The fourth was in no other place, so nobody knows whom it was for: the notifier says so.
  CHECK(file.number("SELECT count(*) FROM outbox WHERE key = 'row 4' AND receiver = ''") == 1);
  CHECK(file.number("SELECT count(*) FROM outbox") == 3);
}

}  // namespace tocsin::state
