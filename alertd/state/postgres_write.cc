#include "alertd/state/postgres_write.h"

#include <fmt/format.h>

#include <map>
#include "alertd/state/columns.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using incident::AuditRecord;
using incident::DecisionRecord;
using incident::IncidentRecord;
using incident::StateChange;

namespace {

/// Of one statement's bodies, about: the server holds them in memory several times.
constexpr std::size_t kBatchBytes = 8U << 20U;

Result<void> write_records(postgres::Transaction& transaction, const char* upsert,
                           const char* remove, const std::vector<incident::Record>& records,
                           const std::vector<std::string>& removed) {
  if (!records.empty()) {
    std::map<std::string_view, std::string_view> last;  // a statement may touch a row only once
    for (const incident::Record& record : records) last[record.key] = record.body;
    auto next = last.begin();
    while (next != last.end()) {
      postgres::Array keys;
      postgres::Array bodies;
      for (; next != last.end() && bodies.size() < kBatchBytes; ++next) {
        keys.bytes(next->first);
        bodies.bytes(next->second);
      }
      TC_TRY(transaction.run(upsert, postgres::Values().array(keys).array(bodies)));
    }
  }
  if (removed.empty()) return base::ok();
  postgres::Array keys;
  for (const std::string& key : removed) keys.bytes(key);
  TC_TRY(transaction.run(remove, postgres::Values().array(keys)));
  return base::ok();
}

Result<void> write_kept(postgres::Transaction& transaction, const StateChange& change) {
  if (!change.records_upsert.empty()) {
    std::map<std::pair<std::string_view, std::string_view>, std::string_view> last;
    for (const auto& record : change.records_upsert) last[{record.kind, record.key}] = record.body;
    postgres::Array kinds;
    postgres::Array keys;
    postgres::Array bodies;
    for (const auto& [key, body] : last) {
      kinds.text(key.first);
      keys.bytes(key.second);
      bodies.bytes(body);
    }
    TC_TRY(
        transaction.run("INSERT INTO records (kind, key, body)"
                        " SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[])"
                        " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                        postgres::Values().array(kinds).array(keys).array(bodies)));
  }
  if (change.records_delete.empty()) return base::ok();
  postgres::Array kinds;
  postgres::Array keys;
  for (const incident::KeptKey& key : change.records_delete) {
    kinds.text(key.kind);
    keys.bytes(key.key);
  }
  TC_TRY(
      transaction.run("DELETE FROM records USING unnest($1::text[], $2::bytea[]) AS gone(k, x)"
                      " WHERE records.kind = gone.k AND records.key = gone.x",
                      postgres::Values().array(kinds).array(keys)));
  return base::ok();
}

Result<void> write_incident(postgres::Transaction& transaction, const IncidentRecord& record) {
  postgres::Values values;
  values.integer(record.number).text(record.id).bytes(record.group_key).text(record.title);
  values.text(to_string(record.state)).integer(static_cast<int>(record.severity));
  values.integer(static_cast<int>(record.peak_severity)).integer(base::to_ms(record.opened_at));
  values.integer(base::to_ms(record.updated_at)).optional_integer(to_ms(record.resolved_at));
  values.bytes(record.body);
  TC_TRY(transaction.run(
      "INSERT INTO incidents VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
      " ON CONFLICT (number) DO UPDATE SET id = excluded.id, group_key = excluded.group_key,"
      " title = excluded.title, state = excluded.state, severity = excluded.severity,"
      " peak_severity = excluded.peak_severity, opened_ms = excluded.opened_ms,"
      " updated_ms = excluded.updated_ms, resolved_ms = excluded.resolved_ms,"
      " body = excluded.body",
      values));
  TC_TRY(
      transaction.run("UPDATE counters SET value = greatest(value, $1)"
                      " WHERE name = 'last_incident_number'",
                      postgres::Values().integer(record.number)));
  return base::ok();
}

Result<void> write_events(postgres::Transaction& transaction, const StateChange& change) {
  if (change.events.empty()) return base::ok();
  postgres::Array ids, sequences, times, kinds, actors, texts;
  for (const incident::TimelineEvent& event : change.events) {
    ids.text(event.incident_id);
    sequences.integer(static_cast<std::int64_t>(event.sequence));
    times.integer(base::to_ms(event.at));
    kinds.text(event.kind);
    actors.text(event.actor);
    texts.text(event.text);
  }
  postgres::Values values;
  values.array(ids).array(sequences).array(times).array(kinds).array(actors).array(texts);
  TC_TRY(
      transaction.run("INSERT INTO events SELECT * FROM unnest($1::text[], $2::bigint[],"
                      " $3::bigint[], $4::text[], $5::text[], $6::text[])"
                      " ON CONFLICT DO NOTHING",
                      values));
  return base::ok();
}

Result<void> write_cancels(postgres::Transaction& transaction, const StateChange& change) {
  for (const incident::OutboxCancel& cancel : change.outbox_cancel) {
    postgres::Values values;
    values.text(cancel.incident_id).text(cancel.receiver).text(cancel.channel);
    values.integer(static_cast<std::int64_t>(cancel.before_sequence));
    values.text(incident::clipped(cancel.text, incident::kAttemptTextMax));
    TC_TRY(transaction.run(
        "UPDATE outbox SET state = 'superseded', note = $5 WHERE incident_id = $1"
        " AND state = 'pending' AND NOT outcome_unknown AND ($2 = '' OR receiver = $2)"
        " AND ($3 = '' OR channel = $3) AND sequence < $4",
        values));
  }
  return base::ok();
}

Result<void> write_outbox(postgres::Transaction& transaction, const StateChange& change) {
  auto next = change.outbox.begin();
  while (next != change.outbox.end()) {
    postgres::Array keys, ids, receivers, channels, sequences, due, bodies;
    for (; next != change.outbox.end() && bodies.size() < kBatchBytes; ++next) {
      const std::string body = to_json(*next);
      if (body.size() > incident::kBodyBytesMax) {
        return base::error(ErrorCode::LimitExceeded,
                           fmt::format("message {} is {} bytes, limit {}", next->key, body.size(),
                                       incident::kBodyBytesMax));
      }
      keys.text(next->key);
      ids.text(next->incident.id);
      receivers.text(next->receiver);
      channels.text(next->channel);
      sequences.integer(static_cast<std::int64_t>(next->sequence));
      due.integer(base::to_ms(next->created_at));
      bodies.bytes(body);
    }
    postgres::Values values;
    values.array(keys).array(ids).array(receivers).array(channels).array(sequences);
    values.array(due).array(bodies);
    // Ids in the order of the change: the notifier sends in the order of ids.
    TC_TRY(transaction.run(
        "INSERT INTO outbox (key, incident_id, receiver, channel, sequence, due_ms, body)"
        " SELECT key, incident_id, receiver, channel, sequence, due_ms, body"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[],"
        " $6::bigint[], $7::bytea[]) WITH ORDINALITY"
        " AS new(key, incident_id, receiver, channel, sequence, due_ms, body, position)"
        " ORDER BY position ON CONFLICT (key) DO NOTHING",
        values));
  }
  return base::ok();
}

Result<void> write_decisions(postgres::Transaction& transaction, const StateChange& change) {
  if (change.decisions.empty()) return base::ok();
  postgres::Array times, subjects, fingerprints, ids, sent, reasons, texts;
  for (const DecisionRecord& whole : change.decisions) {
    const DecisionRecord record = incident::clipped(whole);
    times.integer(base::to_ms(record.at));
    subjects.bytes(record.subject);
    fingerprints.text(record.fingerprint);
    ids.text(record.incident_id);
    sent.integer(record.sent ? 1 : 0);
    reasons.text(record.reason);
    texts.text(record.text);
  }
  postgres::Values values;
  values.text(change_id(change)).array(times).array(subjects).array(fingerprints).array(ids);
  values.array(sent).array(reasons).array(texts);
  TC_TRY(transaction.run(
      "INSERT INTO decisions (change_id, n, at_ms, subject, fingerprint, incident_id, sent,"
      " reason, text) SELECT $1, position, at_ms, subject, fingerprint, incident_id, sent = 1,"
      " reason, text FROM unnest($2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::bigint[],"
      " $7::text[], $8::text[]) WITH ORDINALITY"
      " AS new(at_ms, subject, fingerprint, incident_id, sent, reason, text, position)"
      " ORDER BY position ON CONFLICT (change_id, n) DO NOTHING",
      values));
  return base::ok();
}

/// As it will be read again, so that its hash can be checked.
AuditRecord kept(const AuditRecord& whole) {
  AuditRecord record = whole;
  for (auto* field :
       {&record.actor, &record.source, &record.action, &record.object, &record.text}) {
    *field = postgres::storable(*field);
  }
  record = incident::clipped(std::move(record));
  return record;
}

Result<void> write_audit(postgres::Transaction& transaction, const StateChange& change) {
  if (change.audit.empty()) return base::ok();
  const std::string id = change_id(change);
  // The counter's row is the lock of the chain.
  TC_TRY(const postgres::Rows counter,
         transaction.run("SELECT value FROM counters"
                         " WHERE name = 'last_audit_number' FOR UPDATE"));
  // A change is written whole: one of its lines tells of all.
  TC_TRY(const postgres::Rows known,
         transaction.run("SELECT 1 FROM audit WHERE change_id = $1 LIMIT 1",
                         postgres::Values().text(id)));
  if (known.size() > 0) return base::ok();
  if (counter.size() != 1) {
    return base::error(ErrorCode::Corruption, "state store: the audit trail has no counter");
  }
  std::int64_t number = counter.integer(0, 0);
  TC_TRY(const postgres::Rows last, transaction.run("SELECT hash FROM audit WHERE number = $1",
                                                    postgres::Values().integer(number)));
  std::string previous = last.size() == 1 ? last.text(0, 0) : "";
  postgres::Array numbers, times, actors, sources, actions, objects, texts, hashes;
  for (const AuditRecord& whole : change.audit) {
    const AuditRecord record = kept(whole);
    previous = incident::audit_hash(previous, ++number, record);
    numbers.integer(number);
    times.integer(base::to_ms(record.at));
    actors.text(record.actor);
    sources.text(record.source);
    actions.text(record.action);
    objects.text(record.object);
    texts.text(record.text);
    hashes.text(previous);
  }
  postgres::Values values;
  values.text(id).array(numbers).array(times).array(actors).array(sources).array(actions);
  values.array(objects).array(texts).array(hashes);
  TC_TRY(transaction.run(
      "INSERT INTO audit (change_id, n, number, at_ms, actor, source, action, object, text, hash)"
      " SELECT $1, number, number, at_ms, actor, source, action, object, text, hash"
      " FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],"
      " $8::text[], $9::text[])"
      " AS new(number, at_ms, actor, source, action, object, text, hash)",
      values));
  TC_TRY(transaction.run("UPDATE counters SET value = $1 WHERE name = 'last_audit_number'",
                         postgres::Values().integer(number)));
  return base::ok();
}

}  // namespace

Result<void> write_change(postgres::Transaction& transaction, const StateChange& change) {
  TC_TRY(write_records(transaction,
                       "INSERT INTO alerts SELECT * FROM unnest($1::bytea[], $2::bytea[])"
                       " ON CONFLICT (sha256(key)) DO UPDATE SET body = excluded.body",
                       "DELETE FROM alerts USING unnest($1::bytea[]) AS gone(k)"
                       " WHERE sha256(alerts.key) = sha256(gone.k)",
                       change.alerts_upsert, change.alerts_delete));
  TC_TRY(write_records(transaction,
                       "INSERT INTO alert_groups SELECT * FROM unnest($1::bytea[], $2::bytea[])"
                       " ON CONFLICT (sha256(key)) DO UPDATE SET body = excluded.body",
                       "DELETE FROM alert_groups USING unnest($1::bytea[]) AS gone(k)"
                       " WHERE sha256(alert_groups.key) = sha256(gone.k)",
                       change.groups_upsert, change.groups_delete));
  for (const IncidentRecord& record : change.incidents_upsert) {
    TC_TRY(write_incident(transaction, record));
  }
  TC_TRY(write_events(transaction, change));
  TC_TRY(write_cancels(transaction, change));
  TC_TRY(write_outbox(transaction, change));
  TC_TRY(write_kept(transaction, change));
  TC_TRY(write_decisions(transaction, change));
  return write_audit(transaction, change);
}

}  // namespace tocsin::state
