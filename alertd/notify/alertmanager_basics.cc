// Mail, webhook and incident.io of alertmanager.yml.

#include <fmt/core.h>

#include "alertd/notify/alertmanager_reader.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

// "Name <address>" and several, separated by commas.
std::vector<std::string> addresses(config::Table& table, const std::string& text) {
  std::vector<std::string> list;
  for (std::string_view part : base::split(text, ',')) {
    part = base::trim(part);
    if (const std::size_t open = part.find('<');
        open != std::string_view::npos && part.ends_with('>')) {
      part = part.substr(open + 1, part.size() - open - 2);
    }
    if (part.empty()) continue;
    if (!is_address(part)) {
      table.error("to", fmt::format("to: \"{}\" is not a mail address", part));
    }
    list.emplace_back(part);
  }
  return list;
}

void read_smarthost(config::Table& table, const std::string& text, net::SmtpServer& server) {
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : base::parse_u64(std::string_view(text).substr(colon + 1));
  if (!port || *port == 0 || *port > 65535 || colon == 0) {
    table.error("smarthost", fmt::format("smarthost \"{}\" is not HOST:PORT", text),
                "mail.example.org:587");
    return;
  }
  server.host = text.substr(0, colon);
  if (server.host.starts_with('[') && server.host.ends_with(']')) {
    server.host = server.host.substr(1, server.host.size() - 2);
  }
  server.port = static_cast<unsigned short>(*port);
}

void read_headers(config::Table table, const ReadContext& context, ChannelSettings& channel) {
  for (const std::string& name : table.keys()) {
    const std::string text = template_text(table, name, "", context);
    const std::string lower = base::to_lower(name);
    if (lower == "subject") {
      channel.templates.title = text;
    } else if (lower == "from" || lower == "to" || lower == "date" || lower == "message-id" ||
               lower == "content-type" || lower == "mime-version") {
      table.warning(name, fmt::format("header '{}' is written by tocsin itself", name));
    } else if (has_control(name) || name.find_first_of(": ") != std::string::npos) {
      table.error(name, "is not a header name");
    } else {
      channel.templates.fields["header." + name] = text;
    }
  }
}

void read_email(config::Table& table, const AlertmanagerContext& context,
                ChannelSettings& channel) {
  const AlertmanagerGlobal& global = context.global;
  EmailSettings email;
  email.server = global.smtp;
  const std::string to = table.required_string("to");
  if (to.find("{{") != std::string::npos) {
    table.error("to", "recipients must be written out, not made by a template",
                "labels must not decide who gets mail: use one receiver for each team");
  } else {
    email.to = addresses(table, to);
  }
  email.from = table.string("from", global.smtp_from);
  require(table, "from", !email.from.empty(), "smtp_from");
  if (const auto from =
          email.from.empty() ? std::vector<std::string>{} : addresses(table, email.from);
      !from.empty()) {
    email.from = from.front();
  }
  if (const std::string host = table.string("smarthost", ""); !host.empty()) {
    read_smarthost(table, host, email.server);
  } else {
    require(table, "smarthost", global.has_smarthost, "smtp_smarthost");
  }
  email.server.hello = table.string("hello", email.server.hello);
  email.server.user = table.string("auth_username", email.server.user);
  email.server.password = alertmanager_secret(table, "auth_password", email.server.password);
  email.server.password = alertmanager_secret(table, "auth_secret", email.server.password);
  table.string("auth_identity", "");
  // Port 465 is TLS from the first byte, as Alertmanager takes it.
  const bool secure = table.boolean("require_tls", email.server.tls_mode != net::SmtpTls::None);
  const bool implicit = table.boolean("force_implicit_tls", email.server.port == 465);
  email.server.tls_mode = implicit ? net::SmtpTls::Implicit
                          : secure ? net::SmtpTls::StartTls
                                   : net::SmtpTls::None;
  if (!email.server.user.empty() && email.server.tls_mode == net::SmtpTls::None) {
    table.error("require_tls", "a password must not go over an unencrypted connection",
                "remove require_tls: false, or auth_username");
  }
  if (table.has("tls_config")) email.server.tls = alertmanager_tls(table.table("tls_config"));
  channel.templates.title = "{{ template \"email.default.subject\" . }}";
  channel.templates.html =
      template_text(table, "html", "{{ template \"email.default.html\" . }}", context.read);
  channel.templates.text = template_text(table, "text", "", context.read);
  if (table.has("headers")) read_headers(table.table("headers"), context.read, channel);
  if (table.has("threading")) {
    table.node("threading");  // all mails of an incident are one thread anyway
  }
  channel.kind = std::move(email);
}

void read_webhook(config::Table& table, const AlertmanagerContext& context,
                  ChannelSettings& channel) {
  WebhookSettings webhook;
  webhook.as_alertmanager = true;
  webhook.url = alertmanager_secret(table, "url").reveal();
  require(table, "url", !webhook.url.empty(), "");
  read_webhook_url(table, context.read, webhook, channel.templates);
  const HttpAccess access = alertmanager_http(table, context.global.access);
  webhook.headers = access.headers;
  webhook.bearer_token = access.bearer_token;
  webhook.user = access.user;
  webhook.password = access.password;
  webhook.tls = access.tls;
  webhook.alerts_max = static_cast<std::size_t>(table.integer("max_alerts", 0, 0, 1'000'000));
  alertmanager_timeout(table, channel);
  if (table.has("payload")) {
    channel.templates.fields["payload"] = template_text(table, "payload", "", context.read);
  }
  channel.kind = std::move(webhook);
}

// incident.io takes Alertmanager's webhook, with a token.
void read_incidentio(config::Table& table, const AlertmanagerContext& context,
                     ChannelSettings& channel) {
  WebhookSettings webhook;
  webhook.as_alertmanager = true;
  webhook.url = alertmanager_secret(table, "url").reveal();
  require(table, "url", !webhook.url.empty(), "");
  check_url(table, "url", webhook.url);
  const HttpAccess access = alertmanager_http(table, context.global.access);
  webhook.headers = access.headers;
  webhook.tls = access.tls;
  webhook.bearer_token = alertmanager_secret(table, "alert_source_token", access.bearer_token);
  require(table, "alert_source_token", !webhook.bearer_token.empty(), "");
  webhook.alerts_max = static_cast<std::size_t>(table.integer("max_alerts", 0, 0, 1'000'000));
  alertmanager_timeout(table, channel);
  channel.kind = std::move(webhook);
}

constexpr AlertmanagerKind kKinds[] = {
    {"email_configs", "email", false, read_email},
    {"webhook_configs", "webhook", true, read_webhook},
    {"incidentio_configs", "incidentio", true, read_incidentio},
};

}  // namespace

std::span<const AlertmanagerKind> alertmanager_basic_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
