// Settings of the channels every shop has: mail, webhook, Slack.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/secret.h"
#include "common/net/mail_client.h"

namespace tocsin::notify {

struct EmailSettings {
  net::SmtpServer server;
  std::string from;
  std::vector<std::string> to;
};

struct WebhookSettings {
  std::string url;
  net::Headers headers;  ///< Beside ours.
  base::Secret secret;   ///< Signs the body; empty: not signed.
  base::Secret bearer_token;
  std::string user;  ///< HTTP Basic; empty: none.
  base::Secret password;
  net::TlsOptions tls;
  std::size_t alerts_max = 0;  ///< 0: all.
  /// The URL holds templates (then it is also templates.fields["url"]); its host never does.
  bool url_template = false;
  /// Alertmanager's own payload: nothing beside its fields, alerts in its order.
  bool as_alertmanager = false;
};

struct SlackSettings {
  base::Secret url;     ///< Whoever knows it can post.
  std::string channel;  ///< Empty: the one of the URL.
  std::string username;
  std::string icon_emoji;
  net::TlsOptions tls;
};

}  // namespace tocsin::notify
