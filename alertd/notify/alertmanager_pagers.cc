// PagerDuty, Opsgenie, Pushover, VictorOps and Webex of alertmanager.yml; and the kinds that have
// no way out here.

#include <fmt/core.h>

#include "alertd/notify/alertmanager_reader.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

void read_pagerduty(config::Table& table, const AlertmanagerContext& context,
                    ChannelSettings& channel) {
  PagerDutySettings pagerduty;
  pagerduty.key_by_group = true;
  pagerduty.routing_key = alertmanager_secret(table, "routing_key");
  if (table.has("service_key") || table.has("service_key_file")) {
    table.node("service_key");
    table.node("service_key_file");
    table.error("service_key", "'service_key' is of the Events API v1, which is not supported",
                "make an integration of the type \"Events API v2\" and use its routing_key");
  } else {
    require(table, "routing_key", !pagerduty.routing_key.empty(), "");
  }
  pagerduty.url = alertmanager_url(table, "url", context.global.pagerduty_url);
  pagerduty.access = alertmanager_http(table, context.global.access);
  alertmanager_timeout(table, channel);
  channel.templates.title = template_text(
      table, "description", "{{ template \"pagerduty.default.description\" . }}", context.read);
  template_fields(table, {"severity", "source", "component", "group", "class"}, context.read,
                  channel.templates);
  auto& fields = channel.templates.fields;
  if (fields.count("severity") == 0) fields["severity"] = "error";
  const auto with_default = [&](const char* key, const char* otherwise) {
    fields[key] = template_text(table, key, otherwise, context.read);
  };
  with_default("client", "{{ template \"pagerduty.default.client\" . }}");
  with_default("client_url", "{{ template \"pagerduty.default.clientURL\" . }}");
  fields["details.firing"] = "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}";
  fields["details.resolved"] = "{{ template \"pagerduty.default.instances\" .Alerts.Resolved }}";
  fields["details.num_firing"] = "{{ .Alerts.Firing | len }}";
  fields["details.num_resolved"] = "{{ .Alerts.Resolved | len }}";
  config::Table details = table.table("details");
  for (const std::string& name : details.keys()) {
    fields["details." + name] = template_text(details, name, "", context.read);
  }
  for (config::Table& image : table.tables("images")) {
    pagerduty.images[image.string("src", "")] = image.string("alt", "");
    image.node("href");
    image.finish();
  }
  for (config::Table& link : table.tables("links")) {
    const std::string href = link.string("href", "");
    check_url(link, "href", href);
    pagerduty.links[href] = link.string("text", "");
    link.finish();
  }
  channel.kind = std::move(pagerduty);
}

void read_opsgenie(config::Table& table, const AlertmanagerContext& context,
                   ChannelSettings& channel) {
  OpsgenieSettings opsgenie;
  opsgenie.key_by_group = true;
  opsgenie.api_key = alertmanager_secret(table, "api_key", context.global.opsgenie_api_key);
  require(table, "api_key", !opsgenie.api_key.empty(), "opsgenie_api_key");
  opsgenie.url = alertmanager_url(table, "api_url", context.global.opsgenie_api_url);
  opsgenie.access = alertmanager_http(table, context.global.access);
  channel.templates.title = template_text(
      table, "message", "{{ template \"opsgenie.default.message\" . }}", context.read);
  channel.templates.text = template_text(
      table, "description", "{{ template \"opsgenie.default.description\" . }}", context.read);
  auto& fields = channel.templates.fields;
  fields["source"] =
      template_text(table, "source", "{{ template \"opsgenie.default.source\" . }}", context.read);
  template_fields(table, {"entity", "tags", "note", "priority"}, context.read, channel.templates);
  config::Table details = table.table("details");
  for (const std::string& name : details.keys()) {
    fields["details." + name] = template_text(details, name, "", context.read);
  }
  for (config::Table& one : table.tables("responders")) {
    const std::string type = one.string("type", "team");
    std::string who = one.string("username", "");
    if (who.empty()) who = one.string("name", "");
    const std::string id = one.string("id", "");
    if (!id.empty()) {
      one.error("id", "responders go by name here", "write name, or username for a user");
    } else if (who.empty() || who.find("{{") != std::string::npos) {
      one.error("name", "a responder needs a fixed name");
    } else {
      opsgenie.responders.push_back(base::to_lower(type) + ':' + who);
    }
    one.node("username");
    one.node("name");
    one.finish();
  }
  table.boolean("update_alerts", false);
  if (table.has("actions")) {
    table.node("actions");
    table.warning("actions", "'actions' of Opsgenie are not sent");
  }
  channel.kind = std::move(opsgenie);
}

void read_pushover(config::Table& table, const AlertmanagerContext& context,
                   ChannelSettings& channel) {
  PushoverSettings pushover;
  pushover.user = alertmanager_secret(table, "user_key");
  pushover.token = alertmanager_secret(table, "token");
  require(table, "user_key", !pushover.user.empty(), "");
  require(table, "token", !pushover.token.empty(), "");
  channel.templates.title =
      template_text(table, "title", "{{ template \"pushover.default.title\" . }}", context.read);
  channel.templates.text = template_text(
      table, "message", "{{ template \"pushover.default.message\" . }}", context.read);
  auto& fields = channel.templates.fields;
  fields["url"] =
      template_text(table, "url", "{{ template \"pushover.default.url\" . }}", context.read);
  // Alertmanager rings for every firing group.
  fields["priority"] = template_text(
      table, "priority", "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}", context.read);
  template_fields(table, {"url_title", "sound"}, context.read, channel.templates);
  pushover.device = table.string("device", "");
  pushover.retry = table.duration("retry", base::Duration{60'000});
  pushover.expire = table.duration("expire", base::Duration{3'600'000});
  if (pushover.retry < std::chrono::seconds(30)) table.error("retry", "retry must be at least 30s");
  if (pushover.expire > std::chrono::hours(3)) table.error("expire", "expire must be at most 3h");
  table.duration("ttl", base::Duration{0});
  if (table.boolean("html", false) || table.boolean("monospace", false)) {
    table.warning("html", "messages are sent as plain text");
  }
  table.boolean("monospace", false);
  pushover.tls = alertmanager_http(table, context.global.access).tls;
  channel.kind = std::move(pushover);
}

// Two services whose API is one POST of JSON: a webhook with a payload of its own.
void read_victorops(config::Table& table, const AlertmanagerContext& context,
                    ChannelSettings& channel) {
  const base::Secret key = alertmanager_secret(table, "api_key", context.global.victorops_api_key);
  require(table, "api_key", !key.empty(), "victorops_api_key");
  const std::string url = alertmanager_url(table, "api_url", context.global.victorops_api_url);
  const std::string routing_key = table.required_string("routing_key");
  if (routing_key.find("{{") != std::string::npos) {
    table.error("routing_key", "routing_key must be fixed", "use one receiver for each");
  }
  std::string text;
  const auto define = [&](const char* name, const char* otherwise) {
    text += fmt::format("{{{{ define \"victorops.own.{}\" }}}}{}{{{{ end }}}}", name,
                        template_text(table, name, otherwise, context.read));
  };
  define("message_type", "CRITICAL");
  define("entity_display_name", "{{ template \"victorops.default.entity_display_name\" . }}");
  define("state_message", "{{ template \"victorops.default.state_message\" . }}");
  define("monitoring_tool", "{{ template \"victorops.default.monitoring_tool\" . }}");
  text +=
      R"({"message_type": {{ if eq .Status "firing" }}{{ tmpl "victorops.own.message_type" . | toJson }})"
      R"({{ else }}"RECOVERY"{{ end }}, "entity_id": {{ .GroupKey | toJson }}, )"
      R"("entity_display_name": {{ tmpl "victorops.own.entity_display_name" . | toJson }}, )"
      R"("state_message": {{ tmpl "victorops.own.state_message" . | toJson }}, )"
      R"("monitoring_tool": {{ tmpl "victorops.own.monitoring_tool" . | toJson }})";
  config::Table custom = table.table("custom_fields");
  for (const std::string& name : custom.keys()) {
    text += fmt::format("{{{{ define \"victorops.own.field.{}\" }}}}{}{{{{ end }}}}", name,
                        template_text(custom, name, "", context.read));
    text += fmt::format(", \"{0}\": {{{{ tmpl \"victorops.own.field.{0}\" . | toJson }}}}", name);
  }
  channel.templates.fields["payload"] = text + "}";
  WebhookSettings webhook;
  webhook.url = fmt::format("{}/{}/{}", url, net::percent_encode(key.reveal()),
                            net::percent_encode(routing_key));
  webhook.as_alertmanager = true;
  webhook.tls = alertmanager_http(table, context.global.access).tls;
  channel.kind = std::move(webhook);
}

void read_webex(config::Table& table, const AlertmanagerContext& context,
                ChannelSettings& channel) {
  WebhookSettings webhook;
  webhook.url = alertmanager_url(table, "api_url", context.global.webex_api_url);
  const HttpAccess access = alertmanager_http(table, context.global.access);
  webhook.bearer_token = access.bearer_token;
  webhook.tls = access.tls;
  require(table, "http_config", !webhook.bearer_token.empty(), "http_config with authorization");
  const std::string room = table.required_string("room_id");
  const std::string message =
      template_text(table, "message", "{{ template \"webex.default.message\" . }}", context.read);
  channel.templates.fields["payload"] = fmt::format(
      "{{{{ define \"webex.own.message\" }}}}{}{{{{ end }}}}"
      "{{\"markdown\": {{{{ tmpl \"webex.own.message\" . | toJson }}}}, \"roomId\": {{{{ `{}` | "
      "toJson }}}}}}",
      message, room);
  if (room.find('`') != std::string::npos) table.error("room_id", "room_id must not hold '`'");
  channel.kind = std::move(webhook);
}

void unsupported(config::Table& table, std::string_view what, const std::string& instead) {
  for (const std::string& key : table.keys()) table.node(key);
  table.error("", fmt::format("{} is not supported", what), instead);
}

void read_sns(config::Table& table, const AlertmanagerContext&, ChannelSettings&) {
  unsupported(table, "Amazon SNS",
              "subscribe SNS's mail-to-topic or a webhook of yours: webhook_configs");
}

void read_wechat(config::Table& table, const AlertmanagerContext&, ChannelSettings&) {
  unsupported(table, "WeChat", "use webhook_configs with a payload for a group robot");
}

void read_jira(config::Table& table, const AlertmanagerContext&, ChannelSettings&) {
  unsupported(table, "Jira", "use webhook_configs with Jira's automation trigger as url");
}

constexpr AlertmanagerKind kKinds[] = {
    {"pagerduty_configs", "pagerduty", true, read_pagerduty},
    {"opsgenie_configs", "opsgenie", true, read_opsgenie},
    {"pushover_configs", "pushover", true, read_pushover},
    {"victorops_configs", "victorops", true, read_victorops},
    {"webex_configs", "webex", true, read_webex},
    {"sns_configs", "sns", true, read_sns},
    {"wechat_configs", "wechat", false, read_wechat},
    {"jira_configs", "jira", true, read_jira},
};

}  // namespace

std::span<const AlertmanagerKind> alertmanager_pager_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
