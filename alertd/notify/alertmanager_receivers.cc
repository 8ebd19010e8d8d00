#include "alertd/notify/alertmanager_receivers.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/alertmanager_reader.h"
#include "alertd/notify/message.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kTemplateFileBytesMax = 1 << 20;
constexpr std::size_t kTemplateFilesMax = 1'000;

// '*' and '?', as in file names.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// The files of one pattern, sorted. A pattern may find nothing, as in Alertmanager.
std::vector<std::string> files_of(config::Table& root, std::string pattern) {
  const config::Context& context = root.context();
  const std::size_t config_slash = context.source.file.rfind('/');
  if (!pattern.starts_with('/') && config_slash != std::string::npos) {
    pattern = context.source.file.substr(0, config_slash + 1) + pattern;
  }
  const std::size_t slash = pattern.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : pattern.substr(0, slash);
  const std::string last = pattern.substr(slash == std::string::npos ? 0 : slash + 1);
  if (folder.find_first_of("*?[") != std::string::npos || last.find('[') != std::string::npos) {
    root.error("templates", fmt::format("'{}': only '*' and '?' in the file's name", pattern),
               "write one line for each folder");
    return {};
  }
  if (last.find_first_of("*?") == std::string::npos) return {pattern};
  const auto names = context.files.list(folder);
  std::vector<std::string> paths;
  if (!names) return paths;
  for (const std::string& name : *names) {
    if (matches(last, name)) paths.push_back(base::join_path(folder, name));
  }
  return paths;
}

// A later file's definition wins over an earlier one's, and any over ours.
std::vector<std::string> read_templates(config::Table& root) {
  std::vector<std::string> definitions;
  std::size_t count = 0;
  for (const std::string& pattern : root.strings("templates")) {
    for (const std::string& path : files_of(root, pattern)) {
      if (++count > kTemplateFilesMax) {
        root.error("templates", fmt::format("more than {} template files", kTemplateFilesMax));
        return definitions;
      }
      auto text = root.context().files.read(path, kTemplateFileBytesMax);
      if (!text) {
        root.error("templates", text.error().message);
      } else if (const auto parsed = parse_message_template(*text, {}); !parsed) {
        root.error("templates", fmt::format("{}:{}", path, parsed.error().message));
      } else {
        definitions.insert(definitions.begin(), std::move(*text));
      }
    }
  }
  definitions.emplace_back(default_template_definitions());
  return definitions;
}

void read_smtp(config::Table& table, AlertmanagerGlobal& global) {
  const std::string smarthost = table.string("smtp_smarthost", "");
  const std::size_t colon = smarthost.rfind(':');
  if (!smarthost.empty()) {
    const auto port = colon == std::string::npos
                          ? std::nullopt
                          : base::parse_u64(std::string_view(smarthost).substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) {
      table.error("smtp_smarthost",
                  fmt::format("smtp_smarthost \"{}\" is not HOST:PORT", smarthost));
    } else {
      global.smtp.host = smarthost.substr(0, colon);
      global.smtp.port = static_cast<unsigned short>(*port);
      global.has_smarthost = true;
    }
  }
  global.smtp_from = table.string("smtp_from", "");
  global.smtp.hello = table.string("smtp_hello", "localhost");
  global.smtp.user = table.string("smtp_auth_username", "");
  global.smtp.password = alertmanager_secret(table, "smtp_auth_password");
  global.smtp.password = alertmanager_secret(table, "smtp_auth_secret", global.smtp.password);
  table.string("smtp_auth_identity", "");
  global.smtp.tls_mode =
      table.boolean("smtp_require_tls", true) ? net::SmtpTls::StartTls : net::SmtpTls::None;
  if (table.has("smtp_tls_config")) {
    global.smtp.tls = alertmanager_tls(table.table("smtp_tls_config"));
  }
  table.node("smtp_force_implicit_tls");
}

AlertmanagerGlobal read_global(config::Table table) {
  AlertmanagerGlobal global;
  table.node("resolve_timeout");  // routing's
  read_smtp(table, global);
  if (table.has("http_config")) global.access = read_http_config(table.table("http_config"));
  global.slack_api_url = alertmanager_secret(table, "slack_api_url");
  for (const char* key :
       {"slack_app_token", "slack_app_token_file", "slack_app_url", "wechat_api_url",
        "wechat_api_secret", "wechat_api_secret_file", "wechat_api_corp_id", "jira_api_url"}) {
    table.node(key);  // of kinds that have their own error
  }
  global.pagerduty_url =
      alertmanager_url(table, "pagerduty_url", "https://events.pagerduty.com/v2/enqueue");
  global.opsgenie_api_url = alertmanager_url(table, "opsgenie_api_url", "https://api.opsgenie.com");
  global.opsgenie_api_key = alertmanager_secret(table, "opsgenie_api_key");
  global.telegram_api_url = alertmanager_url(table, "telegram_api_url", "https://api.telegram.org");
  global.telegram_bot_token = alertmanager_secret(table, "telegram_bot_token");
  global.webex_api_url =
      alertmanager_url(table, "webex_api_url", "https://webexapis.com/v1/messages");
  global.victorops_api_url =
      alertmanager_url(table, "victorops_api_url",
                       "https://alert.victorops.com/integrations/generic/20131114/alert");
  global.victorops_api_key = alertmanager_secret(table, "victorops_api_key");
  global.rocketchat_api_url =
      alertmanager_url(table, "rocketchat_api_url", "https://open.rocket.chat");
  global.rocketchat_token = alertmanager_secret(table, "rocketchat_token");
  global.rocketchat_token_id = alertmanager_secret(table, "rocketchat_token_id");
  global.mattermost_webhook_url = alertmanager_secret(table, "mattermost_webhook_url");
  table.finish();
  return global;
}

void read_kind(config::Table& receiver_table, const AlertmanagerKind& kind,
               const AlertmanagerContext& context, ReceiverSettings& receiver) {
  std::size_t count = 0;
  for (config::Table& one : receiver_table.tables(kind.key)) {
    ++count;
    ChannelSettings channel;
    channel.receiver = receiver.name;
    channel.name = count == 1 ? kind.name : fmt::format("{}-{}", kind.name, count);
    channel.send_resolved = one.boolean("send_resolved", kind.send_resolved);
    // Nothing is held back there: a limit of ours would change when messages go.
    channel.rate = RateLimit{60'000, 10'000, 0};
    kind.read(one, context, channel);
    one.finish();
    receiver.channels.push_back(std::move(channel));
  }
}

}  // namespace

NotifySettings read_alertmanager_receivers(config::Table& root) {
  NotifySettings settings;
  const AlertmanagerGlobal global = read_global(root.table("global"));
  settings.definitions = read_templates(root);
  const Smtp smtp;
  const ReadContext read{smtp, settings.definitions, false};
  const AlertmanagerContext context{global, read};
  for (config::Table& table : root.tables("receivers")) {
    ReceiverSettings receiver;
    receiver.name = table.required_string("name");
    const auto same = [&](const ReceiverSettings& other) { return other.name == receiver.name; };
    if (std::any_of(settings.receivers.begin(), settings.receivers.end(), same)) {
      table.error("name", fmt::format("receiver '{}' is defined twice", receiver.name));
    }
    table.node("labels");  // known to routing's views only
    for (const AlertmanagerKind& kind : alertmanager_basic_kinds()) {
      read_kind(table, kind, context, receiver);
    }
    for (const AlertmanagerKind& kind : alertmanager_pager_kinds()) {
      read_kind(table, kind, context, receiver);
    }
    for (const AlertmanagerKind& kind : alertmanager_chat_kinds()) {
      read_kind(table, kind, context, receiver);
    }
    table.finish();
    settings.receivers.push_back(std::move(receiver));
  }
  return settings;
}

}  // namespace tocsin::notify
