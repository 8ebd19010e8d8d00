// http_config, tls_config and secrets of alertmanager.yml.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/alertmanager_reader.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;

// Relative paths start at the folder of the configuration.
std::string beside(const config::Context& context, std::string path) {
  const std::string& file = context.source.file;
  const std::size_t slash = file.rfind('/');
  if (!path.starts_with('/') && slash != std::string::npos) path = file.substr(0, slash + 1) + path;
  return path;
}

void refuse(config::Table& table, const std::string& key, std::string_view hint) {
  if (!table.has(key)) return;
  table.node(key);
  table.error(key, fmt::format("'{}' is not supported", key), std::string(hint));
}

// Settings without a meaning here: connections are kept, HTTP/1.1 is spoken.
void ignore(config::Table& table, std::initializer_list<const char*> keys) {
  for (const char* key : keys) table.node(key);
}

void read_headers(config::Table table, HttpAccess& access) {
  for (const std::string& name : table.keys()) {
    config::Table one = table.table(name);
    std::vector<std::string> values = one.strings("values");
    for (const std::string& secret : one.strings("secrets")) values.push_back(secret);
    refuse(one, "files", "write the value into 'secrets'");
    one.finish();
    for (const std::string& value : values) {
      if (has_control(name) || has_control(value)) {
        table.error(name, "headers must not contain control characters");
      } else {
        access.headers.emplace_back(name, value);
      }
    }
  }
}

}  // namespace

base::Secret alertmanager_secret(config::Table& table, const std::string& key,
                                 base::Secret otherwise) {
  const std::string text = table.string(key, "");
  std::string path = table.string(key + "_file", "");
  if (!text.empty() && !path.empty()) {
    table.error(key, fmt::format("{} and {}_file exclude each other", key, key));
  }
  if (!text.empty()) return base::Secret(text);
  if (path.empty()) return otherwise;
  path = beside(table.context(), std::move(path));
  auto content = table.context().files.read(path, kSecretBytesMax);
  if (!content) {
    table.error(key + "_file", content.error().message);
    return otherwise;
  }
  return base::Secret(std::string(base::trim(*content)));
}

void require(config::Table& table, const std::string& key, bool given, std::string_view global) {
  if (given) return;
  table.error(key, fmt::format("'{}' is missing", key),
              global.empty() ? std::string() : fmt::format("or set global {}", global));
}

std::string template_text(config::Table& table, const std::string& key, std::string_view otherwise,
                          const ReadContext& context) {
  std::string text = table.string(key, otherwise);
  if (table.has(key)) check_template(table, key, text, context);
  return text;
}

void template_fields(config::Table& table, std::initializer_list<const char*> keys,
                     const ReadContext& context, TemplateTexts& templates) {
  for (const char* key : keys) {
    if (!table.has(key)) continue;
    templates.fields[key] = template_text(table, key, "", context);
  }
}

net::TlsOptions alertmanager_tls(config::Table table) {
  net::TlsOptions tls;
  const auto path = [&](const char* key) {
    const std::string text = table.string(key, "");
    return text.empty() ? text : beside(table.context(), text);
  };
  tls.ca_file = path("ca_file");
  tls.client_cert_file = path("cert_file");
  tls.client_key_file = path("key_file");
  tls.insecure = table.boolean("insecure_skip_verify", false);
  for (const char* key : {"ca", "cert", "key", "ca_ref", "cert_ref", "key_ref"}) {
    refuse(table, key, "put it into a file: ca_file, cert_file, key_file");
  }
  refuse(table, "server_name", "use the name of the certificate in the URL");
  ignore(table, {"min_version", "max_version"});
  table.finish();
  return tls;
}

HttpAccess read_http_config(config::Table table) {
  HttpAccess access;
  if (table.has("tls_config")) access.tls = alertmanager_tls(table.table("tls_config"));
  access.bearer_token = alertmanager_secret(table, "bearer_token");
  if (table.has("authorization")) {
    config::Table authorization = table.table("authorization");
    const std::string type = authorization.string("type", "Bearer");
    const base::Secret credentials = alertmanager_secret(authorization, "credentials");
    if (base::to_lower(type) == "bearer") {
      access.bearer_token = credentials;
    } else if (has_control(type)) {
      authorization.error("type", "type must not contain control characters");
    } else {
      access.headers.emplace_back("Authorization", type + ' ' + credentials.reveal());
    }
    authorization.finish();
  }
  if (table.has("basic_auth")) {
    config::Table basic = table.table("basic_auth");
    const base::Secret user = alertmanager_secret(basic, "username");
    access.user = user.reveal();
    access.password = alertmanager_secret(basic, "password");
    if (has_control(access.user)) basic.error("username", "username holds control characters");
    basic.finish();
  }
  if (!access.user.empty() && !access.bearer_token.empty()) {
    table.error("basic_auth", "at most one of basic_auth, authorization and bearer_token");
  }
  if (table.has("http_headers")) read_headers(table.table("http_headers"), access);
  refuse(table, "oauth2", "use authorization with a token, or a proxy that fetches one");
  for (const char* key : {"proxy_url", "proxy_from_environment", "proxy_connect_header"}) {
    refuse(table, key, "messages go out directly: allow it in the firewall");
  }
  ignore(table, {"no_proxy", "enable_http2"});
  if (table.boolean("follow_redirects", false)) {
    table.warning("follow_redirects", "redirects are not followed",
                  "write the address that the redirect leads to");
  }
  table.finish();
  return access;
}

HttpAccess alertmanager_http(config::Table& table, const HttpAccess& otherwise) {
  return table.has("http_config") ? read_http_config(table.table("http_config")) : otherwise;
}

void alertmanager_timeout(config::Table& table, ChannelSettings& channel) {
  const base::Duration timeout = table.duration("timeout", base::Duration{0});
  if (timeout > base::Duration{0}) {
    channel.timeout = std::clamp(timeout, base::Duration{1000}, base::Duration{120'000});
  }
}

std::string alertmanager_url(config::Table& table, const std::string& key, std::string otherwise) {
  std::string url = table.string(key, otherwise);
  check_url(table, key, url);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace tocsin::notify
