#include "alertd/incident/state_store.h"

#include <array>

namespace tocsin::incident {
namespace {

constexpr std::array<std::string_view, 3> kDeliveryStates{"pending", "delivered", "dead"};

}  // namespace

bool StateChange::empty() const {
  return alerts_upsert.empty() && alerts_delete.empty() && groups_upsert.empty() &&
         groups_delete.empty() && incidents_upsert.empty() && events.empty() && outbox.empty();
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

}  // namespace tocsin::incident
