// The parts that readers of channels share, and the readers of mail and webhook.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/channel_reader.h"
#include "alertd/notify/template_check.h"
#include "common/base/strings.h"
#include "common/config/text_error.h"

namespace tocsin::notify {
namespace {

// Addresses that only ever name this machine's neighbours or a cloud's metadata service.
bool is_link_local(std::string_view host) {
  const std::string lower = base::to_lower(host);
  return lower.starts_with("169.254.") || lower.starts_with("[fe80:") ||
         lower.find("::ffff:169.254.") != std::string::npos ||
         lower.find("::ffff:a9fe:") != std::string::npos;
}

void read_email(config::Table& table, const ReadContext& context, ChannelSettings& channel) {
  const Smtp& smtp = context.smtp;
  channel.templates.html = table.string("html", "");
  check_template(table, "html", channel.templates.html, context);
  EmailSettings email;
  email.server = smtp.server;
  email.from = table.string("from", smtp.from);
  if (!smtp.given) {
    table.error("to", "mail needs a server", "add [smtp] with host and from");
  }
  if (!email.from.empty() && !is_address(email.from)) {
    table.error("from", fmt::format("from \"{}\" is not a mail address", email.from));
  }
  email.to = table.strings("to");
  if (email.to.empty()) table.error("to", "'to' is missing", "add to = [\"ops@example.org\"]");
  for (const std::string& address : email.to) {
    if (!is_address(address)) {
      table.error("to", fmt::format("to: \"{}\" is not a mail address", address),
                  "write only the address: ops@example.org");
    }
  }
  channel.kind = std::move(email);
}

// Whose host comes from a label could be sent anywhere.
bool has_fixed_host(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t end = scheme == std::string_view::npos ? std::string_view::npos
                                                           : url.find_first_of("/?", scheme + 3);
  return url.find("{{") > end && end != std::string_view::npos;
}

void read_webhook(config::Table& table, const ReadContext& context, ChannelSettings& channel) {
  WebhookSettings webhook;
  if (table.has("url_file") || table.has("url_credential")) {
    if (const auto url = table.secret("url")) webhook.url = url->reveal();
  } else {
    webhook.url = table.required_string("url");
  }
  read_webhook_url(table, context, webhook, channel.templates);
  if (const auto payload = table.optional_string("payload")) {
    channel.templates.fields["payload"] = *payload;
    check_template(table, "payload", *payload, context);
  }
  for (const auto& [name, value] : table.string_map("headers")) {
    const std::string lower = base::to_lower(name);
    if (has_control(name) || has_control(value) || name.find(':') != std::string::npos) {
      table.error("headers", "headers must not contain control characters");
    } else if (lower.starts_with("x-tocsin-") || lower == "idempotency-key" ||
               lower == "content-type" || lower == "content-length" || lower == "host") {
      table.error("headers", fmt::format("header {} is set by tocsin itself", name));
    } else {
      webhook.headers.emplace_back(name, value);
    }
  }
  if (auto secret = table.secret("secret")) webhook.secret = *secret;
  if (auto token = table.secret("bearer_token")) webhook.bearer_token = *token;
  webhook.user = table.string("user", "");
  if (auto password = table.secret("password")) webhook.password = *password;
  if (webhook.user.empty() != webhook.password.empty() ||
      (!webhook.user.empty() && !webhook.bearer_token.empty())) {
    table.error("user", "user goes with password, and without bearer_token");
  }
  webhook.alerts_max = static_cast<std::size_t>(table.integer("max_alerts", 0, 0, 100'000));
  webhook.tls = read_tls(table);
  channel.kind = std::move(webhook);
}

constexpr KindReader kKinds[] = {
    {"email", true, read_email},
    {"webhook", false, read_webhook},
};

}  // namespace

std::span<const KindReader> basic_kinds() {
  return kKinds;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool is_address(std::string_view text) {
  const std::size_t at = text.rfind('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() && !has_control(text) &&
         text.find_first_of(" <>,;") == std::string_view::npos;
}

std::string url_mistake(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0) return "must begin with https:// or http://";
  std::string_view host = url.substr(scheme);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) return "must not contain user or password";
  if (host.empty() || has_control(url) || url.find(' ') != std::string_view::npos) {
    return "is not a URL";
  }
  if (is_link_local(host)) return "is a link-local address";
  return {};
}

void check_url(config::Table& table, std::string_view key, std::string_view url) {
  const std::string mistake = url.empty() ? "" : url_mistake(url);
  if (!mistake.empty()) table.error(key, fmt::format("{} {}", key, mistake));
}

void read_webhook_url(config::Table& table, const ReadContext& context, WebhookSettings& webhook,
                      TemplateTexts& templates) {
  const std::size_t brace = webhook.url.find("{{");
  check_url(table, "url", webhook.url.substr(0, brace));
  if (brace == std::string::npos) return;
  if (!has_fixed_host(webhook.url)) {
    table.error("url", "url must not take its host from a template",
                "templates may fill the path and the query: https://host/{{ .Receiver }}");
  }
  webhook.url_template = true;
  templates.fields["url"] = webhook.url;
  check_template(table, "url", webhook.url, context);
}

base::Secret required_secret(config::Table& table, const std::string& key,
                             std::string_view example) {
  if (auto secret = table.secret(key)) return *secret;
  if (!table.has(key) && !table.has(key + "_file") && !table.has(key + "_credential")) {
    table.error(key, fmt::format("'{}' is missing", key),
                fmt::format("add {}_file = \"{}\"", key, example));
  }
  return {};
}

net::TlsOptions read_tls(config::Table& table) {
  net::TlsOptions tls;
  tls.ca_file = table.string("ca_file", "");
  tls.client_cert_file = table.string("client_cert_file", "");
  tls.client_key_file = table.string("client_key_file", "");
  tls.insecure = table.boolean("tls_insecure", false);
  if (tls.client_cert_file.empty() != tls.client_key_file.empty()) {
    table.error("client_cert_file", "client_cert_file and client_key_file belong together");
  }
  if (tls.insecure) {
    table.warning("tls_insecure", "the other side's certificate is not checked",
                  "give its authority with ca_file instead");
  }
  return tls;
}

void check_template(config::Table& table, std::string_view key, const std::string& text,
                    const ReadContext& context) {
  if (text.empty()) return;
  if (const auto checked = check_message_template(text, context.definitions); !checked) {
    config::report_in_text(table, key, checked.error().message);
  }
}

}  // namespace tocsin::notify
