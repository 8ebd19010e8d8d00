// Channels: how they are doing, what they would say, and a fire drill.
#pragma once

#include <vector>

#include "alertd/api/channel_views.h"
#include "alertd/api/router.h"

namespace tocsin::api {

/// GET /api/v1/channels, POST /api/v1/notify/preview and POST /api/v1/drill.
/// `channels` outlives the routes.
std::vector<Route> channel_routes(ChannelDirectory& channels);

}  // namespace tocsin::api
