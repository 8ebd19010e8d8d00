// How the kinds of channels are read from [[receiver.KIND]]: one row and one function for each.
//
// Internal to this folder. A new kind: its settings struct in the variant of receivers.h, a row in
// the table of its family (basic, chat, pager), a make_channel_of overload.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/notify/receivers.h"

namespace tocsin::notify {

/// [smtp], shared by all mail channels.
struct Smtp {
  net::SmtpServer server;
  std::string from;
  bool given = false;
};

/// What all channels of a file share while they are read.
struct ReadContext {
  const Smtp& smtp;
  const std::vector<std::string>& definitions;
  bool allow_commands = false;
};

/// One kind. The common keys (name, send_resolved, timeout, in_flight, rate_*) are read before
/// `read`, which sets channel.kind and reads every other key; title and text only with `texts`.
struct KindReader {
  const char* key;  ///< "email": the name of its table, and of its channels unless they have one.
  bool texts;       ///< It takes the templates title and text.
  void (*read)(config::Table& table, const ReadContext& context, ChannelSettings& channel);
};

std::span<const KindReader> basic_kinds();
std::span<const KindReader> chat_kinds();
std::span<const KindReader> pager_kinds();

/// Returns whether the text holds characters that would end the header or line they are put into.
bool has_control(std::string_view text);
bool is_address(std::string_view text);

/// Returns what is wrong with a URL, or "".
std::string url_mistake(std::string_view url);
/// Reports what is wrong with the URL at `key`; "" is fine. The URL, which may be a secret, is not
/// repeated.
void check_url(config::Table& table, std::string_view key, std::string_view url);
/// Checks webhook.url, which may hold templates after its host.
void read_webhook_url(config::Table& table, const ReadContext& context, WebhookSettings& webhook,
                      TemplateTexts& templates);
/// Reads a secret that must be there; `example` is a path for the hint.
base::Secret required_secret(config::Table& table, const std::string& key,
                             std::string_view example);
/// ca_file, client_cert_file, client_key_file, tls_insecure.
net::TlsOptions read_tls(config::Table& table);
/// Parses a template and runs it over a sample now, so that a slip shows at load and not with the
/// first page; "" is fine.
void check_template(config::Table& table, std::string_view key, const std::string& text,
                    const ReadContext& context);

}  // namespace tocsin::notify
