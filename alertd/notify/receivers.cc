#include "alertd/notify/receivers.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/channel_reader.h"
#include "alertd/notify/message.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kTemplateFileBytesMax = 1 << 20;

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

RateLimit read_rate(config::Table& table) {
  RateLimit rate;
  rate.per_minute = table.number("rate_per_minute", rate.per_minute);
  rate.burst = table.number("rate_burst", rate.burst);
  rate.critical_share = table.number("critical_share", rate.critical_share);
  if (rate.per_minute != 0 && !(rate.per_minute >= 0.1 && rate.per_minute <= 100'000)) {
    table.error("rate_per_minute", "rate_per_minute must be 0.1 to 100000, or 0 for no limit");
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

ChannelSettings read_channel(config::Table& table, const KindReader& kind,
                             const std::string& name_default, const ReadContext& context) {
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
  channel.delivery = read_delivery(table);
  if (kind.texts) {
    channel.templates.title = table.string("title", "");
    channel.templates.text = table.string("text", "");
  }
  kind.read(table, context, channel);
  check_template(table, "title", channel.templates.title, context);
  check_template(table, "text", channel.templates.text, context);
  table.finish();
  return channel;
}

void read_kind(config::Table& table, const KindReader& kind, const ReadContext& context,
               ReceiverSettings& receiver) {
  std::size_t count = 0;
  for (config::Table& one : table.tables(kind.key)) {
    ++count;
    const std::string name = count == 1 ? kind.key : fmt::format("{}-{}", kind.key, count);
    ChannelSettings channel = read_channel(one, kind, name, context);
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

template <class Function>
void each_kind(Function function) {
  // One line for each family of channels.
  for (const KindReader& kind : basic_kinds()) function(kind);
  for (const KindReader& kind : chat_kinds()) function(kind);
  for (const KindReader& kind : pager_kinds()) function(kind);
}

void read_channels(config::Table& table, const ReadContext& context, ReceiverSettings& receiver) {
  each_kind([&](const KindReader& kind) { read_kind(table, kind, context, receiver); });
  const std::string failover = table.string("failover", "");
  for (ChannelSettings& channel : receiver.channels) {
    if (channel.delivery.failover.empty()) channel.delivery.failover = failover;
  }
}

// Names of channels and receivers are all known only now.
void check_detours(config::Table& root, const NotifySettings& settings) {
  if (base::has_errors(root.context().diagnostics)) return;
  std::size_t next = 0;
  for (config::Table& table : root.tables("receiver")) {
    const ReceiverSettings& receiver = settings.receivers[next++];
    std::size_t channel = 0;
    each_kind([&](const KindReader& kind) {
      for (config::Table& one : table.tables(kind.key)) {
        const DeliverySettings& delivery = receiver.channels[channel++].delivery;
        const std::string mistake = failover_mistake(receiver.name, delivery, settings);
        config::Table& place = one.has("failover") ? one : table;
        if (!mistake.empty()) place.error("failover", mistake);
      }
    });
  }
  const std::string& fallback = settings.delivery.fallback;
  const std::vector<std::string> names = receiver_names(settings);
  if (fallback.empty() || std::find(names.begin(), names.end(), fallback) != names.end()) return;
  const auto close = base::closest(fallback, names);
  root.table("notify").error("fallback",
                             fmt::format("fallback: there is no receiver '{}'", fallback),
                             close ? fmt::format("did you mean \"{}\"?", *close) : "");
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
  settings.delivery = read_delivery_policy(table);
  settings.allow_commands = table.boolean("allow_commands", false);
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
  const ReadContext context{smtp, settings.definitions, settings.allow_commands};
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
    read_channels(table, context, receiver);
    if (receiver.channels.empty()) {
      table.warning("name",
                    fmt::format("receiver '{}' has no channel: it tells nobody", receiver.name),
                    "add [[receiver.email]], [[receiver.webhook]], [[receiver.pagerduty]], ...");
    }
    table.finish();
    settings.receivers.push_back(std::move(receiver));
  }
  check_detours(root, settings);
  return settings;
}

std::vector<std::string> receiver_names(const NotifySettings& settings) {
  std::vector<std::string> names;
  for (const ReceiverSettings& receiver : settings.receivers) names.push_back(receiver.name);
  return names;
}

namespace {

template <class... Kinds>
bool is_one_of(const ChannelKind& kind) {
  return (std::holds_alternative<Kinds>(kind) || ...);
}

bool wakes(const ChannelKind& kind) {
  return is_one_of<PagerDutySettings, OpsgenieSettings, NtfySettings, PushoverSettings,
                   TwilioSettings, KannelSettings, AlertmanagerSettings, CommandSettings>(kind);
}

template <class Wanted>
std::map<std::string, std::vector<std::string>> channels_if(const NotifySettings& settings,
                                                            Wanted wanted) {
  std::map<std::string, std::vector<std::string>> result;
  for (const ReceiverSettings& receiver : settings.receivers) {
    std::vector<std::string>& names = result[receiver.name];
    for (const ChannelSettings& channel : receiver.channels) {
      if (wanted(channel.kind)) names.push_back(channel.name);
    }
  }
  return result;
}

}  // namespace

std::map<std::string, std::vector<std::string>> channels_by_receiver(
    const NotifySettings& settings) {
  return channels_if(settings, [](const ChannelKind&) { return true; });
}

std::map<std::string, std::vector<std::string>> quiet_channels_by_receiver(
    const NotifySettings& settings) {
  return channels_if(settings, [](const ChannelKind& kind) { return !wakes(kind); });
}

}  // namespace tocsin::notify
