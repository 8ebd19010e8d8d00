// Another service's address in a configuration: where it is, how it lets us in, how it is trusted.
#pragma once

#include <string>

#include "common/base/secret.h"
#include "common/config/table.h"
#include "common/net/http_client.h"

namespace tocsin::endpoint {

struct Endpoint {
  std::string url;       ///< http:// or https://, without a slash at the end.
  net::Headers headers;  ///< Sent with each request, e.g. X-Scope-OrgID. May be secret.
  std::string username;  ///< Basic authentication; empty: none.
  base::Secret password;
  base::Secret token;  ///< Authorization: Bearer; empty: none.
  net::TlsOptions tls;
  base::Duration timeout{10'000};

  /// Returns a request to url + path with everything that lets us in.
  net::HttpRequest request(std::string method, std::string_view path) const;
  /// Returns what may be shown of the address.
  std::string shown() const;
};

/// Reads url, headers, username, password(_file), token(_file), ca_file, client_cert_file,
/// client_key_file, insecure and timeout. The caller finishes the table.
Endpoint read_endpoint(config::Table& table, base::Duration timeout_default);

}  // namespace tocsin::endpoint
