// How the integrations of alertmanager.yml are read: one row and one function for each kind.
// Internal to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/notify/channel_reader.h"

namespace tocsin::notify {

/// `global`, with Alertmanager's defaults.
struct AlertmanagerGlobal {
  net::SmtpServer smtp;
  bool has_smarthost = false;
  std::string smtp_from;
  HttpAccess access;
  base::Secret slack_api_url;
  std::string pagerduty_url;
  base::Secret opsgenie_api_key;
  std::string opsgenie_api_url;
  std::string telegram_api_url;
  base::Secret telegram_bot_token;
  std::string webex_api_url;
  std::string victorops_api_url;
  base::Secret victorops_api_key;
  std::string rocketchat_api_url;
  base::Secret rocketchat_token;
  base::Secret rocketchat_token_id;
  base::Secret mattermost_webhook_url;
};

struct AlertmanagerContext {
  const AlertmanagerGlobal& global;
  const ReadContext& read;
};

/// One kind of integration. send_resolved and the name are read before `read`.
struct AlertmanagerKind {
  const char* key;   ///< "webhook_configs"
  const char* name;  ///< "webhook": of the channel, as in Alertmanager's metrics.
  bool send_resolved;
  void (*read)(config::Table& table, const AlertmanagerContext& context, ChannelSettings& channel);
};

std::span<const AlertmanagerKind> alertmanager_basic_kinds();
std::span<const AlertmanagerKind> alertmanager_pager_kinds();
std::span<const AlertmanagerKind> alertmanager_chat_kinds();

/// Reads a secret given inline or as KEY_file; `otherwise` if neither is. Alertmanager's files hold
/// secrets inline as a matter of course, so that is not warned about; "${...}" is not expanded.
base::Secret alertmanager_secret(config::Table& table, const std::string& key,
                                 base::Secret otherwise = {});
/// Reports a missing value.
void require(config::Table& table, const std::string& key, bool given, std::string_view global);

/// Reads a template; `otherwise` if it is not given. Checked.
std::string template_text(config::Table& table, const std::string& key, std::string_view otherwise,
                          const ReadContext& context);
/// Reads each key into templates.fields, if it is given.
void template_fields(config::Table& table, std::initializer_list<const char*> keys,
                     const ReadContext& context, TemplateTexts& templates);

/// tls_config.
net::TlsOptions alertmanager_tls(config::Table table);
/// http_config of an integration; that of `global` if it has none.
HttpAccess alertmanager_http(config::Table& table, const HttpAccess& otherwise);
HttpAccess read_http_config(config::Table table);
/// timeout; 0 is the channel's own.
void alertmanager_timeout(config::Table& table, ChannelSettings& channel);
/// Reads a URL, checked; without slashes at the end.
std::string alertmanager_url(config::Table& table, const std::string& key, std::string otherwise);

}  // namespace tocsin::notify
