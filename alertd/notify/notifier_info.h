// What the notifier answers when people ask: how channels are doing, what they would say, what a
// test came to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "alertd/notify/message.h"
#include "common/base/time.h"

namespace tocsin::notify {

/// What a test message came to.
struct TestResult {
  bool delivered = false;
  std::string detail;
  base::Duration took{0};
};

/// How a channel is doing, for people.
struct ChannelInfo {
  std::string name;   ///< "receiver/channel"
  std::string state;  ///< "ok", "failing", "open" (given up for the moment), "half_open", "paused"
  std::size_t waiting = 0;
  std::size_t in_flight = 0;
  std::string failover;
  std::optional<base::WallTime> last_delivered;  ///< The channel is proven to work since then.
  std::optional<base::WallTime> last_failed;
  std::string last_error;
  std::uint64_t delivered = 0;  ///< Since the start of the daemon; so is the next.
  std::uint64_t failed = 0;
};

struct PreviewQuery {
  std::string channel;   ///< "receiver/channel"
  std::string incident;  ///< Empty: the newest, or a sample if there is none.
  std::string text;      ///< Template in place of the configured text; empty: that.
};

struct Preview {
  std::string of;  ///< "T-1042, firing"
  Message message;
};

}  // namespace tocsin::notify
