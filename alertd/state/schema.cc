#include "alertd/state/schema.h"

#include <fmt/format.h>

#include <array>

namespace tocsin::state {

using base::ErrorCode;
using base::Result;

namespace {

// Times are milliseconds since 1970 (suffix _ms). Severities are numbers, so that they sort.
constexpr std::array<const char*, 7> kScripts{R"sql(
CREATE TABLE alerts (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE alert_groups (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE incidents (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  group_key TEXT NOT NULL,
  title TEXT NOT NULL,
  state TEXT NOT NULL,
  severity INTEGER NOT NULL,
  peak_severity INTEGER NOT NULL,
  opened_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  resolved_ms INTEGER,
  body TEXT NOT NULL
);
CREATE INDEX incidents_resolved ON incidents (resolved_ms);

CREATE TABLE events (
  incident_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (incident_id, sequence)
) WITHOUT ROWID;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  incident_id TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  outcome_unknown INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX outbox_pending ON outbox (due_ms) WHERE state = 'pending';
CREATE INDEX outbox_incident ON outbox (incident_id);

CREATE TABLE attempts (
  row_id INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  finished_ms INTEGER,
  latency_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (row_id, attempt)
) WITHOUT ROWID;
)sql",
                                              R"sql(
CREATE TABLE records (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE decisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  change_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  subject TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  sent INTEGER NOT NULL,
  reason TEXT NOT NULL,
  text TEXT NOT NULL,
  UNIQUE (change_id, n)
);
CREATE INDEX decisions_subject ON decisions (subject);
CREATE INDEX decisions_fingerprint ON decisions (fingerprint) WHERE fingerprint <> '';
CREATE INDEX decisions_incident ON decisions (incident_id) WHERE incident_id <> '';
CREATE INDEX decisions_at ON decisions (at_ms);

CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  change_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  text TEXT NOT NULL,
  hash TEXT NOT NULL,
  UNIQUE (change_id, n)
);
CREATE INDEX audit_object ON audit (object);

ALTER TABLE outbox ADD COLUMN receiver TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN receipt TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN note TEXT NOT NULL DEFAULT '';
UPDATE outbox SET
  receiver = coalesce(json_extract(body, '$.receiver'), ''),
  channel = coalesce(json_extract(body, '$.channel'), ''),
  sequence = coalesce(json_extract(body, '$.sequence'), 0)
  WHERE json_valid(body);
)sql",
                                              R"sql(
-- Decisions are most of what a storm writes: no index on what ids are in the order of anyway, and
-- of the changes only the last is remembered, which alone may be written again.
CREATE TABLE decisions_3 (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  subject TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  sent INTEGER NOT NULL,
  reason TEXT NOT NULL,
  text TEXT NOT NULL
);
INSERT INTO decisions_3
  SELECT id, at_ms, subject, fingerprint, incident_id, sent, reason, text FROM decisions
  ORDER BY id;
DROP TABLE decisions;
ALTER TABLE decisions_3 RENAME TO decisions;
CREATE INDEX decisions_subject ON decisions (subject);
CREATE INDEX decisions_fingerprint ON decisions (fingerprint) WHERE fingerprint <> '';
CREATE INDEX decisions_incident ON decisions (incident_id) WHERE incident_id <> '';
CREATE TABLE decided_change (only INTEGER PRIMARY KEY CHECK (only = 1), change_id TEXT NOT NULL);
)sql",
                                              R"sql(
-- What a storm writes lies in the order in which it is written, so that one page holds many rows of
-- one commit. Keys are found by their numbers (tocsin_number: XXH64 of the text), eight bytes where
-- the text has a hundred; bodies of messages lie apart from the states that change beside them.
CREATE TABLE alerts_4 (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, key TEXT NOT NULL,
  body TEXT NOT NULL);
INSERT INTO alerts_4 (number, key, body) SELECT tocsin_number(key), key, body FROM alerts;
DROP TABLE alerts;
ALTER TABLE alerts_4 RENAME TO alerts;
CREATE INDEX alerts_number ON alerts (number);

CREATE TABLE alert_groups_4 (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, key TEXT NOT NULL,
  body TEXT NOT NULL);
INSERT INTO alert_groups_4 (number, key, body) SELECT tocsin_number(key), key, body
  FROM alert_groups;
DROP TABLE alert_groups;
ALTER TABLE alert_groups_4 RENAME TO alert_groups;
CREATE INDEX alert_groups_number ON alert_groups (number);

ALTER TABLE decisions ADD COLUMN subject_number INTEGER NOT NULL DEFAULT 0;
UPDATE decisions SET subject_number = tocsin_number(subject);
DROP INDEX decisions_subject;
CREATE INDEX decisions_subject_number ON decisions (subject_number);

CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO messages SELECT id, body FROM outbox;
CREATE TABLE outbox_4 (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  receiver TEXT NOT NULL,
  channel TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  outcome_unknown INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  receipt TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  UNIQUE (incident_id, key)
);
INSERT INTO outbox_4 SELECT id, key, incident_id, receiver, channel, sequence, state, attempts,
  outcome_unknown, due_ms, receipt, note FROM outbox ORDER BY id;
DELETE FROM sqlite_sequence WHERE name = 'outbox_4';
INSERT INTO sqlite_sequence SELECT 'outbox_4', seq FROM sqlite_sequence WHERE name = 'outbox';
DROP TABLE outbox;
ALTER TABLE outbox_4 RENAME TO outbox;
CREATE INDEX outbox_pending ON outbox (due_ms) WHERE state = 'pending';
)sql",
                                              R"sql(
-- History lies in blocks (blocks.h): events by the incident's number, decisions by time, messages
-- by the outbox's id. What older tables have of it is read on until it is pruned.
CREATE TABLE event_blocks (id INTEGER PRIMARY KEY, first INTEGER NOT NULL,
  last INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE decision_blocks (id INTEGER PRIMARY KEY, first INTEGER NOT NULL,
  last INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE message_blocks (id INTEGER PRIMARY KEY, first INTEGER NOT NULL,
  last INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL);

-- Most messages have one attempt: the first is kept beside the state that it changes.
ALTER TABLE outbox ADD COLUMN started_ms INTEGER;
ALTER TABLE outbox ADD COLUMN finished_ms INTEGER;
ALTER TABLE outbox ADD COLUMN latency_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN text TEXT NOT NULL DEFAULT '';

-- Rows of the outbox that are not written yet (fresh_rows.h).
CREATE TABLE outbox_journal (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Rows of alerts and groups are found by a table in memory.
DROP INDEX alerts_number;
DROP INDEX alert_groups_number;
)sql",
                                              R"sql(
-- What changes often is a log (record_log.h). Rows of alerts and alert_groups move there with the
-- first transaction; incidents become rows when somebody asks for them (incident_rows.h).
CREATE TABLE alert_log (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE group_log (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE incident_log (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
)sql",
                                              R"sql(
-- The journal of the outbox says how attempts ended (fresh_rows.h): an older release would send
-- again what was delivered.
SELECT 1;
)sql"};

}  // namespace

int newest_schema_version() {
  return static_cast<int>(kScripts.size());
}

Result<int> schema_version(Database& database) {
  TC_TRY(
      database.execute("CREATE TABLE IF NOT EXISTS schema_versions ("
                       "version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL)"));
  Statement query = database.statement("SELECT coalesce(max(version), 0) FROM schema_versions");
  TC_TRY(const bool row, query.next());
  return row ? static_cast<int>(query.integer_at(0)) : 0;
}

Result<void> migrate(Database& database, int target, base::WallTime now) {
  TC_TRY(const int found, schema_version(database));
  if (found > newest_schema_version()) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("state file has schema version {}, this release knows up to {}: "
                                   "it was written by a newer release; install that one",
                                   found, newest_schema_version()));
  }
  for (int version = found + 1; version <= target; ++version) {
    Transaction transaction(database);
    TC_TRY(transaction.begin());
    TC_TRY(database.execute(kScripts.at(static_cast<std::size_t>(version - 1))));
    {
      Statement insert = database.statement("INSERT INTO schema_versions VALUES (?, ?)");
      TC_TRY(insert.integer(version).integer(base::to_ms(now)).run());
    }
    TC_TRY(transaction.commit());
  }
  return base::ok();
}

}  // namespace tocsin::state
