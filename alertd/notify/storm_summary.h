// One message in place of many.
#pragma once

#include <vector>

#include "alertd/notify/delivery_queue.h"

namespace tocsin::notify {

/// Returns the message that tells of all of `told` (of one channel, at least one; a summary among
/// them is merged): "37 more incidents: 3 high, 34 low", the worst ones by name.
/// Its key follows from the newest row, so that it is the same after a crash.
incident::Notification make_summary(const std::vector<DeliveryPtr>& told, base::WallTime now);

}  // namespace tocsin::notify
