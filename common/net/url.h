// The small part of URLs that both ends of HTTP need: percent coding, forms, request targets,
// origins.
//
// What a peer sends is decoded once, here, and strictly: a broken escape or a NUL is refused
// instead of being passed on for somebody behind us to read differently. Source: RFC 3986, RFC 9112
// section 3.2, and the URL standard's application/x-www-form-urlencoded.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::net {

using Query = std::multimap<std::string, std::string>;

/// What '+' stands for: itself in a path, a space in a form or query.
enum class Plus { Literal, Space };

/// Undoes percent coding. Errors: InvalidArgument (broken escape, or an escaped or raw NUL).
base::Result<std::string> percent_decode(std::string_view text, Plus plus);

/// Escapes everything but RFC 3986's unreserved characters; fit for a query value or path segment.
std::string percent_encode(std::string_view text);

/// Adds the pairs of a form or query ("a=1&b=2") to `query`.
/// Errors: InvalidArgument (broken escape), LimitExceeded (more than 10000 pairs).
base::Result<void> parse_form(std::string_view text, Query& query);

/// A request target taken apart.
struct Target {
  std::string path;  ///< Decoded; starts with '/'.
  Query query;
};

/// Parses the target of a request line: "/path?query" or, from proxies, "http://host/path?query".
/// Errors: InvalidArgument (other forms, control characters in the path, broken escapes).
base::Result<Target> parse_target(std::string_view target);

/// A literal address or host name with its port.
struct HostPort {
  std::string host;  ///< Without brackets.
  unsigned short port = 0;
};

/// Parses "127.0.0.1:9464", "[::1]:9464" or "localhost:9464".
/// Errors: InvalidArgument (names the text and shows the form).
base::Result<HostPort> parse_host_port(std::string_view text);

/// Returns "scheme://host[:port]" of a URL: all of it that may be shown. User information, path and
/// query can each carry a credential (chat web hooks keep theirs in the path). "<bad url>" if it is
/// none.
std::string url_origin(std::string_view url);

/// Returns whether a host, as written in a URL or Host header, names this machine's loopback.
bool is_loopback_host(std::string_view host);

}  // namespace tocsin::net
