// What the notifier records at one moment: many attempts, written in one transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "alertd/incident/state_records.h"

namespace tocsin::incident {

struct AttemptStart {
  std::int64_t row_id = 0;
  std::uint32_t attempt = 0;  ///< From 1.
  base::WallTime at;
};

/// A row that ends without an attempt of its own.
struct SettledRow {
  std::int64_t row_id = 0;
  DeliveryState state = DeliveryState::Superseded;  ///< Never Pending.
  std::string text;                                 ///< Why, for people; OutboxRow::note.
};

/// Written in the order of the members.
struct DeliveryBatch {
  std::vector<SettledRow> settled;
  std::vector<AttemptStart> started;
  std::vector<AttemptResult> finished;
  std::vector<Notification> outbox;  ///< As StateChange::outbox.
};

/// What became of each part, in the order of the batch. Errors: those of attempt_started and
/// attempt_finished; for a settled row NotFound (no such row), InvalidArgument (it ended
/// otherwise).
struct DeliveryBatchOutcome {
  std::vector<base::Result<void>> settled;
  std::vector<base::Result<void>> started;
  std::vector<base::Result<void>> finished;
};

}  // namespace tocsin::incident
