#include "common/net/plain_http.h"

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kUserAgent = "tocsin/" TOCSIN_VERSION;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    return host.size() > 2 && host.ends_with(']') &&
           host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_plain_path(std::string_view path) {
  if (path.find("/.") != std::string_view::npos) return false;
  return std::all_of(path.begin(), path.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '\\'; });
}

/// Returns whether the header says how the request is sent.
bool is_of_transfer(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames{
      "host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"};
  const std::string lower = base::to_lower(name);
  return std::find(kNames.begin(), kNames.end(), lower) != kNames.end();
}

void add(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::optional<PlainTarget> plain_target(std::string_view url) {
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  url = url.substr(0, url.find('#'));
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  const std::string_view authority = url.substr(0, end);
  const std::string_view path = url.substr(end);
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  std::uint64_t port = 80;
  if (colon != std::string_view::npos) {
    const auto parsed = base::parse_u64(authority.substr(colon + 1));
    if (!parsed || *parsed == 0 || *parsed > 65535) return std::nullopt;
    port = *parsed;
  }
  if (!is_host(host) || !is_plain_path(path)) return std::nullopt;
  PlainTarget target;
  target.peer.append(host).append(":").append(std::to_string(port));
  target.host = port == 80 ? std::string(host) : target.peer;
  target.path.append(path.starts_with('/') ? "" : "/").append(path);
  return target;
}

bool has_body(const HttpRequest& request) {
  if (request.method == "HEAD") return false;
  return !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
         request.method == "PATCH";
}

std::optional<std::string> plain_head(const HttpRequest& request, const PlainTarget& target) {
  bool own_agent = false;
  bool own_accept = false;
  for (const auto& [name, value] : request.headers) {
    if (is_of_transfer(name)) return std::nullopt;
    own_agent = own_agent || base::to_lower(name) == "user-agent";
    own_accept = own_accept || base::to_lower(name) == "accept";
  }
  std::string head;
  head.reserve(512);
  head.append(request.method).append(" ").append(target.path).append(" HTTP/1.1\r\n");
  add(head, "Host", target.host);
  if (!own_agent) add(head, "User-Agent", kUserAgent);
  if (!own_accept) add(head, "Accept", "*/*");
  for (const auto& [name, value] : request.headers) add(head, name, value);
  if (!request.bearer_token.empty()) {
    add(head, "Authorization", "Bearer " + request.bearer_token.reveal());
  }
  if (has_body(request)) add(head, "Content-Length", std::to_string(request.body.size()));
  head.append("\r\n");
  return head;
}

}  // namespace tocsin::net
