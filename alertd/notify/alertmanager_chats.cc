// Slack of alertmanager.yml.

#include <fmt/core.h>

#include "alertd/notify/alertmanager_reader.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

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
  if (table.has("actions")) {
    table.node("actions");
    table.warning("actions", "'actions' of Slack are not sent",
                  "put links into the text: <https://...|words>");
  }
  channel.kind = std::move(slack);
}

constexpr AlertmanagerKind kKinds[] = {
    {"slack_configs", "slack", false, read_slack},
};

}  // namespace

std::span<const AlertmanagerKind> alertmanager_chat_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
