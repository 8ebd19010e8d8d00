#include "alertd/state/state_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/state/columns.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using incident::DeliveryRecord;
using incident::DeliveryState;
using incident::IncidentDetail;
using incident::IncidentQuery;
using incident::IncidentRecord;
using incident::LoadedState;
using incident::Notification;
using incident::OutboxRow;
using incident::Record;
using incident::StateChange;
using incident::TimelineEvent;
using incident::WaitingRow;

namespace {

constexpr RecordLogSql kAlerts{
    "SELECT id, body FROM alert_log ORDER BY id", "SELECT body FROM alert_log WHERE id = ?",
    "INSERT INTO alert_log VALUES (?1, ?2)", "UPDATE alert_log SET body = ?2 WHERE id = ?1",
    "DELETE FROM alert_log WHERE id = ?"};
constexpr RecordLogSql kAlertGroups{
    "SELECT id, body FROM group_log ORDER BY id", "SELECT body FROM group_log WHERE id = ?",
    "INSERT INTO group_log VALUES (?1, ?2)", "UPDATE group_log SET body = ?2 WHERE id = ?1",
    "DELETE FROM group_log WHERE id = ?"};

constexpr const char* kIncidentColumns =
    "SELECT number, id, group_key, title, state, severity, peak_severity, opened_ms, updated_ms,"
    " resolved_ms, body FROM incidents";

Result<IncidentRecord> read_incident(const Statement& row) {
  IncidentRecord record;
  record.number = row.integer_at(0);
  record.id = row.text_at(1);
  record.group_key = row.text_at(2);
  record.title = row.text_at(3);
  const auto state = incident::parse_incident_state(row.text_at(4));
  if (!state) return corrupt(fmt::format("incident {} has an unknown state", record.id));
  record.state = *state;
  TC_TRY(record.severity, to_severity(row.integer_at(5)));
  TC_TRY(record.peak_severity, to_severity(row.integer_at(6)));
  record.opened_at = base::wall_time(row.integer_at(7));
  record.updated_at = base::wall_time(row.integer_at(8));
  record.resolved_at = to_time(row.optional_integer_at(9));
  record.body = row.bytes_at(10);
  return record;
}

/// Columns: id, state, attempts, outcome_unknown, due_ms, receipt, note.
Result<OutboxRow> read_row(const Statement& row, MessageReader& messages) {
  OutboxRow result;
  result.id = row.integer_at(0);
  const auto state = incident::parse_delivery_state(row.text_at(1));
  if (!state) return corrupt(fmt::format("outbox row {} has an unknown state", result.id));
  result.state = *state;
  result.attempts = static_cast<std::uint32_t>(row.integer_at(2));
  result.outcome_unknown = row.integer_at(3) != 0;
  result.due = base::wall_time(row.integer_at(4));
  TC_TRY(result.notification, messages.read(result.id));
  result.receipt = row.text_at(5);
  result.note = row.text_at(6);
  return result;
}

}  // namespace

StateTables::StateTables(Database& database)
    : database_(database),
      alerts_(database, kAlerts),
      groups_(database, kAlertGroups),
      incidents_(database),
      history_(database),
      fresh_(database, history_) {}

StateTables::Writing::~Writing() {
  if (committed_) return;
  tables_.alerts_.forget();
  tables_.groups_.forget();
  tables_.incidents_.forget();
  tables_.adopted_ = false;
  tables_.history_.forget();
  tables_.fresh_.forget();
}

Result<void> StateTables::Writing::begin() {
  TC_TRY(transaction_.begin());
  if (!tables_.adopted_) TC_TRY(tables_.adopt_rows());
  return tables_.fresh_.known() ? base::ok() : tables_.fresh_.recover();
}

Result<void> StateTables::Writing::commit() {
  TC_TRY(tables_.alerts_.write());
  TC_TRY(tables_.groups_.write());
  TC_TRY(tables_.incidents_.write());
  TC_TRY(tables_.fresh_.write());
  TC_TRY(tables_.history_.write());
  TC_TRY(transaction_.commit());
  committed_ = true;
  return base::ok();
}

// Alerts and groups that schema 5 kept as a row each.
Result<void> StateTables::adopt_rows() {
  const auto adopt = [this](RecordLog& log, const char* rows, const char* empty) -> Result<void> {
    {
      Statement query = database_.statement(rows);
      while (true) {
        TC_TRY(const bool row, query.next());
        if (!row) break;
        TC_TRY(log.put(query.text_at(0), query.bytes_at(1)));
      }
    }
    return database_.execute(empty);
  };
  TC_TRY(adopt(alerts_, "SELECT key, body FROM alerts", "DELETE FROM alerts"));
  TC_TRY(adopt(groups_, "SELECT key, body FROM alert_groups", "DELETE FROM alert_groups"));
  adopted_ = true;
  return base::ok();
}

Result<bool> StateTables::has_rows_to_adopt() {
  Statement query = database_.statement(
      "SELECT EXISTS (SELECT 1 FROM alerts) OR EXISTS (SELECT 1 FROM alert_groups)");
  TC_TRY(const bool row, query.next());
  return row && query.integer_at(0) != 0;
}

Result<void> StateTables::bring_messages_out() {
  if (fresh_.known() && fresh_.empty()) return base::ok();
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(fresh_.all_out());
  return transaction.commit();
}

Result<void> StateTables::bring_incidents_out() {
  TC_TRY(const bool out, incidents_.all_are_out());
  if (out) return base::ok();
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(incidents_.all_out());
  return transaction.commit();
}

Result<LoadedState> StateTables::load(WallTime resolved_since) {
  TC_TRY(const bool old_rows, has_rows_to_adopt());
  if (old_rows) {
    Writing transaction(*this);
    TC_TRY(transaction.begin());
    TC_TRY(transaction.commit());
  }
  LoadedState state;
  TC_TRY(state.alerts, read_records(alerts_));
  TC_TRY(state.groups, read_records(groups_));
  TC_TRY(auto changed, incidents_.changed());  // not brought out: a full disk must not hinder this
  static const std::string kSql =
      std::string(kIncidentColumns) + " WHERE resolved_ms IS NULL OR resolved_ms >= ?";
  Statement query = database_.statement(kSql.c_str());
  query.integer(base::to_ms(resolved_since));
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) break;
    TC_TRY(auto record, read_incident(query));
    if (!changed.contains(record.number)) state.incidents.push_back(std::move(record));
  }
  for (auto& [number, record] : changed) {
    if (record.resolved_at && *record.resolved_at < resolved_since) continue;
    state.incidents.push_back(std::move(record));
  }
  Statement counter =
      database_.statement("SELECT value FROM counters WHERE name = 'last_incident_number'");
  TC_TRY(const bool row, counter.next());
  if (row) state.last_incident_number = counter.integer_at(0);
  TC_TRY(state.records, read_kept());
  return state;
}

Result<std::vector<Record>> StateTables::read_records(RecordLog& log) {
  TC_TRY(const std::size_t size, log.size());
  std::vector<Record> records;
  records.reserve(size);
  TC_TRY(log.for_each([&records](std::string_view key, std::string_view body) {
    records.push_back({std::string(key), std::string(body)});
    return base::ok();
  }));
  return records;
}

Result<void> StateTables::commit(const StateChange& change) {
  TC_TRY(incident::check(change));
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(write(change));
  return transaction.commit();
}

Result<void> StateTables::write(const StateChange& change) {
  for (const Record& record : change.alerts_upsert) TC_TRY(alerts_.put(record.key, record.body));
  for (const std::string& key : change.alerts_delete) TC_TRY(alerts_.remove(key));
  for (const Record& record : change.groups_upsert) TC_TRY(groups_.put(record.key, record.body));
  for (const std::string& key : change.groups_delete) TC_TRY(groups_.remove(key));
  TC_TRY(incidents_.put(change.incidents_upsert));
  for (const TimelineEvent& event : change.events) TC_TRY(history_.add_event(event));
  if (!change.outbox_cancel.empty()) TC_TRY(fresh_.all_out());
  for (const incident::OutboxCancel& cancel : change.outbox_cancel) TC_TRY(write_cancel(cancel));
  for (const Notification& notification : change.outbox) TC_TRY(fresh_.add(notification));
  TC_TRY(write_kept(change));
  TC_TRY(write_decisions(change));
  return write_audit(change);
}

Result<void> StateTables::write_cancel(const incident::OutboxCancel& cancel) {
  Statement update = database_.statement(
      "UPDATE outbox SET state = 'superseded', note = ?5 WHERE incident_id = ?1"
      " AND state = 'pending' AND outcome_unknown = 0 AND (?2 = '' OR receiver = ?2)"
      " AND (?3 = '' OR channel = ?3) AND sequence < ?4");
  update.text(cancel.incident_id).text(cancel.receiver).text(cancel.channel);
  update.integer(static_cast<std::int64_t>(cancel.before_sequence));
  return update.text(incident::clipped(cancel.text, incident::kAttemptTextMax)).run();
}

Result<std::vector<WaitingRow>> StateTables::pending_after(std::int64_t after_id,
                                                           std::size_t limit) {
  if (!fresh_.known()) TC_TRY(bring_messages_out());
  std::vector<WaitingRow> rows;
  MessageReader messages(database_);
  const auto add = [&](WaitingRow row) -> Result<void> {
    TC_TRY(messages.read(row));
    rows.push_back(std::move(row));
    return base::ok();
  };
  std::optional<WaitingRow> fresh = fresh_.next_pending(after_id);
  const auto add_fresh_before = [&](std::int64_t id) -> Result<void> {
    while (fresh && fresh->id < id && rows.size() < limit) {
      const std::int64_t fresh_id = fresh->id;
      TC_TRY(add(std::move(*fresh)));
      fresh = fresh_.next_pending(fresh_id);
    }
    return base::ok();
  };
  Statement query = database_.statement(
      "SELECT id, attempts, outcome_unknown, due_ms FROM outbox"
      " WHERE state = 'pending' AND id > ? ORDER BY id LIMIT ?");
  query.integer(after_id).integer(static_cast<std::int64_t>(limit));
  while (true) {
    TC_TRY(const bool found, query.next());
    TC_TRY(add_fresh_before(found ? query.integer_at(0) : INT64_MAX));
    if (!found || rows.size() >= limit) return rows;
    WaitingRow row;
    row.id = query.integer_at(0);
    row.attempts = static_cast<std::uint32_t>(query.integer_at(1));
    row.outcome_unknown = query.integer_at(2) != 0;
    row.due = base::wall_time(query.integer_at(3));
    TC_TRY(add(std::move(row)));
  }
}

Result<std::vector<IncidentRecord>> StateTables::incidents(const IncidentQuery& query) {
  TC_TRY(bring_incidents_out());
  // A condition whose parameter is null does not apply.
  static const std::string kSql =
      std::string(kIncidentColumns) +
      " WHERE (?1 IS NULL OR state = ?1) AND (?2 = 0 OR state <> 'resolved')"
      " AND (?3 IS NULL OR severity = ?3) AND (?4 IS NULL OR number < ?4)"
      " ORDER BY number DESC LIMIT ?5";
  Statement statement = database_.statement(kSql.c_str());
  if (query.state) {
    statement.text(to_string(*query.state));
  } else {
    statement.optional_integer(std::nullopt);
  }
  statement.integer(query.unresolved_only ? 1 : 0);
  statement.optional_integer(query.severity
                                 ? std::optional<std::int64_t>(static_cast<int>(*query.severity))
                                 : std::nullopt);
  statement.optional_integer(query.number_below);
  statement.integer(static_cast<std::int64_t>(std::min(query.limit, incident::kIncidentsMax)));
  std::vector<IncidentRecord> found;
  while (true) {
    TC_TRY(const bool row, statement.next());
    if (!row) return found;
    TC_TRY(auto record, read_incident(statement));
    found.push_back(std::move(record));
  }
}

Result<IncidentDetail> StateTables::incident(const std::string& id) {
  TC_TRY(bring_incidents_out());
  TC_TRY(bring_messages_out());
  IncidentDetail detail;
  {
    static const std::string kSql = std::string(kIncidentColumns) + " WHERE id = ?";
    Statement query = database_.statement(kSql.c_str());
    query.text(id);
    TC_TRY(const bool row, query.next());
    if (!row) return base::error(ErrorCode::NotFound, fmt::format("there is no incident '{}'", id));
    TC_TRY(detail.incident, read_incident(query));
  }
  TC_TRY(detail.timeline, history_.timeline(id));
  TC_TRY(detail.deliveries, deliveries(id));
  return detail;
}

Result<std::vector<DeliveryRecord>> StateTables::deliveries(const std::string& id) {
  std::vector<DeliveryRecord> deliveries;
  MessageReader messages(database_);
  Statement query = database_.statement(
      "SELECT id, state, attempts, outcome_unknown, due_ms, receipt, note, started_ms, finished_ms,"
      " latency_ms, outcome, text FROM outbox WHERE incident_id = ? ORDER BY id");
  query.text(id);
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) return deliveries;
    DeliveryRecord delivery;
    TC_TRY(delivery.row, read_row(query, messages));
    if (const auto started = query.optional_integer_at(7)) {
      delivery.attempts.push_back(
          {1, base::wall_time(*started), to_time(query.optional_integer_at(8)),
           base::Duration{query.integer_at(9)}, query.text_at(10), query.text_at(11)});
    }
    TC_TRY(add_attempts(delivery));
    deliveries.push_back(std::move(delivery));
  }
}

Result<std::uint64_t> StateTables::prune(WallTime before, WallTime decisions_before) {
  // What has lost its incident follows; an unsent message stays until it is sent and the next
  // prune.
  static constexpr const char* kFollowers[] = {
      "DELETE FROM events WHERE incident_id NOT IN (SELECT id FROM incidents)",
      "DELETE FROM outbox WHERE state <> 'pending'"
      " AND incident_id NOT IN (SELECT id FROM incidents)",
      "DELETE FROM messages WHERE id NOT IN (SELECT id FROM outbox)",
      "DELETE FROM attempts WHERE row_id NOT IN (SELECT id FROM outbox)",
  };
  Writing transaction(*this);
  TC_TRY(transaction.begin());
  TC_TRY(incidents_.all_out());
  TC_TRY(fresh_.all_out());
  {
    Statement remove = database_.statement("DELETE FROM incidents WHERE resolved_ms < ?");
    TC_TRY(remove.integer(base::to_ms(before)).run());
  }
  const auto pruned = static_cast<std::uint64_t>(database_.changes());
  for (const char* sql : kFollowers) {
    Statement statement = database_.statement(sql);
    TC_TRY(statement.run());
  }
  TC_TRY(history_.prune(decisions_before));
  TC_TRY(transaction.commit());
  return pruned;
}

base::Result<std::unique_ptr<BlockingStore::Copy>> StateTables::begin_copy(
    const std::string& path) {
  class TablesCopy final : public Copy {
   public:
    explicit TablesCopy(std::unique_ptr<DatabaseCopy> copy) : copy_(std::move(copy)) {}
    base::Result<bool> step() override { return copy_->step(); }

   private:
    std::unique_ptr<DatabaseCopy> copy_;
  };
  TC_TRY(auto copy, DatabaseCopy::begin(database_, path));
  return std::unique_ptr<Copy>(std::make_unique<TablesCopy>(std::move(copy)));
}

}  // namespace tocsin::state
