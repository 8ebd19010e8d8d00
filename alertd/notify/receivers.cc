#include "alertd/notify/receivers.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/message.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kTemplateFileBytesMax = 1 << 20;

// Control characters would end the header or the SMTP line they are put into.
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

// Addresses that only ever name this machine's neighbours or a cloud's metadata service.
bool is_link_local(std::string_view host) {
  const std::string lower = base::to_lower(host);
  return lower.starts_with("169.254.") || lower.starts_with("[fe80:") ||
         lower.find("::ffff:169.254.") != std::string::npos ||
         lower.find("::ffff:a9fe:") != std::string::npos;
}

// Returns what is wrong with a URL, or "".
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
  // The URL itself may be a secret: it is not repeated in the message.
  const std::string mistake = url.empty() ? "" : url_mistake(url);
  if (!mistake.empty()) table.error(key, fmt::format("{} {}", key, mistake));
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

struct Smtp {
  net::SmtpServer server;
  std::string from;
  bool given = false;
};

Smtp read_smtp(config::Table& root) {
  Smtp smtp;
  smtp.given = root.has("smtp");
  config::Table table = root.table("smtp");
  if (!smtp.given) return smtp;
  smtp.server.host = table.required_string("host");
  const std::string tls = table.one_of("tls", "starttls", {"none", "starttls", "implicit"});
  smtp.server.tls_mode = tls == "none"       ? net::SmtpTls::None
                         : tls == "implicit" ? net::SmtpTls::Implicit
                                             : net::SmtpTls::StartTls;
  const std::int64_t port_default = tls == "implicit" ? 465 : tls == "none" ? 25 : 587;
  smtp.server.port = static_cast<unsigned short>(table.integer("port", port_default, 1, 65535));
  smtp.server.user = table.string("user", "");
  if (auto password = table.secret("password")) smtp.server.password = *password;
  smtp.server.hello = table.string("hello", "");
  smtp.server.tls = read_tls(table);
  smtp.from = table.required_string("from");
  if (!smtp.from.empty() && !is_address(smtp.from)) {
    table.error("from", fmt::format("from \"{}\" is not a mail address", smtp.from),
                "write only the address: tocsin@example.org");
  }
  if (!smtp.server.user.empty() && smtp.server.password.empty()) {
    table.error("user", "user is given without a password", "add password_file");
  }
  if (!smtp.server.user.empty() && smtp.server.tls_mode == net::SmtpTls::None) {
    table.error("tls", "a password must not go over an unencrypted connection",
                "use tls = \"starttls\" or remove user");
  }
  table.finish();
  return smtp;
}

EmailSettings read_email(config::Table& table, const Smtp& smtp) {
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
  return email;
}

WebhookSettings read_webhook(config::Table& table) {
  WebhookSettings webhook;
  if (table.has("url_file") || table.has("url_credential")) {
    if (const auto url = table.secret("url")) webhook.url = url->reveal();
  } else {
    webhook.url = table.required_string("url");
  }
  check_url(table, "url", webhook.url);
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
  webhook.alerts_max = static_cast<std::size_t>(table.integer("max_alerts", 0, 0, 100'000));
  webhook.tls = read_tls(table);
  return webhook;
}

SlackSettings read_slack(config::Table& table) {
  SlackSettings slack;
  if (auto url = table.secret("url")) {
    slack.url = *url;
    check_url(table, "url", slack.url.reveal());
  } else if (!table.has("url") && !table.has("url_file") && !table.has("url_credential")) {
    table.error("url", "'url' is missing", "add url_file = \"/etc/tocsin/slack.url\"");
  }
  slack.channel = table.string("channel", "");
  slack.username = table.string("username", "");
  slack.icon_emoji = table.string("icon_emoji", "");
  slack.tls = read_tls(table);
  return slack;
}

RateLimit read_rate(config::Table& table) {
  RateLimit rate;
  rate.per_minute = table.number("rate_per_minute", rate.per_minute);
  rate.burst = table.number("rate_burst", rate.burst);
  rate.critical_share = table.number("critical_share", rate.critical_share);
  if (!(rate.per_minute >= 0.1 && rate.per_minute <= 100'000)) {
    table.error("rate_per_minute", "rate_per_minute must be 0.1 to 100000");
    rate.per_minute = 60;
  }
  if (!(rate.burst >= 1 && rate.burst <= 100'000)) {
    table.error("rate_burst", "rate_burst must be 1 to 100000");
    rate.burst = 20;
  }
  if (!(rate.critical_share >= 0 && rate.critical_share <= 0.9)) {
    table.error("critical_share", "critical_share must be 0 to 0.9");
    rate.critical_share = 0.3;
  }
  return rate;
}

/// What all channels of a file share while they are read.
struct Shared {
  const Smtp& smtp;
  const std::vector<std::string>& definitions;
};

// "2:7: what" -> the place in the file, and "what".
void report_template(config::Table& table, std::string_view key, std::string_view message) {
  const config::Node* node = table.node(key);
  const std::size_t colon = message.find(':');
  const std::size_t space = message.find(": ", colon + 1);
  if (node == nullptr || space == std::string_view::npos) {
    table.error(key, fmt::format("{}: {}", key, message));
    return;
  }
  base::Position inside;
  inside.line = base::parse_u64(message.substr(0, colon)).value_or(1);
  inside.column = base::parse_u64(message.substr(colon + 1, space - colon - 1)).value_or(1);
  config::Context& context = table.context();
  const base::Position at =
      config::position_in(*node, config::offset_of(node->text, inside), context.source);
  context.diagnostics.push_back({base::DiagnosticSeverity::Error,
                                 context.source.file,
                                 at.line,
                                 at.column,
                                 fmt::format("{}: {}", key, message.substr(space + 2)),
                                 {}});
}

// Parses each text now, so that a slip shows at load and not with the first page.
void check_templates(config::Table& table, const ChannelSettings& channel, const Shared& shared) {
  for (const auto& [key, text] :
       {std::pair("title", &channel.templates.title), std::pair("text", &channel.templates.text),
        std::pair("html", &channel.templates.html)}) {
    if (text->empty()) continue;
    if (const auto parsed = parse_message_template(*text, shared.definitions); !parsed) {
      report_template(table, key, parsed.error().message);
    }
  }
}

ChannelSettings read_channel(config::Table& table, std::string_view type,
                             const std::string& name_default, const Shared& shared) {
  ChannelSettings channel;
  channel.name = table.string("name", name_default);
  if (channel.name.empty() || channel.name.size() > 64 || has_control(channel.name) ||
      channel.name.find('/') != std::string::npos) {
    table.error("name", "a channel's name is 1 to 64 characters without '/'");
  }
  channel.send_resolved = table.boolean("send_resolved", true);
  channel.timeout = table.duration("timeout", channel.timeout);
  if (channel.timeout < base::Duration{1000} || channel.timeout > base::Duration{120'000}) {
    table.error("timeout", "timeout must be 1s to 2m");
    channel.timeout = base::Duration{10'000};
  }
  channel.in_flight_max = static_cast<std::size_t>(table.integer("in_flight", 4, 1, 64));
  channel.rate = read_rate(table);
  if (type != "webhook") {
    channel.templates.title = table.string("title", "");
    channel.templates.text = table.string("text", "");
  }
  if (type == "email") {
    channel.templates.html = table.string("html", "");
    channel.kind = read_email(table, shared.smtp);
  } else if (type == "webhook") {
    channel.kind = read_webhook(table);
  } else {
    channel.kind = read_slack(table);
  }
  check_templates(table, channel, shared);
  table.finish();
  return channel;
}

void read_channels(config::Table& table, const Shared& shared, ReceiverSettings& receiver) {
  for (const char* type : {"email", "webhook", "slack"}) {
    std::size_t count = 0;
    for (config::Table& one : table.tables(type)) {
      ++count;
      const std::string name = count == 1 ? type : fmt::format("{}-{}", type, count);
      ChannelSettings channel = read_channel(one, type, name, shared);
      channel.receiver = receiver.name;
      const bool taken =
          std::any_of(receiver.channels.begin(), receiver.channels.end(),
                      [&](const ChannelSettings& other) { return other.name == channel.name; });
      if (taken) {
        one.error(
            "name",
            fmt::format("receiver '{}' has two channels named '{}'", receiver.name, channel.name),
            "give one of them another name");
      }
      receiver.channels.push_back(std::move(channel));
    }
  }
}

void read_notify(config::Table table, NotifySettings& settings) {
  config::Table deadline = table.table("deadline");
  for (const model::Severity severity : model::kSeverities) {
    const auto i = static_cast<std::size_t>(severity);
    const std::string key(model::to_string(severity));
    settings.deadlines[i] = deadline.duration(key, settings.deadlines[i]);
    if (settings.deadlines[i] < base::Duration{60'000}) {
      deadline.error(key, fmt::format("deadline for {} is shorter than a minute", key));
    }
  }
  deadline.finish();
  const std::string& file = table.context().source.file;
  const std::size_t slash = file.rfind('/');
  for (std::string path : table.strings("template_files")) {
    if (!path.starts_with('/') && slash != std::string::npos) {
      path = file.substr(0, slash + 1) + path;
    }
    auto text = table.context().files.read(path, kTemplateFileBytesMax);
    if (!text) {
      table.error("template_files", text.error().message);
    } else if (const auto parsed = parse_message_template(*text, {}); !parsed) {
      table.error("template_files", fmt::format("{}:{}", path, parsed.error().message));
    } else {
      settings.definitions.push_back(std::move(*text));
    }
  }
  table.finish();
}

}  // namespace

NotifySettings read_notify_settings(config::Table& root) {
  NotifySettings settings;
  const Smtp smtp = read_smtp(root);
  read_notify(root.table("notify"), settings);
  const Shared shared{smtp, settings.definitions};
  for (config::Table& table : root.tables("receiver")) {
    ReceiverSettings receiver;
    receiver.name = table.required_string("name");
    if (receiver.name.find('/') != std::string::npos || has_control(receiver.name)) {
      table.error("name", "a receiver's name must not contain '/' or control characters");
    }
    for (const ReceiverSettings& other : settings.receivers) {
      if (other.name == receiver.name) {
        table.error("name", fmt::format("receiver '{}' is defined twice", receiver.name),
                    "put all its channels under one [[receiver]]");
      }
    }
    read_channels(table, shared, receiver);
    if (receiver.channels.empty()) {
      table.warning("name",
                    fmt::format("receiver '{}' has no channel: it tells nobody", receiver.name),
                    "add [[receiver.email]], [[receiver.webhook]] or [[receiver.slack]]");
    }
    table.finish();
    settings.receivers.push_back(std::move(receiver));
  }
  return settings;
}

std::vector<std::string> receiver_names(const NotifySettings& settings) {
  std::vector<std::string> names;
  for (const ReceiverSettings& receiver : settings.receivers) names.push_back(receiver.name);
  return names;
}

std::map<std::string, std::vector<std::string>> channels_by_receiver(
    const NotifySettings& settings) {
  std::map<std::string, std::vector<std::string>> result;
  for (const ReceiverSettings& receiver : settings.receivers) {
    std::vector<std::string>& names = result[receiver.name];
    for (const ChannelSettings& channel : receiver.channels) names.push_back(channel.name);
  }
  return result;
}

}  // namespace tocsin::notify
