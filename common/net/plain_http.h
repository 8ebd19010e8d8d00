// Requests whose bytes are ours: http:// without a proxy, and nothing in them that needs more care
// than to be written down. The others are curl's. Internal to common/net.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/net/http_client.h"

namespace tocsin::net {

/// Where such a request goes.
struct PlainTarget {
  std::string peer;  ///< "host:port": whom a connection leads to.
  std::string host;  ///< As the Host header has it.
  std::string path;  ///< With the query.
};

/// Takes a URL apart; nullopt: it has something that curl has to look at (another scheme, user
/// information, dots in the path, characters beyond ASCII, a host that is more than letters).
std::optional<PlainTarget> plain_target(std::string_view url);

/// Returns whether the request has a body, be it an empty one.
bool has_body(const HttpRequest& request);

/// Returns the head of a request that check() of http_client.cc passed; nullopt: its headers say
/// how it is sent, which is left to curl.
std::optional<std::string> plain_head(const HttpRequest& request, const PlainTarget& target);

}  // namespace tocsin::net
