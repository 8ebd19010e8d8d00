// Asks the daemon's API and waits for the answer.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/result.h"
#include "common/net/http_client.h"

namespace boost::json {
class value;
}

namespace tocsin::cli {

struct ApiRequest {
  std::string method = "GET";
  std::string path;  ///< Begins with '/'; not escaped further.
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;    ///< JSON; empty for none.
  bool form = false;   ///< `query` goes into the body, as a form: for expressions of any length.
  bool whole = false;  ///< A good answer's data is its whole body as it came, not looked at.
};

/// The member "data" of a good answer as JSON text; or why there is none and how to exit.
struct ApiAnswer {
  int exit_code = kOk;
  std::string error;
  std::string data;
  std::vector<std::string> warnings;
  /// As the server says ("bad_data", "execution", "timeout", ...); without an answer, the code's
  /// name ("unavailable", "timeout", "limit_exceeded"). Empty if unknown.
  std::string error_type = {};
};

class ApiClient {
 public:
  virtual ~ApiClient() = default;
  /// Blocks up to the time-out.
  virtual ApiAnswer call(const ApiRequest& request) = 0;
};

/// Reads an answer of the API. Pure.
ApiAnswer read_answer(const net::HttpResponse& response, const std::string& server);

/// Errors: what is wrong with the token file (missing, readable by others, empty) or the URL.
/// `warning` is set when the token would travel unencrypted to another host.
base::Result<std::unique_ptr<ApiClient>> make_api_client(const GlobalOptions& options,
                                                         const base::Clock& clock,
                                                         const base::FileSystem& files,
                                                         std::string& warning);

}  // namespace tocsin::cli
