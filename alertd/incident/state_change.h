// What is committed to the state store: the rows, the change of one step, and the limits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/notification.h"
#include "common/base/result.h"

namespace tocsin::incident {

/// A stored thing that only its owner can read.
struct Record {
  std::string key;   ///< Alert: fingerprint in hexadecimal. Group: group key.
  std::string body;  ///< Bytes.
};

struct IncidentRecord {
  std::string id;           ///< "T-1042"
  std::int64_t number = 0;  ///< 1042
  std::string group_key;
  std::string title;
  IncidentState state = IncidentState::Open;
  model::Severity severity = model::Severity::Medium;
  model::Severity peak_severity = model::Severity::Medium;
  base::WallTime opened_at;
  base::WallTime updated_at;  ///< Lines of the timeline that change nothing else may be later.
  std::optional<base::WallTime> resolved_at;
  std::string body;  ///< Bytes; everything else.
};

/// One line of an incident's timeline. (incident_id, sequence) is unique.
struct TimelineEvent {
  std::string incident_id;
  std::uint64_t sequence = 0;  ///< From 1, in order; some are left out after a restart.
  base::WallTime at;
  std::string kind;   ///< "opened", "acknowledged", "notified", "delivered", ...
  std::string actor;  ///< A person or token; empty: the daemon itself.
  std::string text;   ///< For people.
};

/// A durable thing of the engine's: a silence, an override, an action item ... Upsert by
/// (kind, key).
struct KeptRecord {
  std::string kind;  ///< "silence", "maintenance", ...: lower-case letters and '_'.
  std::string key;
  std::string body;  ///< JSON.
};

struct KeptKey {
  std::string kind;
  std::string key;
};

/// Why something was sent or was not, kept for explain. Append-only.
struct DecisionRecord {
  base::WallTime at;
  std::string subject;      ///< Group key, or the alert's fingerprint.
  std::string fingerprint;  ///< Empty: about a whole group.
  std::string incident_id;  ///< Empty: none yet.
  bool sent = false;
  std::string reason;  ///< routing::to_string(Reason).
  std::string text;    ///< For people: "silence 4711 of ann until 14:00".
};

/// What somebody did. Append-only and hash-chained: see audit_hash().
struct AuditRecord {
  base::WallTime at;
  std::string actor;   ///< Person or token; empty: the daemon itself.
  std::string source;  ///< "api", "cli", "chat", "mail-link", ...
  std::string action;  ///< "acknowledge", "silence.create", ...
  std::string object;  ///< "T-1042", "silence:4711", ...
  std::string text;
};

/// Messages that a newer one replaces: pending rows of the incident, receiver and channel with a
/// smaller sequence, unless an attempt is under way or its outcome is unknown.
struct OutboxCancel {
  std::string incident_id;
  std::string receiver;  ///< Empty: every receiver.
  std::string channel;   ///< Empty: every channel.
  std::uint64_t before_sequence = 0;
  std::string text;  ///< Why, for people; kept with the row.
};

/// All that changes in one step of the engine. Committing the same change twice equals once.
struct StateChange {
  /// Identifies the change for its decisions and audit lines. Empty: a hash over them, so that the
  /// same lines at the same time are the same change.
  std::string id;
  std::vector<Record> alerts_upsert;
  std::vector<std::string> alerts_delete;
  std::vector<Record> groups_upsert;
  std::vector<std::string> groups_delete;
  std::vector<IncidentRecord> incidents_upsert;
  std::vector<TimelineEvent> events;
  std::vector<Notification>
      outbox;  ///< Due at created_at; a key that exists already is left as it is.
  std::vector<OutboxCancel> outbox_cancel;  ///< Applied before `outbox`.
  std::vector<KeptRecord> records_upsert;
  std::vector<KeptKey> records_delete;  ///< Applied after `records_upsert`.
  std::vector<DecisionRecord> decisions;
  std::vector<AuditRecord> audit;

  bool empty() const;
};

// Limits, in bytes. What is over the first group is refused; texts are cut.
inline constexpr std::size_t kBodyBytesMax = 16U
                                             << 20U;  ///< Of alerts, groups, incidents, messages.
inline constexpr std::size_t kKeptBodyBytesMax = 1U << 20U;
inline constexpr std::size_t kKeyBytesMax = 1U << 20U;  ///< Group keys hold label values.
inline constexpr std::size_t kKeptKeyBytesMax = 1024;
inline constexpr std::size_t kKindBytesMax = 64;
inline constexpr std::size_t kSubjectBytesMax = 16U << 10U;
inline constexpr std::size_t kLogNameBytesMax = 1024;  ///< The other fields but the text.
inline constexpr std::size_t kLogTextBytesMax = 4096;
/// Decisions kept at most, the newest.
inline constexpr std::int64_t kDecisionsKept = 2'000'000;

/// Says whether a store takes the change.
/// Errors: LimitExceeded (names the object and the limit), InvalidArgument (a kind that is not
/// lower-case letters and '_', an empty key).
base::Result<void> check(const StateChange& change);

/// Returns the change's id, or the hash that stands for it.
std::string change_id(const StateChange& change);

/// Returns at most `bytes_max` bytes of `text`, without half a character at the end.
std::string clipped(std::string_view text, std::size_t bytes_max);

/// Returns the line as it is kept: its fields cut to the limits.
DecisionRecord clipped(DecisionRecord record);
AuditRecord clipped(AuditRecord record);

/// Returns the hash of one line of the audit trail: SHA-256, in hexadecimal, over the hash before
/// (empty for number 1), the number, the time in milliseconds and the five texts in the order of
/// AuditRecord, each as "<length>:<bytes>". Stable for ever.
std::string audit_hash(std::string_view previous, std::int64_t number, const AuditRecord& record);

struct StoredAudit {
  std::int64_t number = 0;  ///< From 1, without gaps.
  AuditRecord record;
  std::string hash;  ///< audit_hash() of this row.
};

/// What verify_audit found.
struct AuditVerdict {
  std::int64_t rows = 0;                     ///< Sound ones before the first broken one.
  std::optional<std::int64_t> first_broken;  ///< Number of the row; missing: all are sound.
  std::string text;                          ///< For people: what is wrong with it.
};

/// Checks a trail row by row, oldest first; what verify_audit is made of.
class AuditChain {
 public:
  /// Returns whether the row is sound; false from the first broken one on.
  bool add(const StoredAudit& row);
  /// `last_number` is what the store counted at its last commit: missing rows at the end show.
  AuditVerdict finish(std::int64_t last_number);

 private:
  AuditVerdict verdict_;
  std::string previous_;
};

}  // namespace tocsin::incident
