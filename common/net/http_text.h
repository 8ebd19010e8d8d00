// The text around a server's answers: heads, error bodies, JSON texts; for the server and for those
// who answer in the same form. No sockets, so that it compiles in a second.
#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/net/http_server.h"

namespace tocsin::net {

/// Returns {"status":"error","errorType":type,"error":message} with that status.
ServerResponse error_response(int status, std::string_view type, std::string_view message);

/// Returns `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

struct ResponseHeadOptions {
  bool keep_alive = true;
  bool http10 = false;
  base::WallTime date;
};

/// Returns the status line and header lines with the empty line. Header names and values that would
/// break out of their line are left out.
std::string response_head(const ServerResponse& response, const ResponseHeadOptions& options);

/// Returns whether a Content-Type is application/x-www-form-urlencoded.
bool is_form(std::string_view content_type);

/// Returns the metric label for a refusal by status.
std::string_view refusal_reason(int status);

}  // namespace tocsin::net
