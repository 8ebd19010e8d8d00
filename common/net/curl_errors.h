// What a request is told that is not made, by both of curl's runners (curl_pool.h, curl_loop.h).
// Internal to common/net.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::net {

/// Cancelled: the runner is going away.
inline base::Error stopped_error(const std::string& origin) {
  return base::error(base::ErrorCode::Cancelled,
                     fmt::format("request to {} given up: the client was stopped", origin));
}

/// Unavailable: so many are there already.
inline base::Error full_error(const std::string& origin, std::size_t jobs_max) {
  return base::error(
      base::ErrorCode::Unavailable,
      fmt::format("request to {} refused: {} requests are already waiting or running", origin,
                  jobs_max));
}

/// Timeout: its time was over before its turn.
inline base::Error queued_too_long_error(const std::string& origin, base::Duration timeout) {
  return base::error(base::ErrorCode::Timeout,
                     fmt::format("request to {} timed out after {} in the queue", origin,
                                 base::format_duration(timeout)));
}

/// Unavailable.
inline base::Error no_handle_error() {
  return base::error(base::ErrorCode::Unavailable, "out of memory for a curl handle");
}

}  // namespace tocsin::net
