// The notifier's own records; only notifier*.cc include this.
#pragma once

#include "alertd/notify/notifier.h"

namespace tocsin::notify {

/// Where a row stands in this process.
enum class Phase {
  Waiting,   ///< For its lane, its time, a slot or a token.
  Starting,  ///< The start of an attempt is being recorded.
  Sending,
  Recording,  ///< The outcome is being recorded.
};

struct Notifier::Delivery {
  incident::OutboxRow row;
  std::string channel_name;
  std::string lane;
  Phase phase = Phase::Waiting;
  base::MonotonicTime due{};
  base::MonotonicTime sent_at{};
  base::WallTime started_at{};
  std::uint32_t attempt = 0;
  std::uint32_t store_failures = 0;
  FailureReason failure = FailureReason::Unknown;  ///< Of the last attempt.
  base::TimerId watchdog = 0;
  bool holds_slot = false;
  std::shared_ptr<ChannelState> used;  ///< While an attempt runs: survives a reload.
};

/// Rows of one incident to one channel, oldest first.
struct Notifier::Lane {
  std::map<std::int64_t, DeliveryPtr> rows;
};

struct Notifier::ChannelState {
  ChannelSettings settings;
  std::shared_ptr<Channel> channel;
  TokenBucket bucket;
  std::size_t in_flight = 0;
  base::Counter rate_limited;
  base::Histogram latency;
  bool limited = false;  ///< Said already that messages wait for the rate.
};

struct Notifier::TestWaiter {
  std::function<void(base::Result<TestResult>)> done;
  base::MonotonicTime since{};
  base::TimerId timer = 0;
};

/// Counts messages given up.
base::Counter dead_letters(base::Metrics& metrics, const std::string& channel,
                           FailureReason reason);

inline constexpr base::Duration kTestDeadline{60'000};

}  // namespace tocsin::notify
