// HttpClient over libcurl's multi interface (curl_loop.h).
//
// Everything a server can send is bounded while it arrives: the body by response_bytes_max, the
// header block by 256 KiB. Compression is not asked for, so a small answer stays small. Messages
// name only the origin of a URL, because user information, path and query may each be the
// credential. A proxy from the environment (https_proxy, no_proxy) is honoured as curl does, except
// for loopback.
#include "common/net/http_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/strings.h"
#include "common/net/curl_loop.h"
#include "common/net/curl_tls.h"
#include "common/net/plain_http.h"
#include "common/net/url.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kUrlBytesMax = 64 << 10;
constexpr base::Duration kRetryAfterMax = std::chrono::hours(24 * 7);

/// Where curl finds a proxy for http://.
constexpr std::array kProxyVariables{"http_proxy", "all_proxy", "ALL_PROXY"};

struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& answer = *static_cast<HttpAnswer*>(user);
  return answer.body(std::string_view(data, size)) ? size : CURL_WRITEFUNC_ERROR;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& answer = *static_cast<HttpAnswer*>(user);
  return answer.header(std::string_view(data, size)) ? size : 0;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOther.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

base::Result<void> check(const HttpRequest& request) {
  const auto bad = [&](std::string_view what) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("request to {}: {}", url_origin(request.url), what));
  };
  const std::string scheme = base::to_lower(request.url.substr(0, request.url.find("://")));
  if (scheme != "http" && scheme != "https")
    return bad("the URL must begin with http:// or https://");
  if (request.url.size() > kUrlBytesMax) return bad("the URL is longer than 64 KiB");
  for (const char c : request.url) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      return bad("the URL contains a space or control character");
    }
  }
  if (!is_token(request.method)) return bad("the method is not a word");
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_header_value(value)) {
      return bad(fmt::format("header '{}' contains a character that is not allowed",
                             base::escape_control(name)));
    }
  }
  if (!is_header_value(request.bearer_token.reveal())) {
    return bad("the bearer token contains a line end or control character");
  }
  return base::ok();
}

std::unique_ptr<curl_slist, SlistFree> header_list(const HttpRequest& request) {
  curl_slist* list = nullptr;
  bool has_type = false;
  const auto add = [&list](const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list, line.c_str())) list = longer;
  };
  for (const auto& [name, value] : request.headers) {
    has_type = has_type || base::to_lower(name) == "content-type";
    // "Name;" is curl's way to send a header without a value; "Name:" would remove it.
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!request.bearer_token.empty()) {
    add("Authorization: Bearer " + request.bearer_token.reveal());
  }
  if (!has_type) add("Content-Type:");  // else curl claims a form
  add("Expect:");                       // many servers ignore it, and curl then waits a second
  return std::unique_ptr<curl_slist, SlistFree>(list);
}

void set_method(CURL* easy, const HttpRequest& request) {
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body(request)) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

base::Error transfer_error(CURLcode code, const HttpAnswer& answer, const HttpRequest& request,
                           std::string_view detail) {
  const std::string origin = url_origin(request.url);
  if (answer.exceeded != nullptr) {
    const std::size_t limit = answer.exceeded == std::string_view("body")
                                  ? answer.body_bytes_max
                                  : HttpAnswer::kHeaderBytesMax;
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("response {} of {} is larger than the limit of {} bytes",
                                   answer.exceeded, origin, limit));
  }
  if (detail.empty()) detail = curl_easy_strerror(code);
  const std::string message =
      fmt::format("request to {}: {}", origin, base::escape_control(detail));
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return base::error(base::ErrorCode::Timeout,
                         fmt::format("request to {}: no answer within {}", origin,
                                     base::format_duration(request.timeout)));
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
      return base::error(base::ErrorCode::Timeout, message + ": the answer was lost");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return base::error(base::ErrorCode::InvalidArgument, message);
    default:
      return base::error(base::ErrorCode::Unavailable, message);
  }
}

/// One request on its way.
class Exchange final : public TransferJob {
 public:
  Exchange(HttpRequest request, std::string its_origin, base::Executor& executor, HttpDone done)
      : TransferJob(std::move(its_origin), request.timeout, executor),
        request_(std::move(request)),
        done_(std::move(done)) {
    answer_.body_bytes_max = request_.response_bytes_max;
  }

  /// Lets it go over a connection of the client's own, if nothing in it needs curl.
  void allow_plain(bool proxies_set) {
    if (proxies_set && !loopback()) return;
    auto target = plain_target(request_.url);
    if (!target) return;
    auto head = plain_head(request_, *target);
    if (!head) return;
    plain.reset(
        new PlainExchange{std::move(target->peer), std::move(*head),
                          has_body(request_) ? std::string_view(request_.body) : std::string_view(),
                          AnswerReader(answer_, request_.method == "HEAD")});
  }

  void prepare(void* handle) override {
    CURL* easy = handle;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_);
    curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (plain || loopback()) curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (plain) return;
    headers_ = header_list(request_);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &answer_);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer_);
    set_tls_options(easy, request_.tls);
    set_method(easy, request_);
  }

  // Nothing of this object is used by the handle from here on.
  void connected(void* handle) override { curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr); }

  void finish(void* handle, int code, std::string_view detail) override {
    CURL* easy = handle;
    if (easy != nullptr) connected(easy);
    if (code != CURLE_OK) {
      result_ = transfer_error(static_cast<CURLcode>(code), answer_, request_,
                               easy != nullptr ? std::string_view(detail_) : detail);
      return;
    }
    if (easy != nullptr) {
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      answer_.response.status = static_cast<int>(status);
    }
    result_ = std::move(answer_.response);
  }

  void fail(base::Error error) override { result_ = std::move(error); }

  void reply() override { done_(std::move(result_)); }

 private:
  bool loopback() const {
    return is_loopback_host(std::string_view(origin).substr(origin.find("://") + 3));
  }

  HttpRequest request_;
  HttpDone done_;
  HttpAnswer answer_;
  std::unique_ptr<curl_slist, SlistFree> headers_;
  char detail_[CURL_ERROR_SIZE] = "";
  base::Result<HttpResponse> result_ = HttpResponse();
};

/// Returns whether curl may send http:// by way of a proxy.
bool proxies_are_set() {
  return std::any_of(std::begin(kProxyVariables), std::end(kProxyVariables), [](const char* name) {
    return !base::environment(name).value_or("").empty();
  });
}

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(const base::Clock& clock, unsigned in_flight_max, std::size_t queue_max)
      : log_("net/http_client"), loop_(clock, "http-send", in_flight_max, queue_max) {}

  void send(HttpRequest request, base::Executor& reply_on, HttpDone done) override {
    if (auto checked = check(request); !checked) {
      reply_on.post([done = std::move(done), error = std::move(checked).error()] { done(error); });
      return;
    }
    std::string origin = url_origin(request.url);
    if (request.tls.insecure) {
      log_.report(origin, "the server's certificate is not verified: 'insecure' is set");
    }
    auto exchange = std::make_unique<Exchange>(std::move(request), std::move(origin), reply_on,
                                               std::move(done));
    exchange->allow_plain(proxies_set_);
    loop_.submit(std::move(exchange));
  }

 private:
  base::FailureLog log_;
  const bool proxies_set_ = proxies_are_set();
  CurlLoop loop_;
};

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::unique_ptr<HttpClient> make_http_client(const base::Clock& clock, unsigned in_flight_max,
                                             std::size_t queue_max) {
  return std::make_unique<CurlHttpClient>(clock, in_flight_max, queue_max);
}

base::Duration retry_after(const HttpResponse& response, base::WallTime now) {
  const std::string value(base::trim(response.header("retry-after")));
  if (value.empty()) return base::Duration{0};
  if (const auto seconds = base::parse_u64(value)) {
    const auto capped = std::min<std::uint64_t>(
        *seconds, static_cast<std::uint64_t>(kRetryAfterMax.count() / 1000));
    return std::chrono::seconds(capped);
  }
  const time_t date = curl_getdate(value.c_str(), nullptr);
  if (date < 0) return base::Duration{0};
  const base::Duration wait = base::wall_time(static_cast<std::int64_t>(date) * 1000) - now;
  return std::clamp(wait, base::Duration{0}, kRetryAfterMax);
}

}  // namespace tocsin::net
