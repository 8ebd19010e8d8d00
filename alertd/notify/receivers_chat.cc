// The readers of the chat channels.
//
// What a product limits by itself (messages a minute) is the default of rate_per_minute; each
// message of ours may take two requests there, an edit and a line in the thread.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/channel_reader.h"
#include "common/base/strings.h"
#include "common/net/irc_format.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

void default_rate(config::Table& table, ChannelSettings& channel, double per_minute, double burst) {
  if (!table.has("rate_per_minute")) channel.rate.per_minute = per_minute;
  if (!table.has("rate_burst")) channel.rate.burst = burst;
}

base::Secret secret_url(config::Table& table, const std::string& key, std::string_view example) {
  base::Secret url = required_secret(table, key, example);
  check_url(table, key, url.reveal());
  return url;
}

// A server that paths are put after: without a slash at its end.
std::string server_url(config::Table& table, std::string_view key, std::string_view default_url) {
  std::string url =
      default_url.empty() ? table.required_string(key) : table.string(key, default_url);
  check_url(table, key, url);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// A secret that goes into a header or a path.
base::Secret token(config::Table& table, const std::string& key, std::string_view example) {
  base::Secret secret = required_secret(table, key, example);
  const std::string& text = secret.reveal();
  if (has_control(text) || text.find_first_of(" /?#") != std::string::npos) {
    table.error(key, fmt::format("{} holds a character that no such token has", key));
  }
  return secret;
}

std::string required_word(config::Table& table, std::string_view key) {
  std::string text = table.required_string(key);
  if (has_control(text)) table.error(key, fmt::format("{} holds a control character", key));
  return text;
}

void read_slack_webhook(config::Table& table, ChannelSettings& channel) {
  SlackSettings slack;
  slack.url = secret_url(table, "url", "/etc/tocsin/slack.url");
  slack.channel = table.string("channel", "");
  slack.username = table.string("username", "");
  slack.icon_emoji = table.string("icon_emoji", "");
  slack.tls = read_tls(table);
  channel.kind = std::move(slack);
}

bool given(config::Table& table, const std::string& key) {
  return table.has(key) || table.has(key + "_file") || table.has(key + "_credential");
}

void read_slack(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  if (!given(table, "token")) {
    read_slack_webhook(table, channel);
    return;
  }
  if (given(table, "url")) {
    table.error("url", "a webhook's url and a bot's token exclude each other",
                "with a token messages are kept up to date and have threads");
    table.secret("url");
  }
  SlackApiSettings slack;
  slack.api_url = server_url(table, "api_url", "https://slack.com/api");
  slack.token = token(table, "token", "/etc/tocsin/slack.token");
  slack.channel = required_word(table, "channel");
  slack.username = table.string("username", "");
  slack.icon_emoji = table.string("icon_emoji", "");
  slack.tls = read_tls(table);
  default_rate(table, channel, 30, 10);
  channel.kind = std::move(slack);
}

void read_teams(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  TeamsSettings teams;
  teams.url = secret_url(table, "url", "/etc/tocsin/teams.url");
  teams.tls = read_tls(table);
  channel.kind = std::move(teams);
}

void read_mattermost(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  MattermostSettings mattermost;
  if (table.has("server_url")) {
    mattermost.server_url = server_url(table, "server_url", "");
    mattermost.token = token(table, "token", "/etc/tocsin/mattermost.token");
    mattermost.channel_id = required_word(table, "channel_id");
    const bool known = mattermost.channel_id.size() == 26 || mattermost.channel_id.empty();
    if (!known) {
      table.error("channel_id", "a channel's id has 26 letters and digits",
                  "it is under 'View Info' of the channel");
    }
  } else {
    mattermost.url = secret_url(table, "url", "/etc/tocsin/mattermost.url");
    mattermost.channel = table.string("channel", "");
    mattermost.username = table.string("username", "");
  }
  mattermost.tls = read_tls(table);
  channel.kind = std::move(mattermost);
}

void read_rocketchat(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  RocketChatSettings rocket;
  rocket.server_url = server_url(table, "server_url", "");
  rocket.user_id = required_word(table, "user_id");
  rocket.token = token(table, "token", "/etc/tocsin/rocketchat.token");
  rocket.channel = required_word(table, "channel");
  rocket.tls = read_tls(table);
  channel.kind = std::move(rocket);
}

void read_discord(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  DiscordSettings discord;
  discord.url = secret_url(table, "url", "/etc/tocsin/discord.url");
  discord.thread_id = table.string("thread_id", "");
  if (!discord.thread_id.empty() && !base::parse_u64(discord.thread_id)) {
    table.error("thread_id", "thread_id is a number, written as a string");
  }
  discord.username = table.string("username", "");
  discord.tls = read_tls(table);
  default_rate(table, channel, 30, 5);
  channel.kind = std::move(discord);
}

void read_telegram(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  TelegramSettings telegram;
  telegram.api_url = server_url(table, "api_url", "https://api.telegram.org");
  telegram.token = token(table, "token", "/etc/tocsin/telegram.token");
  telegram.chat_id = required_word(table, "chat_id");
  if (!telegram.chat_id.empty() && !telegram.chat_id.starts_with('@') &&
      !base::parse_i64(telegram.chat_id)) {
    table.error("chat_id", "chat_id is a number or a channel's @name",
                "write it as a string: chat_id = \"-1001234567890\"");
  }
  telegram.topic_id = table.integer("topic_id", 0, 0, INT64_MAX);
  telegram.tls = read_tls(table);
  // A group takes 20 messages a minute.
  default_rate(table, channel, 10, 10);
  channel.kind = std::move(telegram);
}

void read_matrix(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  MatrixSettings matrix;
  matrix.homeserver_url = server_url(table, "homeserver_url", "");
  matrix.token = token(table, "token", "/etc/tocsin/matrix.token");
  matrix.room_id = required_word(table, "room_id");
  if (!matrix.room_id.empty() && !matrix.room_id.starts_with('!')) {
    table.error("room_id", "room_id begins with '!': the room's internal id, not its address",
                "it is in the room's settings under 'Advanced'");
  }
  matrix.tls = read_tls(table);
  channel.kind = std::move(matrix);
}

void read_googlechat(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  GoogleChatSettings google;
  google.url = secret_url(table, "url", "/etc/tocsin/googlechat.url");
  google.tls = read_tls(table);
  default_rate(table, channel, 60, 5);
  channel.kind = std::move(google);
}

void read_zulip(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  ZulipSettings zulip;
  zulip.server_url = server_url(table, "server_url", "");
  zulip.email = required_word(table, "email");
  zulip.api_key = token(table, "api_key", "/etc/tocsin/zulip.key");
  zulip.stream = required_word(table, "stream");
  zulip.topic = table.string("topic", "");
  if (zulip.topic.size() > 60) table.error("topic", "a topic has at most 60 characters");
  zulip.tls = read_tls(table);
  channel.kind = std::move(zulip);
}

// "host" or "host:port".
net::HostPort server_address(config::Table& table, std::string_view key, unsigned short port) {
  const std::string text = table.required_string(key);
  if (text.empty()) return {};
  if (text.find(':') == std::string::npos) return {text, port};
  auto parsed = net::parse_host_port(text);
  if (parsed) return *parsed;
  table.error(key, parsed.error().message);
  return {};
}

void read_irc(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  IrcSettings irc;
  irc.server.tls = table.boolean("tls", true);
  irc.server.address = server_address(table, "server", irc.server.tls ? 6697 : 6667);
  irc.server.tls_options = read_tls(table);
  irc.server.nick = table.string("nick", "tocsin");
  irc.server.user = table.string("user", "");
  if (auto password = table.secret("password")) irc.server.password = *password;
  irc.target = table.required_string("target");
  if (auto key = table.secret("key")) irc.key = *key;
  for (const auto& [key, text] :
       {std::pair("nick", &irc.server.nick), std::pair("target", &irc.target)}) {
    if (!text->empty() && !net::is_irc_target(*text)) {
      table.error(key, fmt::format("{} \"{}\" has a character that IRC does not take", key,
                                   base::escape_control(*text)));
    }
  }
  if (has_control(irc.server.password.reveal()) || has_control(irc.key.reveal()) ||
      irc.key.reveal().find(' ') != std::string::npos) {
    table.error("key", "password and key must not hold spaces or control characters");
  }
  if (!irc.server.user.empty() && irc.server.password.empty()) {
    table.error("user", "user is given without a password", "add password_file");
  }
  if (!irc.server.user.empty() && !irc.server.tls) {
    table.error("tls", "a user's password must not go over an unencrypted connection",
                "remove tls = false");
  }
  irc.lines_max = static_cast<std::size_t>(table.integer("max_lines", 4, 2, 20));
  if (!table.has("timeout")) channel.timeout = base::Duration{30'000};
  channel.in_flight_max = 1;
  channel.kind = std::move(irc);
}

void read_xmpp(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  XmppSettings xmpp;
  xmpp.account.jid = required_word(table, "jid");
  xmpp.account.password = required_secret(table, "password", "/etc/tocsin/xmpp.password");
  if (table.has("server")) {
    const net::HostPort server = server_address(table, "server", 5222);
    xmpp.account.host = server.host;
    xmpp.account.port = server.port;
  }
  xmpp.account.ca_file = table.string("ca_file", "");
  xmpp.account.insecure = table.boolean("tls_insecure", false);
  if (xmpp.account.insecure) {
    table.warning("tls_insecure", "the other side's certificate is not checked",
                  "give its authority with ca_file instead");
  }
  if (table.has("room") == table.has("to")) {
    table.error("to", "either 'to' (a person) or 'room' is needed",
                "room = \"ops@conference.example.org\"");
  }
  xmpp.is_room = table.has("room");
  xmpp.to = table.string(xmpp.is_room ? "room" : "to", "");
  xmpp.nick = table.string("nick", "tocsin");
  if (auto password = table.secret("room_password")) xmpp.room_password = *password;
  for (const auto& [key, text] :
       {std::pair("jid", &xmpp.account.jid), std::pair(xmpp.is_room ? "room" : "to", &xmpp.to)}) {
    const bool good = text->find('@') != std::string::npos && !has_control(*text) &&
                      text->find(' ') == std::string::npos;
    if (!text->empty() && !good) {
      table.error(
          key, fmt::format("{} \"{}\" is not an XMPP address", key, base::escape_control(*text)));
    }
  }
  if (!table.has("timeout")) channel.timeout = base::Duration{30'000};
  channel.in_flight_max = 1;
  channel.kind = std::move(xmpp);
}

constexpr KindReader kKinds[] = {
    {"slack", true, read_slack},
    {"teams", true, read_teams},
    {"mattermost", true, read_mattermost},
    {"rocketchat", true, read_rocketchat},
    {"discord", true, read_discord},
    {"telegram", true, read_telegram},
    {"matrix", true, read_matrix},
    {"googlechat", true, read_googlechat},
    {"zulip", true, read_zulip},
    {"irc", true, read_irc},
    {"xmpp", true, read_xmpp},
};

}  // namespace

std::span<const KindReader> chat_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
