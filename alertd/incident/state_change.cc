#include "alertd/incident/state_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/byte_codec.h"
#include "common/base/hash.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

namespace {

Result<void> fits(std::string_view what, std::size_t size, std::size_t limit) {
  if (size <= limit) return base::ok();
  return base::error(ErrorCode::LimitExceeded,
                     fmt::format("{} is {} bytes, limit {}", what, size, limit));
}

Result<void> check_key(std::string_view what, const std::string& key, std::size_t limit) {
  if (key.empty()) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("a {} has an empty key", what));
  }
  return fits(fmt::format("the key of a {}", what), key.size(), limit);
}

Result<void> check_records(std::string_view what, const std::vector<Record>& records) {
  for (const Record& record : records) {
    TC_TRY(check_key(what, record.key, kKeyBytesMax));
    TC_TRY(fits(fmt::format("{} '{}'", what, record.key), record.body.size(), kBodyBytesMax));
  }
  return base::ok();
}

Result<void> check_kept(const KeptRecord& record) {
  const bool named = !record.kind.empty() && record.kind.size() <= kKindBytesMax &&
                     std::all_of(record.kind.begin(), record.kind.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  if (!named) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("kind '{}' is not 1 to {} lower-case letters and '_'",
                                   clipped(record.kind, kKindBytesMax), kKindBytesMax));
  }
  TC_TRY(check_key(record.kind, record.key, kKeptKeyBytesMax));
  return fits(fmt::format("{} '{}'", record.kind, record.key), record.body.size(),
              kKeptBodyBytesMax);
}

/// Unambiguous: no two lists of fields give the same text.
void append_field(std::string& text, std::string_view field) {
  text += std::to_string(field.size());
  text += ':';
  text += field;
}

void append_field(std::string& text, std::int64_t number) {
  append_field(text, std::to_string(number));
}

}  // namespace

Result<void> check(const StateChange& change) {
  TC_TRY(check_records("alert", change.alerts_upsert));
  TC_TRY(check_records("group", change.groups_upsert));
  for (const KeptRecord& record : change.records_upsert) TC_TRY(check_kept(record));
  for (const IncidentRecord& record : change.incidents_upsert) {
    TC_TRY(fits(fmt::format("incident {}", record.id),
                record.body.size() + record.group_key.size() + record.title.size(), kBodyBytesMax));
  }
  return fits("the id of a change", change.id.size(), kLogNameBytesMax);
}

std::string change_id(const StateChange& change) {
  if (!change.id.empty()) return change.id;
  // Line by line: a storm has megabytes of them, and what it is compared with is the change before.
  std::uint64_t hash = 0;
  std::uint32_t sum = 0;
  std::string text;
  for (const DecisionRecord& record : change.decisions) {
    text.clear();
    base::put_raw(hash, text);
    append_field(text, base::to_ms(record.at));
    for (const auto* field : {&record.subject, &record.fingerprint, &record.incident_id,
                              &record.reason, &record.text}) {
      append_field(text, *field);
    }
    append_field(text, record.sent ? 1 : 0);
    hash = base::xxh64(text);
    sum = base::crc32(text, sum);
  }
  std::string id = fmt::format("{:016x}{:08x}{:x}", hash, sum, change.decisions.size());
  if (change.audit.empty()) return id;
  // The trail of what was done is compared with all of it.
  for (const AuditRecord& record : change.audit) id += audit_hash({}, 0, record);
  return base::sha256_hex(id).substr(0, 32);
}

std::string clipped(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  // A byte 10xxxxxx continues a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

DecisionRecord clipped(DecisionRecord record) {
  record.subject = clipped(record.subject, kSubjectBytesMax);
  for (auto* field : {&record.fingerprint, &record.incident_id, &record.reason}) {
    *field = clipped(*field, kLogNameBytesMax);
  }
  record.text = clipped(record.text, kLogTextBytesMax);
  return record;
}

AuditRecord clipped(AuditRecord record) {
  for (auto* field : {&record.actor, &record.source, &record.action, &record.object}) {
    *field = clipped(*field, kLogNameBytesMax);
  }
  record.text = clipped(record.text, kLogTextBytesMax);
  return record;
}

std::string audit_hash(std::string_view previous, std::int64_t number, const AuditRecord& record) {
  std::string text;
  append_field(text, previous);
  append_field(text, number);
  append_field(text, base::to_ms(record.at));
  for (const auto* field :
       {&record.actor, &record.source, &record.action, &record.object, &record.text}) {
    append_field(text, *field);
  }
  return base::sha256_hex(text);
}

bool AuditChain::add(const StoredAudit& row) {
  if (verdict_.first_broken) return false;
  const std::int64_t expected = verdict_.rows + 1;
  if (row.number != expected) {
    verdict_.first_broken = expected;
    verdict_.text = fmt::format("line {} is missing: line {} follows line {}", expected, row.number,
                                verdict_.rows);
    return false;
  }
  if (row.hash != audit_hash(previous_, row.number, row.record)) {
    verdict_.first_broken = row.number;
    verdict_.text = fmt::format("line {} was changed, or the one before it", row.number);
    return false;
  }
  previous_ = row.hash;
  verdict_.rows = row.number;
  return true;
}

AuditVerdict AuditChain::finish(std::int64_t last_number) {
  if (!verdict_.first_broken && verdict_.rows < last_number) {
    verdict_.first_broken = verdict_.rows + 1;
    verdict_.text =
        fmt::format("lines {} to {} are missing at the end", verdict_.rows + 1, last_number);
  }
  return verdict_;
}

}  // namespace tocsin::incident
