#include "alertd/notify/superseding.h"

#include <fmt/core.h>

#include <algorithm>

namespace tocsin::notify {
namespace {

using incident::NotificationKind;

// An attempt without a known end may have reached the receiver: that row is sent again first.
bool unsent(const Delivery& delivery) {
  return delivery.phase == Phase::Waiting && !delivery.outcome_unknown;
}

// What the receiver knows is what it knew before the oldest of them.
void inherit(Delivery& newer, const Delivery& older) {
  newer.since = std::min(newer.since, older.since);
  newer.failures += older.failures;
  newer.opens = older.opens;
  newer.elsewhere = newer.elsewhere || older.elsewhere || older.failed_over;
}

// Nothing of it ever left, and what is said now is that it is over.
bool over_unseen(const Delivery& last) {
  return last.kind == NotificationKind::Resolved && last.unheard();
}

}  // namespace

bool may_replace(const Delivery& newer, const Delivery& older) {
  const NotificationKind kind = older.kind;
  if (kind == NotificationKind::Test || kind == NotificationKind::Summary) return false;
  // A day's report is not the next day's.
  if (kind == NotificationKind::Report || newer.kind == NotificationKind::Report) {
    return false;
  }
  const bool news = kind == NotificationKind::News;
  if (news != (newer.kind == NotificationKind::News)) return false;
  return kind != NotificationKind::Acknowledged || newer.kind == NotificationKind::Acknowledged;
}

std::vector<Superseded> supersede(const std::vector<DeliveryPtr>& lane,
                                  UnsentResolved unsent_resolved) {
  std::vector<Superseded> gone;
  std::vector<DeliveryPtr> stay;
  for (const DeliveryPtr& delivery : lane) {
    if (delivery->phase == Phase::Settling) continue;
    while (!stay.empty() && unsent(*delivery) && unsent(*stay.back()) &&
           may_replace(*delivery, *stay.back())) {
      const DeliveryPtr older = stay.back();
      stay.pop_back();
      inherit(*delivery, *older);
      gone.emplace_back(older, fmt::format("superseded by message {} ({})", delivery->sequence,
                                           to_string(delivery->kind)));
    }
    stay.push_back(delivery);
  }
  if (unsent_resolved == UnsentResolved::Drop && stay.size() == 1 && unsent(*stay.front()) &&
      over_unseen(*stay.front())) {
    for (Superseded& one : gone) one.why = "resolved before it could be sent";
    gone.emplace_back(stay.front(), gone.empty()
                                        ? "resolved, and all that came before was given up unsent"
                                        : "resolved before the first message could be sent");
  }
  return gone;
}

}  // namespace tocsin::notify
