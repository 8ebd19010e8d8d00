// Which unsent messages of an incident need not be sent any more.
//
// Each message carries the whole state of its incident, so a newer one takes the place of an older
// one that the receiver does not have: nobody reads yesterday's news after today's, and nothing
// "fires" after it was "resolved". What is over before anybody could be told is told to nobody.
// An acknowledgement is never dropped for anything but another one.
#pragma once

#include <string>
#include <vector>

#include "alertd/notify/delivery_queue.h"
#include "alertd/notify/superseding_policy.h"

namespace tocsin::notify {

/// A row to be settled as superseded, and why.
struct Superseded {
  DeliveryPtr delivery;
  std::string why;  ///< "superseded by message 3 (update)", "resolved before it could be sent"
};

/// Returns whether the newer one, once it is there, leaves nothing to say for the older one.
bool may_replace(const Delivery& newer, const Delivery& older);

/// Returns the rows of the lane, given the oldest first, that are not to be sent; what they carried
/// is handed on to the rows that stay. Only rows that wait and that the receiver certainly does not
/// have. Source: shared/reference/routing.md, section 6, "Delivery".
std::vector<Superseded> supersede(const std::vector<DeliveryPtr>& lane,
                                  UnsentResolved unsent_resolved);

}  // namespace tocsin::notify
