// What an HTTP exchange means for a delivery.
#pragma once

#include "alertd/notify/channel.h"
#include "common/net/http_client.h"

namespace tocsin::notify {

/// 2xx is delivered; 408, 425, 429, 5xx and lost connections are tried again; all else is permanent
/// (redirects too: they are not followed). A short plain answer such as "invalid_payload" is
/// quoted. 401, 403, 407: Auth.
Outcome http_outcome(const base::Result<net::HttpResponse>& response, base::WallTime now);

/// Returns what a failed exchange (HTTP or SMTP) without any answer means.
FailureReason reason_of(base::ErrorCode code);

}  // namespace tocsin::notify
