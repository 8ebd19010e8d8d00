// What the state store answers; state_store.h says how it is asked.
#pragma once

#include "alertd/incident/state_change.h"
#include "common/base/shared_text.h"

namespace tocsin::incident {

/// Where a delivery stands.
enum class DeliveryState {
  Pending,
  Delivered,
  Dead,
  Superseded,  ///< Never sent: a newer message took its place.
};

/// Returns "pending", "delivered", "dead" or "superseded".
std::string_view to_string(DeliveryState state);
std::optional<DeliveryState> parse_delivery_state(std::string_view text);

/// One message on its way.
struct OutboxRow {
  std::int64_t id = 0;  ///< Grows in order of commit.
  Notification notification;
  DeliveryState state = DeliveryState::Pending;
  std::uint32_t attempts = 0;  ///< Started so far.
  /// An attempt was started and its end was never recorded (crash): the receiver may have it
  /// already.
  bool outcome_unknown = false;
  base::WallTime due;
  std::string receipt;  ///< What the channel returned last; empty: nothing.
  std::string note;     ///< Superseded: why.
};

/// More incidents are never listed at once.
inline constexpr std::size_t kIncidentsMax = 1000;
/// More lines of the decision log or the audit trail, or receipts, are never listed at once.
inline constexpr std::size_t kLogRowsMax = 10'000;
inline constexpr std::size_t kReceiptsMax = 1000;
/// What is kept of an attempt's text, in bytes.
inline constexpr std::size_t kAttemptTextMax = 1024;
/// A larger receipt is left out, which the attempt's text then says.
inline constexpr std::size_t kReceiptBytesMax = 2048;

/// Returns what AttemptRecord::outcome says: "delivered", "retry", "dead" or "superseded".
std::string_view attempt_outcome(DeliveryState state);

/// A row that waits to be sent. Its message stays bytes, which are a third of it, until its turn.
struct WaitingRow {
  std::int64_t id = 0;
  base::SharedText message;  ///< As append_bytes writes it, and sound.
  NotificationHead head;     ///< Of `message`: its texts live as long as a copy of that.
  std::uint32_t attempts = 0;
  bool outcome_unknown = false;  ///< As in OutboxRow.
  base::WallTime due;
};

/// Returns the row as pending_after() does, for stores that do not keep bytes.
WaitingRow waiting_row(const OutboxRow& row);

/// How one attempt ended.
struct AttemptResult {
  std::int64_t row_id = 0;
  std::uint32_t attempt = 0;                     ///< As given to attempt_started.
  DeliveryState state = DeliveryState::Pending;  ///< Pending: try again at next_due.
  base::WallTime next_due;                       ///< Only for Pending.
  base::WallTime finished_at;
  base::Duration latency{0};
  std::string text;     ///< For people: "HTTP 503", "accepted as 1.2.3". At most 1 KiB is kept.
  std::string receipt;  ///< Of the channel, for its later messages: a Slack "ts". Opaque.
};

/// Returns the attempt's text as it is kept: cut, and with a word on a receipt that is too large.
std::string attempt_text(const AttemptResult& result);
/// Returns the receipt as it is kept: empty if it is larger than kReceiptBytesMax.
std::string kept_receipt(const AttemptResult& result);

/// One attempt, for the timeline.
struct AttemptRecord {
  std::uint32_t attempt = 0;
  base::WallTime started_at;
  std::optional<base::WallTime> finished_at;  ///< Missing: the outcome is unknown.
  base::Duration latency{0};
  std::string outcome;  ///< "delivered", "retry", "dead"; empty if unknown.
  std::string text;
};

struct DeliveryRecord {
  OutboxRow row;
  std::vector<AttemptRecord> attempts;
};

struct IncidentDetail {
  IncidentRecord incident;
  std::vector<TimelineEvent> timeline;
  std::vector<DeliveryRecord> deliveries;
};

struct IncidentQuery {
  std::optional<IncidentState> state;
  bool unresolved_only = false;
  std::optional<model::Severity> severity;
  std::optional<std::int64_t> number_below;  ///< For paging: only older ones.
  std::size_t limit = 100;                   ///< At most 1000.
};

struct DecisionQuery {
  std::string subject;  ///< Empty: every one; so are the next two.
  std::string fingerprint;
  std::string incident_id;
  std::optional<base::WallTime> from;  ///< Inclusive.
  std::optional<base::WallTime> to;    ///< Exclusive.
  std::size_t limit = 100;             ///< At most kLogRowsMax.
};

struct AuditQuery {
  std::string object;  ///< Empty: every one; so is the next.
  std::string actor;
  std::optional<base::WallTime> from;        ///< Inclusive.
  std::optional<base::WallTime> to;          ///< Exclusive.
  std::optional<std::int64_t> number_below;  ///< For paging: only older ones.
  std::size_t limit = 100;                   ///< At most kLogRowsMax.
};

struct ReceiptQuery {
  std::string incident_id;
  std::string receiver;  ///< Empty: every one; so is the next.
  std::string channel;
};

struct Receipt {
  std::int64_t row_id = 0;
  std::string receiver;
  std::string channel;
  std::uint64_t sequence = 0;  ///< Of the message.
  std::string receipt;
};

/// Who may write.
struct Lease {
  std::string holder;       ///< Empty: nobody.
  std::uint64_t epoch = 0;  ///< Grows with each acquisition.
  bool held = false;        ///< By the store that was asked.
};

/// Errors: InvalidArgument (empty or long holder, or a duration outside 1 s to 1 h).
base::Result<void> check_lease(std::string_view holder, base::Duration duration);

/// Everything needed to go on after a restart.
struct LoadedState {
  std::vector<Record> alerts;
  std::vector<Record> groups;
  std::vector<IncidentRecord> incidents;  ///< Unresolved, or resolved since the asked time.
  std::int64_t last_incident_number = 0;  ///< Never used again, even if that incident was pruned.
  std::vector<KeptRecord> records;        ///< By kind and key.
};

}  // namespace tocsin::incident
