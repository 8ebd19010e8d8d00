// A record of the log: key is the incident's id; number, group key, title, state, severity, peak
// severity, opened, updated, 1 and the time if it is resolved or else 0, body.

#include "alertd/state/incident_rows.h"

#include <algorithm>

#include "alertd/state/columns.h"
#include "common/base/byte_codec.h"

namespace tocsin::state {

using base::ByteReader;
using base::put_signed;
using base::put_text;
using base::put_varint;
using base::Result;
using incident::IncidentRecord;

namespace {

constexpr RecordLogSql kLog{
    "SELECT id, body FROM incident_log ORDER BY id", "SELECT body FROM incident_log WHERE id = ?",
    "INSERT INTO incident_log VALUES (?1, ?2)", "UPDATE incident_log SET body = ?2 WHERE id = ?1",
    "DELETE FROM incident_log WHERE id = ?"};

/// So many changed incidents become rows although nobody asks: the log is read at a start.
constexpr std::size_t kInLogMax = 200'000;

void put_record(const IncidentRecord& record, std::string& out) {
  put_signed(base::as_u64(record.number), out);
  put_text(record.group_key, out);
  put_text(record.title, out);
  put_text(to_string(record.state), out);
  put_varint(static_cast<std::uint64_t>(record.severity), out);
  put_varint(static_cast<std::uint64_t>(record.peak_severity), out);
  put_time(record.opened_at, out);
  put_time(record.updated_at, out);
  put_varint(record.resolved_at ? 1 : 0, out);
  if (record.resolved_at) put_time(*record.resolved_at, out);
  put_text(record.body, out);
}

Result<IncidentRecord> read_record(std::string_view id, std::string_view bytes) {
  ByteReader reader(bytes);
  IncidentRecord record;
  record.id = id;
  record.number = base::as_i64(reader.signed_varint());
  record.group_key = reader.text();
  record.title = reader.text();
  const auto state = incident::parse_incident_state(reader.text());
  TC_TRY(record.severity, to_severity(base::as_i64(reader.varint())));
  TC_TRY(record.peak_severity, to_severity(base::as_i64(reader.varint())));
  record.opened_at = take_time(reader);
  record.updated_at = take_time(reader);
  if (reader.varint() != 0) record.resolved_at = take_time(reader);
  record.body = reader.text();
  if (!state || !reader.ok()) return corrupt("the log of incident " + record.id + " is damaged");
  record.state = *state;
  return record;
}

}  // namespace

IncidentRows::IncidentRows(Database& database) : database_(database), log_(database, kLog) {}

Result<void> IncidentRows::put(const std::vector<IncidentRecord>& records) {
  if (records.empty()) return base::ok();
  std::int64_t last = 0;
  std::string bytes;
  for (const IncidentRecord& record : records) {
    bytes.clear();
    put_record(record, bytes);
    TC_TRY(log_.put(record.id, bytes));
    last = std::max(last, record.number);
  }
  return count(last);
}

// Numbers are not given again, whatever becomes of their incidents.
Result<void> IncidentRows::count(std::int64_t number) {
  if (number <= counted_) return base::ok();
  Statement counter = database_.statement(
      "INSERT INTO counters VALUES ('last_incident_number', ?1)"
      " ON CONFLICT (name) DO UPDATE SET value = max(value, ?1)");
  TC_TRY(counter.integer(number).run());
  counted_ = number;
  return base::ok();
}

Result<std::map<std::int64_t, IncidentRecord>> IncidentRows::changed() {
  std::map<std::int64_t, IncidentRecord> records;
  TC_TRY(log_.for_each([&records](std::string_view id, std::string_view bytes) -> Result<void> {
    TC_TRY(IncidentRecord record, read_record(id, bytes));
    const std::int64_t number = record.number;
    records.insert_or_assign(number, std::move(record));
    return base::ok();
  }));
  return records;
}

Result<bool> IncidentRows::all_are_out() {
  TC_TRY(const std::size_t size, log_.size());
  return size == 0;
}

Result<void> IncidentRows::all_out() {
  TC_TRY(log_.write());
  TC_TRY(log_.for_each([this](std::string_view id, std::string_view bytes) -> Result<void> {
    TC_TRY(const IncidentRecord record, read_record(id, bytes));
    return upsert(record);
  }));
  return log_.clear();
}

Result<void> IncidentRows::upsert(const IncidentRecord& record) {
  // Unlike a replacement this leaves the index entries alone that do not change.
  Statement upsert = database_.statement(
      "INSERT INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
      " ON CONFLICT (number) DO UPDATE SET id = ?2, group_key = ?3, title = ?4, state = ?5,"
      " severity = ?6, peak_severity = ?7, opened_ms = ?8, updated_ms = ?9, resolved_ms = ?10,"
      " body = ?11");
  upsert.integer(record.number).lasting(record.id).lasting(record.group_key);
  upsert.lasting(record.title);
  upsert.lasting(to_string(record.state)).integer(static_cast<int>(record.severity));
  upsert.integer(static_cast<int>(record.peak_severity)).integer(base::to_ms(record.opened_at));
  upsert.integer(base::to_ms(record.updated_at)).optional_integer(to_ms(record.resolved_at));
  return upsert.bytes(record.body).run();
}

Result<void> IncidentRows::write() {
  TC_TRY(const std::size_t size, log_.size());
  if (size > kInLogMax) TC_TRY(all_out());
  return log_.write();
}

void IncidentRows::forget() {
  log_.forget();
  counted_ = 0;
}

}  // namespace tocsin::state
