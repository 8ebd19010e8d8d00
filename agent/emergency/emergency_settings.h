// [emergency] of agent.toml: whom the agent calls itself when alertd is gone.
#pragma once

#include <optional>
#include <string>

#include "agent/emergency/bell.h"
#include "common/base/secret.h"
#include "common/config/table.h"
#include "common/net/http_client.h"

namespace tocsin::agent {

enum class EmergencyFormat {
  Webhook,  ///< JSON as Alertmanager's webhook, version 4.
  Slack,    ///< {"text": ...}: Slack, Mattermost, Rocket.Chat and what understands them.
  Text,     ///< The sentence itself: ntfy and the like.
};

struct EmergencySettings {
  std::string url;  ///< Only its origin may be shown.
  EmergencyFormat format = EmergencyFormat::Webhook;
  base::Secret token;  ///< Authorization: Bearer; empty: none.
  net::TlsOptions tls;
  BellTimes times;
};

/// Reads `[emergency]` (`url`, or `url_file`); nullopt without one. `interval` is that of the
/// agent's rounds: `after` cannot be less than three.
std::optional<EmergencySettings> read_emergency_settings(config::Table table,
                                                         base::Duration interval);

}  // namespace tocsin::agent
