// Settings of the chat channels: [[receiver.teams]], [[receiver.telegram]] and so on.
//
// Each names one place: a channel, a room, a topic, a person. Tokens and addresses that are as good
// as tokens are secrets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/secret.h"
#include "common/net/http_client.h"
#include "common/net/irc_client.h"
#include "common/net/xmpp/xmpp_client.h"

namespace tocsin::notify {

/// Slack's Web API: a bot with chat:write. (With an incoming webhook: SlackSettings.)
struct SlackApiSettings {
  std::string api_url;  ///< "https://slack.com/api"
  base::Secret token;
  std::string channel;  ///< "C0123..." or "#ops"
  std::string username;
  std::string icon_emoji;
  net::TlsOptions tls;
};

/// A workflow "when a webhook request is received" of Microsoft Teams.
struct TeamsSettings {
  base::Secret url;
  net::TlsOptions tls;
};

/// Mattermost: by incoming webhook (`url`), or as a bot (`server_url`, `token`, `channel_id`).
struct MattermostSettings {
  base::Secret url;
  std::string channel;   ///< With a webhook: another channel than the webhook's own.
  std::string username;  ///< With a webhook.
  std::string server_url;
  base::Secret token;
  std::string channel_id;
  net::TlsOptions tls;
};

struct RocketChatSettings {
  std::string server_url;
  std::string user_id;
  base::Secret token;
  std::string channel;  ///< "#ops", "@ada" or a room's id.
  net::TlsOptions tls;
};

/// A channel's webhook of Discord.
struct DiscordSettings {
  base::Secret url;
  std::string thread_id;  ///< A thread of that channel; empty: the channel itself.
  std::string username;
  net::TlsOptions tls;
};

struct TelegramSettings {
  std::string api_url;  ///< "https://api.telegram.org", or a server of one's own.
  base::Secret token;
  std::string chat_id;        ///< "-100123..." or "@channel"
  std::int64_t topic_id = 0;  ///< message_thread_id of a forum's topic; 0: none.
  net::TlsOptions tls;
};

struct MatrixSettings {
  std::string homeserver_url;
  base::Secret token;
  std::string room_id;  ///< "!opaque:example.org"
  net::TlsOptions tls;
};

/// A space's webhook of Google Chat.
struct GoogleChatSettings {
  base::Secret url;
  net::TlsOptions tls;
};

struct ZulipSettings {
  std::string server_url;
  std::string email;  ///< The bot's.
  base::Secret api_key;
  std::string stream;
  std::string topic;  ///< Empty: a topic for each incident.
  net::TlsOptions tls;
};

/// A channel or a person on an IRC server.
struct IrcSettings {
  net::IrcServer server;
  std::string target;  ///< "#ops" or a nick.
  base::Secret key;    ///< Of the channel.
  std::size_t lines_max = 6;
};

/// A person or a room on an XMPP server.
struct XmppSettings {
  net::XmppAccount account;
  std::string to;
  bool is_room = false;
  std::string nick;
  base::Secret room_password;
};

}  // namespace tocsin::notify
