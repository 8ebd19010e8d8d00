#include "alertd/state/postgres_schema.h"

#include <fmt/format.h>

#include <array>

namespace tocsin::state {

using base::ErrorCode;
using base::Result;

namespace {

// Times are milliseconds since 1970 (suffix _ms). Severities are numbers, so that they sort.
// Keys and bodies that only their owner reads are BYTEA: TEXT refuses NUL. Long keys are unique by
// their hash, because an index entry is at most 2,704 bytes.
constexpr std::array<const char*, 2> kScripts{R"sql(
CREATE TABLE alerts (key BYTEA NOT NULL, body BYTEA NOT NULL);
CREATE UNIQUE INDEX alerts_key ON alerts (sha256(key));
CREATE TABLE alert_groups (key BYTEA NOT NULL, body BYTEA NOT NULL);
CREATE UNIQUE INDEX alert_groups_key ON alert_groups (sha256(key));
CREATE TABLE records (
  kind TEXT NOT NULL,
  key BYTEA NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (kind, key)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters VALUES ('last_incident_number', 0), ('last_audit_number', 0);

CREATE TABLE lease (
  one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
  holder TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  until TIMESTAMPTZ NOT NULL
);
INSERT INTO lease (holder, epoch, until) VALUES ('', 0, '-infinity');

CREATE TABLE incidents (
  number BIGINT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  group_key BYTEA NOT NULL,
  title TEXT NOT NULL,
  state TEXT NOT NULL,
  severity BIGINT NOT NULL,
  peak_severity BIGINT NOT NULL,
  opened_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  resolved_ms BIGINT,
  body BYTEA NOT NULL
);
CREATE INDEX incidents_resolved ON incidents (resolved_ms);

CREATE TABLE events (
  incident_id TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (incident_id, sequence)
);

CREATE TABLE outbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  incident_id TEXT NOT NULL,
  receiver TEXT NOT NULL,
  channel TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending',
  attempts BIGINT NOT NULL DEFAULT 0,
  outcome_unknown BOOLEAN NOT NULL DEFAULT FALSE,
  due_ms BIGINT NOT NULL,
  claim_epoch BIGINT NOT NULL DEFAULT 0,
  receipt BYTEA NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  body BYTEA NOT NULL
);
CREATE INDEX outbox_pending ON outbox (id) WHERE state = 'pending';
CREATE INDEX outbox_due ON outbox (due_ms) WHERE state = 'pending';
CREATE INDEX outbox_incident ON outbox (incident_id);

CREATE TABLE attempts (
  row_id BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  started_ms BIGINT NOT NULL,
  finished_ms BIGINT,
  latency_ms BIGINT NOT NULL DEFAULT 0,
  outcome TEXT NOT NULL DEFAULT '',
  text TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (row_id, attempt)
);

CREATE TABLE decisions (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  change_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  subject BYTEA NOT NULL,
  fingerprint TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  sent BOOLEAN NOT NULL,
  reason TEXT NOT NULL,
  text TEXT NOT NULL,
  UNIQUE (change_id, n)
);
CREATE INDEX decisions_subject ON decisions (sha256(subject), id);
CREATE INDEX decisions_fingerprint ON decisions (fingerprint, id) WHERE fingerprint <> '';
CREATE INDEX decisions_incident ON decisions (incident_id, id) WHERE incident_id <> '';
CREATE INDEX decisions_at ON decisions (at_ms);

CREATE TABLE audit (
  number BIGINT PRIMARY KEY,
  change_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  text TEXT NOT NULL,
  hash TEXT NOT NULL,
  UNIQUE (change_id, n)
);
CREATE INDEX audit_object ON audit (object, number);
)sql",
                                              R"sql(
CREATE SEQUENCE group_epochs;
CREATE TABLE members (
  session TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  rules TEXT NOT NULL,
  until TIMESTAMPTZ NOT NULL
);
CREATE TABLE group_leases (
  key TEXT PRIMARY KEY,
  session TEXT NOT NULL DEFAULT '',
  epoch BIGINT NOT NULL DEFAULT 0,
  since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX group_leases_session ON group_leases (session);
CREATE TABLE group_words (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  said TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  session TEXT NOT NULL,
  text BYTEA NOT NULL
);
CREATE TABLE group_states (
  key TEXT PRIMARY KEY,
  evaluated_ms BIGINT NOT NULL,
  state BYTEA NOT NULL,
  alerts BYTEA NOT NULL,
  version BIGINT NOT NULL,
  written BIGINT NOT NULL
);
)sql"};

constexpr std::int64_t kMigrationLock = 0x746f63'73696e;  // "tocsin"

}  // namespace

int newest_postgres_version() {
  return static_cast<int>(kScripts.size());
}

Result<void> migrate_postgres(postgres::Connection& connection, base::WallTime now) {
  postgres::Transaction transaction(connection);
  TC_TRY(transaction.begin());
  TC_TRY(transaction.script("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '1h'"));
  TC_TRY(transaction.run("SELECT pg_advisory_xact_lock($1)",
                         postgres::Values().integer(kMigrationLock)));
  TC_TRY(
      transaction.script("CREATE TABLE IF NOT EXISTS schema_versions ("
                         "version BIGINT PRIMARY KEY, applied_ms BIGINT NOT NULL)"));
  TC_TRY(const postgres::Rows found,
         transaction.run("SELECT coalesce(max(version), 0) FROM schema_versions"));
  const auto version = static_cast<int>(found.integer(0, 0));
  if (version > newest_postgres_version()) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("the state database has schema version {}, this release knows "
                                   "up to {}: it was written by a newer release; install that one",
                                   version, newest_postgres_version()));
  }
  for (int next = version + 1; next <= newest_postgres_version(); ++next) {
    TC_TRY(transaction.script(kScripts.at(static_cast<std::size_t>(next - 1))));
    TC_TRY(transaction.run("INSERT INTO schema_versions VALUES ($1, $2)",
                           postgres::Values().integer(next).integer(base::to_ms(now))));
  }
  return transaction.commit();
}

}  // namespace tocsin::state
