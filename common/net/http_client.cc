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

#include "common/base/log.h"
#include "common/base/strings.h"
#include "common/net/curl_loop.h"
#include "common/net/curl_tls.h"
#include "common/net/url.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kResponseHeaderBytesMax = 256 << 10;
constexpr std::size_t kUrlBytesMax = 64 << 10;
constexpr base::Duration kRetryAfterMax = std::chrono::hours(24 * 7);

struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// What is collected while curl runs.
struct Transfer {
  std::size_t body_bytes_max = 0;
  HttpResponse response;
  std::size_t header_bytes = 0;
  const char* exceeded = nullptr;  ///< Which limit ended the transfer.
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (size > transfer.body_bytes_max - transfer.response.body.size()) {
    transfer.exceeded = "body";
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.response.body.append(data, size);
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line = base::trim(std::string_view(data, size));
  if (line.starts_with("HTTP/")) {  // a new head: the one before was interim (100 Continue)
    transfer.response.headers.clear();
    transfer.header_bytes = 0;
    return size;
  }
  transfer.header_bytes += size;
  if (transfer.header_bytes > kResponseHeaderBytesMax) {
    transfer.exceeded = "header";
    return 0;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name = base::to_lower(line.substr(0, colon));
  const std::string_view value = base::trim(line.substr(colon + 1));
  if (name == "content-length") {
    const auto length = base::parse_u64(value);
    if (length && *length > transfer.body_bytes_max) {
      transfer.exceeded = "body";
      return 0;
    }
  }
  transfer.response.headers.emplace_back(std::move(name), std::string(value));
  return size;
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
  const bool has_body = !request.body.empty() || request.method == "POST" ||
                        request.method == "PUT" || request.method == "PATCH";
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

base::Error transfer_error(CURLcode code, const Transfer& transfer, const HttpRequest& request,
                           std::string_view detail) {
  const std::string origin = url_origin(request.url);
  if (transfer.exceeded != nullptr) {
    const std::size_t limit = transfer.exceeded == std::string_view("body")
                                  ? transfer.body_bytes_max
                                  : kResponseHeaderBytesMax;
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("response {} of {} is larger than the limit of {} bytes",
                                   transfer.exceeded, origin, limit));
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
class Exchange final : public CurlLoop::Job {
 public:
  Exchange(HttpRequest request, std::string its_origin, base::Executor& executor, HttpDone done)
      : Job(std::move(its_origin), request.timeout, executor),
        request_(std::move(request)),
        done_(std::move(done)) {
    transfer_.body_bytes_max = request_.response_bytes_max;
  }

  void prepare(void* handle) override {
    CURL* easy = handle;
    headers_ = header_list(request_);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_);
    curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer_);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer_);
    if (is_loopback_host(std::string_view(origin).substr(origin.find("://") + 3))) {
      curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    set_tls_options(easy, request_.tls);
    set_method(easy, request_);
  }

  void finish(void* handle, int code) override {
    CURL* easy = handle;
    // Nothing of this object is used by the handle from here on.
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
    if (code != CURLE_OK) {
      result_ = transfer_error(static_cast<CURLcode>(code), transfer_, request_, detail_);
      return;
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    transfer_.response.status = static_cast<int>(status);
    result_ = std::move(transfer_.response);
  }

  void fail(base::Error error) override { result_ = std::move(error); }

  void reply() override { done_(std::move(result_)); }

 private:
  HttpRequest request_;
  HttpDone done_;
  Transfer transfer_;
  std::unique_ptr<curl_slist, SlistFree> headers_;
  char detail_[CURL_ERROR_SIZE] = "";
  base::Result<HttpResponse> result_ = HttpResponse();
};

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
    loop_.submit(std::make_unique<Exchange>(std::move(request), std::move(origin), reply_on,
                                            std::move(done)));
  }

 private:
  base::FailureLog log_;
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
