// What an HTTP exchange means for a delivery.
#pragma once

#include "alertd/notify/channel.h"
#include "common/net/http_client.h"

namespace tocsin::notify {

/// 2xx is delivered; 408, 425, 429, 5xx and lost connections are tried again; all else is permanent
/// (redirects too: they are not followed). A short plain answer such as "invalid_payload" is
/// quoted.
Outcome http_outcome(const base::Result<net::HttpResponse>& response, base::WallTime now);

}  // namespace tocsin::notify
