#include "cli/api_client.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <optional>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::size_t kAnswerBytesMax = 256 << 20;

std::string text_member(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

class HttpApiClient final : public ApiClient {
 public:
  HttpApiClient(const GlobalOptions& options, base::Secret token, const base::Clock& clock)
      : options_(options),
        token_(std::move(token)),
        replies_(clock, "replies", 1),
        http_(net::make_http_client(clock, 1, 1)) {}

  ApiAnswer call(const ApiRequest& request) override {
    net::HttpRequest http;
    http.method = request.method;
    http.url = options_.server;
    while (http.url.ends_with('/')) http.url.pop_back();
    http.url += request.path;
    std::string parameters;
    for (const auto& [name, value] : request.query) {
      if (!parameters.empty()) parameters += '&';
      parameters += net::percent_encode(name) + '=' + net::percent_encode(value);
    }
    if (request.form) {
      http.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
      http.body = std::move(parameters);
    } else if (!parameters.empty()) {
      http.url += '?' + parameters;
    }
    if (!request.body.empty()) {
      http.headers.emplace_back("Content-Type", "application/json");
      http.body = request.body;
    }
    http.bearer_token = token_;
    http.timeout = options_.timeout;
    http.response_bytes_max = kAnswerBytesMax;
    http.tls.ca_file = options_.ca_file;
    base::Result<net::HttpResponse> response = send(std::move(http));
    if (!response) return unreachable(response.error());
    if (request.whole && response->status == 200) {
      ApiAnswer answer;
      answer.data = std::move(response->body);
      return answer;
    }
    return read_answer(*response, net::url_origin(options_.server));
  }

 private:
  base::Result<net::HttpResponse> send(net::HttpRequest request) {
    base::Mutex mutex;
    base::Condition arrived;
    std::optional<base::Result<net::HttpResponse>> answer;
    http_->send(std::move(request), replies_, [&](base::Result<net::HttpResponse> response) {
      base::MutexLock lock(mutex);
      answer.emplace(std::move(response));
      arrived.notify_all();
    });
    base::MutexLock lock(mutex);
    arrived.wait(mutex, [&] { return answer.has_value(); });  // the client has the time-out
    return std::move(*answer);
  }

  ApiAnswer unreachable(const base::Error& error) const {
    const std::string origin = net::url_origin(options_.server);
    const std::string what = error.code == base::ErrorCode::Timeout
                                 ? fmt::format("no answer from {} within {}", origin,
                                               base::format_duration(options_.timeout))
                                 : error.message;
    return ApiAnswer{kUnreachable,
                     what +
                         "\nIs tocsin-alertd running there? --server or TOCSIN_SERVER sets the "
                         "address.",
                     "",
                     {},
                     std::string(base::to_string(error.code))};
  }

  const GlobalOptions options_;
  const base::Secret token_;
  base::AsioExecutor replies_;
  std::unique_ptr<net::HttpClient> http_;
};

base::Result<base::Secret> read_token(const std::string& path, const base::FileSystem& files) {
  const auto bad = [&](std::string_view why) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("token file '{}': {}", path, why));
  };
  TC_TRY(const mode_t mode, files.mode(path));
  if ((mode & 077U) != 0) {
    return bad(fmt::format("mode {:04o} lets others read the token; chmod 600 it", mode & 07777U));
  }
  TC_TRY(const std::string text, files.read(path, kTokenBytesMax));
  const std::string_view token = base::trim(text);
  if (token.empty()) return bad("is empty");
  if (token.find_first_of(" \r\n\t") != std::string_view::npos)
    return bad("has more than one word");
  return base::Secret(std::string(token));
}

}  // namespace

ApiAnswer read_answer(const net::HttpResponse& response, const std::string& server) {
  ApiAnswer answer;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(response.body, error);
  const bool envelope = !error && value.is_object() && value.get_object().contains("status");
  if (!envelope) {
    answer.exit_code = kNegative;
    answer.error =
        fmt::format("{} answered HTTP {} and not as tocsin-alertd does; is the address right?",
                    server, response.status);
    return answer;
  }
  const boost::json::object& object = value.get_object();
  if (response.status >= 300 || text_member(object, "status") != "success") {
    answer.exit_code = kNegative;
    answer.error = text_member(object, "error");
    answer.error_type = text_member(object, "errorType");
    if (answer.error.empty())
      answer.error = fmt::format("{} answered HTTP {}", server, response.status);
    if (response.status == 401)
      answer.error += "\n--token-file names the file with the admin token.";
    return answer;
  }
  if (const auto* data = object.if_contains("data")) answer.data = boost::json::serialize(*data);
  for (const char* key : {"warnings", "infos"}) {
    const auto* notes = object.if_contains(key);
    if (notes == nullptr || !notes->is_array()) continue;
    for (const boost::json::value& note : notes->get_array()) {
      if (note.is_string()) answer.warnings.emplace_back(note.get_string());
    }
  }
  return answer;
}

base::Result<std::unique_ptr<ApiClient>> make_api_client(const GlobalOptions& options,
                                                         const base::Clock& clock,
                                                         const base::FileSystem& files,
                                                         std::string& warning) {
  const bool plain = options.server.starts_with("http://");
  if (!plain && !options.server.starts_with("https://")) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("server '{}': the URL must begin with http:// or https://",
                                   base::escape_control(options.server)));
  }
  base::Secret token;
  if (!options.token_file.empty()) {
    TC_TRY(token, read_token(options.token_file, files));
    const std::string origin = net::url_origin(options.server);
    if (plain && !net::is_loopback_host(std::string_view(origin).substr(7))) {
      warning = fmt::format("the token travels unencrypted to {}; use https://", origin);
    }
  }
  return std::unique_ptr<ApiClient>(
      std::make_unique<HttpApiClient>(options, std::move(token), clock));
}

}  // namespace tocsin::cli
