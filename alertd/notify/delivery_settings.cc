#include "alertd/notify/delivery_settings.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/channels.h"
#include "alertd/notify/receivers.h"
#include "common/base/strings.h"

namespace tocsin::notify {

DeliverySettings read_delivery(config::Table& table) {
  DeliverySettings delivery;
  delivery.failover = table.string("failover", "");
  if (!delivery.failover.empty() && delivery.failover.find('/') == std::string::npos) {
    table.error("failover", fmt::format("failover \"{}\" is no channel", delivery.failover),
                "write receiver and channel: failover = \"ops/email\"");
  }
  delivery.failover_after = static_cast<std::uint32_t>(
      table.integer("failover_after", delivery.failover_after, 1, 1'000));
  delivery.breaker_failures = static_cast<std::uint32_t>(
      table.integer("breaker_failures", delivery.breaker_failures, 0, 1'000));
  delivery.summary = table.boolean("summary", delivery.summary);
  delivery.summary_after = table.duration("summary_after", delivery.summary_after);
  if (delivery.summary_after < base::Duration{1000}) {
    table.error("summary_after", "summary_after must be at least 1s",
                "summary = false switches summaries off");
  }
  return delivery;
}

DeliveryPolicy read_delivery_policy(config::Table& table) {
  DeliveryPolicy policy;
  policy.fallback = table.string("fallback", "");
  const std::string unsent = table.one_of("resolved_unsent", "drop", {"drop", "send"});
  policy.unsent_resolved = unsent == "send" ? UnsentResolved::Send : UnsentResolved::Drop;
  const std::string at = table.string("proof", "off");
  const std::string zone_name = table.string("proof_time_zone", "UTC");
  auto zone = timezone::Zone::find(zone_name);
  if (!zone) table.error("proof_time_zone", zone.error().message);
  if (at == "off") return policy;
  const auto minutes = timezone::parse_time_of_day(at);
  if (!minutes || *minutes >= std::chrono::hours(24)) {
    table.error("proof", fmt::format("proof \"{}\" is no time of the day", at),
                "write proof = \"09:00\", or \"off\"");
  } else if (zone) {
    policy.proof = ProofSettings{*minutes, std::move(*zone)};
  }
  return policy;
}

std::string failover_mistake(const std::string& receiver, const DeliverySettings& delivery,
                             const NotifySettings& settings) {
  if (delivery.failover.find('/') == std::string::npos) return {};  // none, or said already
  std::vector<std::string> names;
  for (const ReceiverSettings& each : settings.receivers) {
    for (const ChannelSettings& channel : each.channels) names.push_back(full_name(channel));
  }
  if (std::find(names.begin(), names.end(), delivery.failover) == names.end()) {
    const auto close = base::closest(delivery.failover, names);
    return fmt::format("failover \"{}\" is not configured{}", delivery.failover,
                       close ? fmt::format("; did you mean \"{}\"?", *close) : "");
  }
  if (delivery.failover.starts_with(receiver + "/")) {
    return fmt::format("failover \"{}\" is of the same receiver: it gets every message anyway",
                       delivery.failover);
  }
  return {};
}

}  // namespace tocsin::notify
