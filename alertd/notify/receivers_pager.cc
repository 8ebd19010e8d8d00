// Readers of the channels that wake people or pass the alert on.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/channel_reader.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

// An address of a service, without a slash at the end.
std::string read_url(config::Table& table, std::string_view default_value) {
  std::string url = table.string("url", default_value);
  while (url.ends_with('/')) url.pop_back();
  if (url.empty()) table.error("url", "'url' is missing");
  check_url(table, "url", url);
  return url;
}

HttpAccess read_access(config::Table& table) {
  HttpAccess access;
  access.tls = read_tls(table);
  if (auto token = table.secret("bearer_token")) access.bearer_token = *token;
  access.user = table.string("user", "");
  if (auto password = table.secret("password")) access.password = *password;
  if (!access.user.empty() && !access.bearer_token.empty()) {
    table.error("user", "user and bearer_token exclude each other");
  }
  if (has_control(access.user) || access.user.find(':') != std::string::npos) {
    table.error("user", "user must not contain ':' or control characters");
  }
  if (access.user.empty() != access.password.empty()) {
    table.error("user", "user and password belong together", "add password_file");
  }
  return access;
}

// A short text that goes into a header, a form or a path.
std::string read_plain(config::Table& table, std::string_view key, std::string text) {
  if (has_control(text)) {
    table.error(key, fmt::format("{} must not contain control characters", key));
    text.clear();
  }
  return text;
}

void read_pagerduty(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  PagerDutySettings pagerduty;
  pagerduty.url = read_url(table, pagerduty.url);
  pagerduty.routing_key = required_secret(table, "routing_key", "/etc/tocsin/pagerduty.key");
  pagerduty.source = table.string("source", "");
  pagerduty.component = table.string("component", "");
  pagerduty.group = table.string("group", "");
  pagerduty.event_class = table.string("class", "");
  pagerduty.access.tls = read_tls(table);
  channel.kind = std::move(pagerduty);
}

void read_opsgenie(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  OpsgenieSettings opsgenie;
  opsgenie.url = read_url(table, opsgenie.url);
  opsgenie.api_key = required_secret(table, "api_key", "/etc/tocsin/opsgenie.key");
  opsgenie.responders = table.strings("responders");
  for (const std::string& one : opsgenie.responders) {
    const std::string type = one.substr(0, one.find(':'));
    const bool known =
        type == "team" || type == "user" || type == "escalation" || type == "schedule";
    if (!known || one.size() <= type.size() + 1) {
      table.error("responders", fmt::format("responder \"{}\" is not TYPE:NAME", one),
                  "types are team, user, escalation, schedule: \"team:dba\"");
    }
  }
  opsgenie.tags = table.strings("tags");
  opsgenie.source = table.string("source", opsgenie.source);
  opsgenie.entity = table.string("entity", "");
  opsgenie.access.tls = read_tls(table);
  channel.kind = std::move(opsgenie);
}

void read_ntfy(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  NtfySettings ntfy;
  ntfy.url = read_url(table, ntfy.url);
  ntfy.topic = table.required_string("topic");
  const bool plain = std::all_of(ntfy.topic.begin(), ntfy.topic.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!plain || ntfy.topic.size() > 64) {
    table.error("topic", "a topic is 1 to 64 letters, digits, '-' and '_'");
  }
  ntfy.tags = table.strings("tags");
  for (const std::string& tag : ntfy.tags) {
    if (has_control(tag) || tag.find(',') != std::string::npos) {
      table.error("tags", "a tag must not contain commas or control characters");
    }
  }
  ntfy.access = read_access(table);
  channel.kind = std::move(ntfy);
}

void read_pushover(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  PushoverSettings pushover;
  pushover.url = read_url(table, pushover.url);
  pushover.token = required_secret(table, "token", "/etc/tocsin/pushover.token");
  pushover.user = required_secret(table, "user", "/etc/tocsin/pushover.user");
  pushover.device = table.string("device", "");
  pushover.sound = table.string("sound", "");
  pushover.emergency = table.boolean("emergency", true);
  pushover.retry = table.duration("retry", pushover.retry);
  pushover.expire = table.duration("expire", pushover.expire);
  if (pushover.retry < std::chrono::seconds(30)) {
    table.error("retry", "retry must be at least 30s: Pushover refuses less");
  }
  if (pushover.expire > std::chrono::hours(3) || pushover.expire < pushover.retry) {
    table.error("expire", "expire must be at most 3h, and not below retry");
  }
  pushover.tls = read_tls(table);
  channel.kind = std::move(pushover);
}

SmsText read_sms(config::Table& table) {
  SmsText sms;
  sms.segments_max = static_cast<std::size_t>(table.integer("segments_max", 3, 1, 10));
  return sms;
}

// International form, as both services want it.
void check_number(config::Table& table, std::string_view key, const std::string& number) {
  const std::string_view digits = std::string_view(number).substr(number.starts_with('+') ? 1 : 0);
  const bool good = digits.size() >= 3 && digits.size() <= 15 &&
                    digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!good) {
    table.error(key, fmt::format("{}: \"{}\" is not a telephone number", key, number),
                "write it with the country: \"+491700000000\"");
  }
}

void read_twilio(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  TwilioSettings twilio;
  twilio.url = read_url(table, twilio.url);
  twilio.account_sid = table.required_string("account_sid");
  if (twilio.account_sid.find_first_not_of(
          "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") !=
      std::string::npos) {
    table.error("account_sid", "account_sid holds only letters and digits");
  }
  twilio.auth_token = required_secret(table, "auth_token", "/etc/tocsin/twilio.token");
  twilio.from = read_plain(table, "from", table.required_string("from"));
  twilio.to = table.required_string("to");
  if (!twilio.to.empty()) check_number(table, "to", twilio.to);
  twilio.sms = read_sms(table);
  twilio.tls = read_tls(table);
  channel.kind = std::move(twilio);
}

void read_kannel(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  KannelSettings kannel;
  kannel.url = read_url(table, "");
  if (kannel.url.find('?') != std::string::npos) {
    table.error("url", "url must end with the path: the parameters are added",
                "http://127.0.0.1:13013/cgi-bin/sendsms");
  }
  kannel.user = table.required_string("user");
  kannel.password = required_secret(table, "password", "/etc/tocsin/kannel.password");
  kannel.from = read_plain(table, "from", table.string("from", ""));
  kannel.to = table.strings("to");
  if (kannel.to.empty()) table.error("to", "'to' is missing", "add to = [\"+491700000000\"]");
  for (const std::string& number : kannel.to) check_number(table, "to", number);
  kannel.smsc = read_plain(table, "smsc", table.string("smsc", ""));
  kannel.sms = read_sms(table);
  kannel.tls = read_tls(table);
  channel.kind = std::move(kannel);
}

void read_alertmanager(config::Table& table, const ReadContext&, ChannelSettings& channel) {
  AlertmanagerSettings upstream;
  upstream.urls = table.strings("urls");
  if (upstream.urls.empty()) {
    table.error("urls", "'urls' is missing",
                "add urls = [\"http://am1:9093\", \"http://am2:9093\"]");
  }
  for (std::string& url : upstream.urls) {
    while (url.ends_with('/')) url.pop_back();
    check_url(table, "urls", url);
    if (url.find("/api/v") != std::string::npos) {
      table.error("urls", "urls name the peers without the path /api/v2");
    }
  }
  upstream.resend = table.duration("resend", upstream.resend);
  upstream.keep = table.duration("keep", upstream.keep);
  if (upstream.resend < base::Duration{1000}) table.error("resend", "resend must be at least 1s");
  if (upstream.keep < 3 * upstream.resend) {
    table.error("keep", "keep must be at least three times resend",
                "else one lost post resolves what still fires");
  }
  upstream.access = read_access(table);
  channel.kind = std::move(upstream);
}

void read_command(config::Table& table, const ReadContext& context, ChannelSettings& channel) {
  CommandSettings command;
  command.command = table.strings("command");
  if (command.command.empty()) {
    table.error("command", "'command' is missing", "add command = [\"/usr/local/bin/page\"]");
  } else if (!command.command[0].starts_with('/')) {
    table.error("command", fmt::format("\"{}\" is not an absolute path", command.command[0]),
                "there is no shell and no search path: [\"/usr/local/bin/page\", \"--now\"]");
  }
  for (const std::string& argument : command.command) {
    if (argument.find("{{") != std::string::npos) {
      table.error("command", "arguments are fixed: templates are not expanded",
                  "the command gets the alerts as JSON on its standard input");
    }
  }
  if (!context.allow_commands) {
    table.error("command", "commands are off",
                "set allow_commands = true in [notify] if whoever writes this file may run "
                "programs as tocsin");
  }
  channel.kind = std::move(command);
}

constexpr KindReader kKinds[] = {
    {"pagerduty", true, read_pagerduty},
    {"opsgenie", true, read_opsgenie},
    {"ntfy", true, read_ntfy},
    {"pushover", true, read_pushover},
    {"twilio", true, read_twilio},
    {"kannel", true, read_kannel},
    {"alertmanager", false, read_alertmanager},
    {"command", false, read_command},
};

}  // namespace

std::span<const KindReader> pager_kinds() {
  return kKinds;
}

}  // namespace tocsin::notify
