// Who can be told, and how: [smtp], [notify] and [[receiver]] of alertd.toml.
//
// Recipients and addresses are written here and nowhere else; no label, annotation or template can
// name another one.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "alertd/notify/basic_settings.h"
#include "alertd/notify/chat_settings.h"
#include "alertd/notify/delivery_settings.h"
#include "alertd/notify/pager_settings.h"
#include "common/base/time.h"
#include "common/config/table.h"
#include "common/model/severity.h"

namespace tocsin::notify {

/// How much a channel may send. Beyond it messages wait; none is lost.
struct RateLimit {
  double per_minute = 60;  ///< 0: no limit.
  double burst = 20;
  double critical_share = 0.3;  ///< Part of the burst that only Critical may use.
};

/// Texts in Go's template language; empty: the built-in text.
struct TemplateTexts {
  std::string title;
  std::string text;
  std::string html;  ///< E-mail only.
  /// Further texts by name, for kinds of channels that have more places to fill.
  std::map<std::string, std::string> fields = {};
};

/// Every kind of channel there is.
using ChannelKind =
    std::variant<EmailSettings, WebhookSettings, SlackSettings, SlackApiSettings, TeamsSettings,
                 MattermostSettings, RocketChatSettings, DiscordSettings, TelegramSettings,
                 MatrixSettings, GoogleChatSettings, ZulipSettings, IrcSettings, XmppSettings,
                 // pagers
                 PagerDutySettings, OpsgenieSettings, NtfySettings, PushoverSettings,
                 TwilioSettings, KannelSettings, AlertmanagerSettings, CommandSettings>;

struct ChannelSettings {
  std::string receiver;
  std::string name;  ///< Unique within the receiver; "email", "webhook-2" unless given.
  bool send_resolved = true;
  RateLimit rate;
  TemplateTexts templates;
  base::Duration timeout{10'000};
  std::size_t in_flight_max = 4;
  DeliverySettings delivery = {};
  ChannelKind kind;
};

struct ReceiverSettings {
  std::string name;
  std::vector<ChannelSettings> channels;
};

/// Everything the notifier is told. Copyable.
struct NotifySettings {
  std::vector<ReceiverSettings> receivers;
  std::string external_url;  ///< Without a slash at the end; set by the caller.
  /// Texts of the template files; their {{ define }}s are known to every template.
  std::vector<std::string> definitions;
  DeliveryPolicy delivery;
  bool allow_commands = false;  ///< Whether channels of the kind "command" may be configured.
  /// How long delivery is tried, by Severity; then the message is a dead letter.
  std::array<base::Duration, 4> deadlines{std::chrono::hours(6), std::chrono::hours(6),
                                          std::chrono::hours(12), std::chrono::hours(24)};
};

/// Reads the three tables and reports all mistakes, those in templates included.
NotifySettings read_notify_settings(config::Table& root);

std::vector<std::string> receiver_names(const NotifySettings& settings);

/// Receiver name -> names of its channels, in the order written.
std::map<std::string, std::vector<std::string>> channels_by_receiver(
    const NotifySettings& settings);

/// As channels_by_receiver, without channels that wake people or start programs: pagers, SMS, push
/// messages, another Alertmanager, commands.
std::map<std::string, std::vector<std::string>> quiet_channels_by_receiver(
    const NotifySettings& settings);

}  // namespace tocsin::notify
