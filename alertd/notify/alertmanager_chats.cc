// The chat products of alertmanager.yml.

#include <fmt/core.h>

#include "alertd/notify/alertmanager_reader.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

// Known keys that have no place in our messages.
void not_sent(config::Table& table, std::initializer_list<const char*> keys,
              std::string_view product) {
  for (const char* key : keys) {
    if (!table.has(key)) continue;
    table.node(key);
    table.warning(key, fmt::format("'{}' of {} is not sent", key, product));
  }
}

void read_slack(config::Table& table, const AlertmanagerContext& context,
                ChannelSettings& channel) {
  SlackSettings slack;
  slack.url = alertmanager_secret(table, "api_url", context.global.slack_api_url);
  require(table, "api_url", !slack.url.empty(), "slack_api_url");
  check_url(table, "api_url", slack.url.reveal());
  slack.channel = table.string("channel", "");
  slack.tls = alertmanager_http(table, context.global.access).tls;
  alertmanager_timeout(table, channel);
  auto& templates = channel.templates;
  const auto text = [&](const char* key, std::string_view otherwise) {
    return template_text(table, key, otherwise, context.read);
  };
  templates.title = text("title", "{{ template \"slack.default.title\" . }}");
  templates.text = text("text", "");  // none: the built-in text, where Alertmanager leaves a gap
  templates.fields["fallback"] = text("fallback", "{{ template \"slack.default.fallback\" . }}");
  templates.fields["title_link"] =
      text("title_link", "{{ template \"slack.default.titlelink\" . }}");
  templates.fields["color"] =
      text("color", "{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}");
  templates.fields["username"] = text("username", "{{ template \"slack.default.username\" . }}");
  template_fields(table,
                  {"pretext", "footer", "icon_emoji", "icon_url", "image_url", "thumb_url",
                   "callback_id", "message_text"},
                  context.read, templates);
  std::size_t count = 0;
  for (config::Table& field : table.tables("fields")) {
    const std::string prefix = fmt::format("field.{:03}.", count++);
    for (const char* key : {"title", "value"}) {
      templates.fields[prefix + key] = template_text(field, key, "", context.read);
    }
    templates.fields[prefix + "short"] =
        field.boolean("short", table.boolean("short_fields", false)) ? "true" : "false";
    field.finish();
  }
  table.boolean("short_fields", false);
  table.boolean("link_names", false);
  table.node("mrkdwn_in");
  not_sent(table, {"actions"}, "Slack");
  channel.kind = std::move(slack);
}

void read_discord(config::Table& table, const AlertmanagerContext& context,
                  ChannelSettings& channel) {
  DiscordSettings discord;
  discord.url = alertmanager_secret(table, "webhook_url");
  require(table, "webhook_url", !discord.url.empty(), "");
  check_url(table, "webhook_url", discord.url.reveal());
  discord.username = table.string("username", "");
  discord.tls = alertmanager_http(table, context.global.access).tls;
  channel.templates.title =
      template_text(table, "title", "{{ template \"discord.default.title\" . }}", context.read);
  channel.templates.text =
      template_text(table, "message", "{{ template \"discord.default.message\" . }}", context.read);
  not_sent(table, {"content", "avatar_url"}, "Discord");
  channel.kind = std::move(discord);
}

void read_telegram(config::Table& table, const AlertmanagerContext& context,
                   ChannelSettings& channel) {
  TelegramSettings telegram;
  telegram.token = alertmanager_secret(table, "bot_token", context.global.telegram_bot_token);
  require(table, "bot_token", !telegram.token.empty(), "telegram_bot_token");
  telegram.chat_id = alertmanager_secret(table, "chat_id").reveal();
  require(table, "chat_id", !telegram.chat_id.empty(), "");
  telegram.api_url = alertmanager_url(table, "api_url", context.global.telegram_api_url);
  telegram.topic_id = table.integer("message_thread_id", 0, 0, INT64_MAX);
  telegram.tls = alertmanager_http(table, context.global.access).tls;
  channel.templates.text = template_text(
      table, "message", "{{ template \"telegram.default.message\" . }}", context.read);
  const std::string mode = table.string("parse_mode", "HTML");
  if (mode != "HTML" && !mode.empty()) {
    table.warning("parse_mode", fmt::format("parse_mode {} is not supported: plain text", mode));
  }
  not_sent(table, {"disable_notifications"}, "Telegram");
  channel.kind = std::move(telegram);
}

void read_teams(config::Table& table, const AlertmanagerContext& context,
                ChannelSettings& channel) {
  TeamsSettings teams;
  teams.url = alertmanager_secret(table, "webhook_url");
  require(table, "webhook_url", !teams.url.empty(), "");
  check_url(table, "webhook_url", teams.url.reveal());
  teams.tls = alertmanager_http(table, context.global.access).tls;
  channel.templates.title =
      template_text(table, "title", "{{ template \"msteamsv2.default.title\" . }}", context.read);
  channel.templates.text =
      template_text(table, "text", "{{ template \"msteamsv2.default.text\" . }}", context.read);
  channel.kind = std::move(teams);
}

void read_old_teams(config::Table& table, const AlertmanagerContext& context,
                    ChannelSettings& channel) {
  read_teams(table, context, channel);
  not_sent(table, {"summary"}, "Teams");
  table.warning("webhook_url", "messages are sent as Adaptive Cards, which connectors do not take",
                "make a workflow \"when a Teams webhook request is received\" and use its URL");
}

void read_rocketchat(config::Table& table, const AlertmanagerContext& context,
                     ChannelSettings& channel) {
  const AlertmanagerGlobal& global = context.global;
  RocketChatSettings rocket;
  rocket.server_url = alertmanager_url(table, "api_url", global.rocketchat_api_url);
  rocket.token = alertmanager_secret(table, "token", global.rocketchat_token);
  rocket.user_id = alertmanager_secret(table, "token_id", global.rocketchat_token_id).reveal();
  require(table, "token", !rocket.token.empty(), "rocketchat_token");
  require(table, "token_id", !rocket.user_id.empty(), "rocketchat_token_id");
  rocket.channel = table.required_string("channel");
  rocket.tls = alertmanager_http(table, global.access).tls;
  channel.templates.title =
      template_text(table, "title", "{{ template \"rocketchat.default.title\" . }}", context.read);
  channel.templates.text = template_text(table, "text", "", context.read);
  not_sent(table,
           {"title_link", "color", "emoji", "icon_url", "image_url", "thumb_url", "fields",
            "short_fields", "actions", "link_names"},
           "Rocket.Chat");
  channel.kind = std::move(rocket);
}

void read_mattermost(config::Table& table, const AlertmanagerContext& context,
                     ChannelSettings& channel) {
  MattermostSettings mattermost;
  mattermost.url = alertmanager_secret(table, "webhook_url", context.global.mattermost_webhook_url);
  require(table, "webhook_url", !mattermost.url.empty(), "mattermost_webhook_url");
  check_url(table, "webhook_url", mattermost.url.reveal());
  mattermost.channel = table.string("channel", "");
  mattermost.username = table.string("username", "");
  mattermost.tls = alertmanager_http(table, context.global.access).tls;
  channel.templates.title =
      template_text(table, "title", "{{ template \"mattermost.default.title\" . }}", context.read);
  channel.templates.text =
      template_text(table, "text", "{{ template \"mattermost.default.text\" . }}", context.read);
  not_sent(table,
           {"fallback", "color", "pretext", "author_name", "author_link", "author_icon",
            "title_link", "fields", "thumb_url", "footer", "footer_icon", "image_url", "icon_url",
            "icon_emoji", "attachments", "props", "priority"},
           "Mattermost");
  channel.kind = std::move(mattermost);
}

constexpr AlertmanagerKind kKinds[] = {
    {"slack_configs", "slack", false, read_slack},
    {"discord_configs", "discord", true, read_discord},
    {"telegram_configs", "telegram", true, read_telegram},
    {"msteams_configs", "msteams", true, read_old_teams},
    {"msteamsv2_configs", "msteamsv2", true, read_teams},
    {"rocketchat_configs", "rocketchat", false, read_rocketchat},
    {"mattermost_configs", "mattermost", true, read_mattermost},
};

}  // namespace

std::span<const AlertmanagerKind> alertmanager_chat_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
