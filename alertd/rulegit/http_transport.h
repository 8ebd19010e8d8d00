// Git's smart protocol over our own HTTP client: with its time-outs, its certificates and its limit
// on the size of an answer, none of which libgit2 1.5's own transport has.
#pragma once

#include <git2.h>

#include <functional>
#include <optional>
#include <string>

#include "alertd/rulegit/git_settings.h"
#include "common/base/executor.h"
#include "common/net/http_client.h"

namespace tocsin::rulegit {

/// What requests are made with. Outlives the remote that it is given to.
struct HttpWorld {
  net::HttpClient& http;
  base::Executor& reply_on;  ///< Any thread but the one that waits.
  const GitSettings& settings;
  std::function<bool()> cancelled;
  std::optional<base::Error> failure;  ///< Of the last request: better words than libgit2's.
};

/// Makes the transport of a remote; for git_remote_callbacks::transport with an HttpWorld as
/// payload of the definition. Returns 0 or a code of libgit2.
int make_http_transport(git_transport** out, git_remote* owner, HttpWorld& world);

/// Returns the value of the header Authorization for a user and a token. Source: RFC 7617.
std::string basic_authorization(const std::string& user, const std::string& token);

}  // namespace tocsin::rulegit
