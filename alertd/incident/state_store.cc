#include "alertd/incident/state_store.h"

#include <fmt/format.h>

#include <array>

#include "common/base/check.h"

namespace tocsin::incident {
namespace {

constexpr std::array<std::string_view, 4> kDeliveryStates{"pending", "delivered", "dead",
                                                          "superseded"};

}  // namespace

bool StateChange::empty() const {
  return alerts_upsert.empty() && alerts_delete.empty() && groups_upsert.empty() &&
         groups_delete.empty() && incidents_upsert.empty() && events.empty() && outbox.empty() &&
         outbox_cancel.empty() && records_upsert.empty() && records_delete.empty() &&
         decisions.empty() && audit.empty();
}

std::string_view to_string(DeliveryState state) {
  return kDeliveryStates[static_cast<std::size_t>(state)];
}

std::string_view attempt_outcome(DeliveryState state) {
  return state == DeliveryState::Pending ? "retry" : to_string(state);
}

std::optional<DeliveryState> parse_delivery_state(std::string_view text) {
  for (std::size_t i = 0; i < kDeliveryStates.size(); ++i) {
    if (kDeliveryStates[i] == text) return static_cast<DeliveryState>(i);
  }
  return std::nullopt;
}

WaitingRow waiting_row(const OutboxRow& row) {
  std::string bytes;
  append_bytes(row.notification, bytes);
  WaitingRow waiting{row.id,       base::SharedText(bytes), {},
                     row.attempts, row.outcome_unknown,     row.due};
  const auto head = head_from_bytes(waiting.message);
  TC_CHECK(head.has_value(), "a message that was put into bytes here");
  waiting.head = *head;
  return waiting;
}

std::string attempt_text(const AttemptResult& result) {
  if (result.receipt.size() <= kReceiptBytesMax) return clipped(result.text, kAttemptTextMax);
  const std::string note = fmt::format(" (receipt of {} bytes left out, limit {})",
                                       result.receipt.size(), kReceiptBytesMax);
  return clipped(result.text, kAttemptTextMax - note.size()) + note;
}

std::string kept_receipt(const AttemptResult& result) {
  return result.receipt.size() <= kReceiptBytesMax ? result.receipt : std::string();
}

base::Result<void> check_lease(std::string_view holder, base::Duration duration) {
  if (holder.empty() || holder.size() > kLogNameBytesMax) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("the holder of a lease has a name of 1 to {} bytes, not {}",
                                   kLogNameBytesMax, holder.size()));
  }
  if (duration >= std::chrono::seconds(1) && duration <= std::chrono::hours(1)) return base::ok();
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("a lease lasts 1 s to 1 h, not {} ms", duration.count()));
}

void StateStore::copy_to(std::string path, base::Executor& reply_on, Done<void> done) {
  reply_on.post([path = std::move(path), done = std::move(done)] {
    done(base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("this state is not kept in a file: no copy to {}", path)));
  });
}

}  // namespace tocsin::incident
