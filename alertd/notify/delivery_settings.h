// What a channel does when messages fail or are too many, and what the notifier does for all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "alertd/notify/superseding_policy.h"
#include "common/base/time.h"
#include "common/config/table.h"
#include "common/timezone/zone.h"

namespace tocsin::notify {

struct NotifySettings;

/// Of one channel.
struct DeliverySettings {
  std::string failover;                ///< "receiver/channel" that gets copies; empty: none.
  std::uint32_t failover_after = 3;    ///< Failed attempts of a message before its copy goes.
  std::uint32_t breaker_failures = 5;  ///< In a row, until it is only probed; 0: always tried.
  bool summary = true;                 ///< Whether one message may tell of many.
  /// Messages that would wait longer than this for the rate are told by a summary.
  base::Duration summary_after{30'000};
};

/// When channels that carried nothing are proven to work.
struct ProofSettings {
  std::chrono::minutes at{0};  ///< Of the local day.
  timezone::Zone zone;
};

/// Of all channels.
struct DeliveryPolicy {
  std::string fallback;  ///< Receiver of alerts about failing messages when theirs fail too.
  UnsentResolved unsent_resolved = UnsentResolved::Drop;
  std::optional<ProofSettings> proof;
};

/// Reads the keys from a channel's table.
DeliverySettings read_delivery(config::Table& table);
/// Reads the keys from `[notify]`.
DeliveryPolicy read_delivery_policy(config::Table& table);

/// Returns what is wrong with a channel's failover among all channels, or "".
std::string failover_mistake(const std::string& receiver, const DeliverySettings& delivery,
                             const NotifySettings& settings);

}  // namespace tocsin::notify
