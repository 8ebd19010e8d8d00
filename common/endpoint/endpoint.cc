#include "common/endpoint/endpoint.h"

#include <algorithm>

#include "common/base/base64.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::endpoint {
namespace {

constexpr base::Duration kTimeoutMin{100};
constexpr base::Duration kTimeoutMax{300'000};

bool is_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

void read_headers(config::Table& table, Endpoint& endpoint) {
  for (const auto& [name, value] : table.string_map("headers")) {
    const bool word = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    });
    if (!word) table.error("headers", "header name '" + name + "' is not a word");
    if (!is_text(value)) {
      table.error("headers", "the value of header '" + name + "' has a control character");
    }
    const std::string lower = base::to_lower(name);
    if (lower == "authorization") {
      table.error("headers", "Authorization does not belong into headers",
                  "use token_file, or username with password_file");
    }
    for (const char* ours : {"content-type", "content-encoding", "content-length", "host"}) {
      if (lower == ours) table.error("headers", "header '" + name + "' is set by the request");
    }
    endpoint.headers.emplace_back(name, value);
  }
}

void read_login(config::Table& table, Endpoint& endpoint) {
  endpoint.username = table.string("username", "");
  if (auto password = table.secret("password")) endpoint.password = std::move(*password);
  if (auto token = table.secret("token")) endpoint.token = std::move(*token);
  if (!endpoint.username.empty() && !endpoint.token.empty()) {
    table.error("username", "both a user name and a token are given", "give one of them");
  }
  if (endpoint.username.empty() && !endpoint.password.empty()) {
    table.error("", "a password without a user name", "add username = \"...\"");
  }
  if (!is_text(endpoint.username) || endpoint.username.find(':') != std::string::npos) {
    table.error("username", "a user name has neither ':' nor control characters");
  }
}

}  // namespace

net::HttpRequest Endpoint::request(std::string method, std::string_view path) const {
  net::HttpRequest http;
  http.method = std::move(method);
  http.url = url + std::string(path);
  http.headers = headers;
  if (!username.empty()) {
    http.headers.emplace_back("Authorization",
                              "Basic " + base::base64(username + ":" + password.reveal()));
  }
  http.bearer_token = token;
  http.timeout = timeout;
  http.tls = tls;
  return http;
}

std::string Endpoint::shown() const {
  return net::url_origin(url);
}

Endpoint read_endpoint(config::Table& table, base::Duration timeout_default) {
  Endpoint endpoint;
  endpoint.url = table.required_string("url");
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  const bool http = endpoint.url.starts_with("http://") || endpoint.url.starts_with("https://");
  if (!endpoint.url.empty() && !http) {
    table.error("url", "the url is no http:// or https:// address", "http://127.0.0.1:8428");
  }
  if (http && net::url_origin(endpoint.url).find('<') != std::string::npos) {
    table.error("url", "the url cannot be read");
  }
  if (endpoint.url.substr(0, endpoint.url.find('/', 8)).find('@') != std::string::npos) {
    table.error("url", "the url holds a user name",
                "use username with password_file: an address is shown in messages");
  }
  read_headers(table, endpoint);
  read_login(table, endpoint);
  endpoint.tls.ca_file = table.string("ca_file", "");
  endpoint.tls.client_cert_file = table.string("client_cert_file", "");
  endpoint.tls.client_key_file = table.string("client_key_file", "");
  if (endpoint.tls.client_cert_file.empty() != endpoint.tls.client_key_file.empty()) {
    table.error(endpoint.tls.client_cert_file.empty() ? "client_key_file" : "client_cert_file",
                "client_cert_file and client_key_file belong together", "give both or neither");
  }
  endpoint.tls.insecure = table.boolean("insecure", false);
  endpoint.timeout = table.duration("timeout", timeout_default);
  if (endpoint.timeout < kTimeoutMin || endpoint.timeout > kTimeoutMax) {
    table.error("timeout", "a timeout lasts 100ms to 5m");
  }
  return endpoint;
}

}  // namespace tocsin::endpoint
