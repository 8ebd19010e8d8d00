#include "agent/collectors/probe/http_exchange.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/collectors/probe/probe_url.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr long kRedirectsMax = 10;
constexpr std::size_t kHeaderBytesMax = 256 << 10;

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct ShareFree {
  void operator()(CURLSH* share) const { curl_share_cleanup(share); }
};
using EasyPointer = std::unique_ptr<CURL, EasyFree>;
using ListPointer = std::unique_ptr<curl_slist, EasyFree>;
using SharePointer = std::unique_ptr<CURLSH, ShareFree>;

/// What is collected while curl runs.
struct Transfer {
  const ProbeRoute* route = nullptr;
  const HttpProbeSettings* page = nullptr;
  net::HttpResponse answer;
  std::size_t header_bytes = 0;
  const char* exceeded = nullptr;
  TlsFacts* tls = nullptr;
  std::optional<base::Error> bad_settings;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (size > transfer.page->body_bytes_max - transfer.answer.body.size()) {
    transfer.exceeded = "body";
    return CURL_WRITEFUNC_ERROR;
  }
  transfer.answer.body.append(data, size);
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line = base::trim(std::string_view(data, size));
  transfer.header_bytes += size;
  if (transfer.header_bytes > kHeaderBytesMax) {
    transfer.exceeded = "header";
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // the next answer: after a redirect, or 100 Continue
    transfer.answer.headers.clear();
    transfer.answer.body.clear();
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  transfer.answer.headers.emplace_back(base::to_lower(line.substr(0, colon)),
                                       std::string(base::trim(line.substr(colon + 1))));
  return size;
}

CURLcode on_tls(CURL*, void* context, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const ProbeRoute& route = *transfer.route;
  const OnBadCertificate on_bad =
      route.tls.insecure ? OnBadCertificate::GoOn : OnBadCertificate::Refuse;
  auto* tls = static_cast<ssl_ctx_st*>(context);
  if (const auto used = use_tls_options(tls, route.tls); !used) {
    transfer.bad_settings = used.error();
    return CURLE_SSL_CERTPROBLEM;
  }
  record_tls_facts(tls, route.server_name, on_bad, transfer.tls);
  return CURLE_OK;
}

ListPointer list_of(const std::vector<std::string>& lines) {
  curl_slist* list = nullptr;
  for (const std::string& line : lines) {
    if (curl_slist* longer = curl_slist_append(list, line.c_str())) list = longer;
  }
  return ListPointer(list);
}

ListPointer headers_of(const HttpProbeSettings& page) {
  std::vector<std::string> lines;
  bool has_type = false;
  for (const auto& [name, value] : page.headers) {
    has_type = has_type || base::to_lower(name) == "content-type";
    lines.push_back(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!has_type) lines.emplace_back("Content-Type:");  // else curl claims a form
  lines.emplace_back("Expect:");
  return list_of(lines);
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

/// Only for the target itself: a redirect elsewhere goes elsewhere.
ListPointer connect_to_of(const ProbeRoute& route) {
  if (!route.connect_to) return list_of({});
  return list_of({fmt::format("{}:{}:{}:{}", bracketed(route.address.host), route.address.port,
                              bracketed(route.connect_to->host), route.connect_to->port)});
}

void set_credentials(CURL* easy, const HttpProbeSettings& page) {
  if (!page.bearer_token.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, page.bearer_token.reveal().c_str());
  } else if (!page.user.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, page.user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, page.password.reveal().c_str());
  }
}

void set_tls(CURL* easy, Transfer& transfer) {
  const net::TlsOptions& tls = transfer.route->tls;
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Who is trusted is set in on_tls; curl would read the system's whole bundle each time.
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &transfer);
}

/// A method of its own words is kept over redirects; POST and GET change as they do in browsers.
void set_method(CURL* easy, const HttpProbeSettings& page) {
  if (page.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  const bool post = page.method == "POST";
  if (post || !page.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(page.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, page.body.data());
  }
  if (!post && (page.method != "GET" || !page.body.empty())) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, page.method.c_str());
  }
}

void set_request(CURL* easy, const ProbeRoute& route, const HttpProbeSettings& page,
                 base::Duration timeout) {
  const auto timeout_ms = std::max(static_cast<long>(timeout.count()), 1L);  // 0 were without end
  curl_easy_setopt(easy, CURLOPT_URL, page.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, page.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // do not wait for a resolver that hangs
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                   static_cast<long>(route.ip == IpProtocol::V4   ? CURL_IPRESOLVE_V4
                                     : route.ip == IpProtocol::V6 ? CURL_IPRESOLVE_V6
                                                                  : CURL_IPRESOLVE_WHATEVER));
}

ProbeFailure tls_failure(const TlsFacts& facts, std::string detail) {
  if (auto failure = certificate_failure(facts)) return std::move(*failure);
  return failed_probe(ProbeReason::Tls, std::move(detail));
}

long number_of(CURL* easy, CURLINFO what) {
  long number = 0;
  curl_easy_getinfo(easy, what, &number);
  return number;
}

std::string text_of(CURL* easy, CURLINFO what) {
  const char* text = nullptr;
  curl_easy_getinfo(easy, what, &text);
  return text == nullptr ? "" : text;
}

ProbeFailure transfer_failure(CURL* easy, CURLcode code, const Transfer& transfer,
                              std::string_view detail) {
  if (transfer.bad_settings) return settings_failure(*transfer.bad_settings);
  if (transfer.exceeded != nullptr) {
    return failed_probe(ProbeReason::Body,
                        fmt::format("the {} is larger than its limit", transfer.exceeded));
  }
  std::string text = base::escape_control(detail.empty() ? curl_easy_strerror(code) : detail);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return failed_probe(ProbeReason::Dns, std::move(text));
    case CURLE_COULDNT_CONNECT:
      return failed_probe(
          ProbeReason::Connect,
          fmt::format("connect: {}",
                      std::strerror(static_cast<int>(number_of(easy, CURLINFO_OS_ERRNO)))));
    case CURLE_OPERATION_TIMEDOUT:
      return failed_probe(ProbeReason::Timeout, "no answer in time");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
      return tls_failure(*transfer.tls, std::move(text));
    case CURLE_TOO_MANY_REDIRECTS:
      return failed_probe(ProbeReason::Status, std::move(text));
    default:
      return failed_probe(ProbeReason::Protocol, std::move(text));
  }
}

double seconds_of(CURL* easy, CURLINFO what) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy, what, &microseconds);
  return static_cast<double>(microseconds) / 1e6;
}

/// curl's times are those of the ends of parts, since the beginning.
void take_phases(CURL* easy, HttpExchange& exchange) {
  const double resolved = seconds_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
  const double connected = seconds_of(easy, CURLINFO_CONNECT_TIME_T);
  const double secured =
      exchange.over_tls ? seconds_of(easy, CURLINFO_APPCONNECT_TIME_T) : connected;
  const double answered = seconds_of(easy, CURLINFO_STARTTRANSFER_TIME_T);
  const double total = seconds_of(easy, CURLINFO_TOTAL_TIME_T);
  exchange.phase_seconds = {resolved, connected - resolved, secured - connected, answered - secured,
                            answered > 0 ? total - answered : 0};
  for (double& part : exchange.phase_seconds) part = std::max(part, 0.0);
  exchange.lookup_seconds = resolved;
}

double version_of(CURL* easy) {
  switch (number_of(easy, CURLINFO_HTTP_VERSION)) {
    case CURL_HTTP_VERSION_1_0:
      return 1.0;
    case CURL_HTTP_VERSION_1_1:
      return 1.1;
    case CURL_HTTP_VERSION_2_0:
      return 2;
    case CURL_HTTP_VERSION_3:
      return 3;
    default:
      return 0;
  }
}

void take_facts(CURL* easy, HttpExchange& exchange) {
  exchange.over_tls = base::to_lower(text_of(easy, CURLINFO_SCHEME)) == "https";
  exchange.url = text_of(easy, CURLINFO_EFFECTIVE_URL);
  exchange.redirects = number_of(easy, CURLINFO_REDIRECT_COUNT);
  exchange.version = version_of(easy);
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  exchange.content_length = static_cast<double>(length);
  const std::string address = text_of(easy, CURLINFO_PRIMARY_IP);
  exchange.ip_protocol = address.empty() ? 0 : address.find(':') == std::string::npos ? 4 : 6;
}

}  // namespace

struct HttpVisitor::State {
  explicit State(const ProbeRoute& its_route)
      : route(its_route), cookies(curl_share_init()), easy(curl_easy_init()) {
    if (!cookies) easy = nullptr;
    if (!easy) return;
    curl_share_setopt(cookies.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    curl_easy_setopt(easy.get(), CURLOPT_SHARE, cookies.get());
  }

  const ProbeRoute& route;
  SharePointer cookies;  ///< Outlives the handle.
  EasyPointer easy;
  TlsFacts tls;  ///< Here because a connection outlives the request that opened it.
};

HttpVisitor::HttpVisitor(const ProbeRoute& route) : state_(std::make_unique<State>(route)) {}

HttpVisitor::~HttpVisitor() = default;

HttpExchange HttpVisitor::ask(const HttpProbeSettings& page, base::Duration timeout,
                              const std::string& referer) {
  HttpExchange exchange;
  CURL* easy = state_->easy.get();
  if (easy == nullptr) {
    exchange.failure = failed_probe(ProbeReason::Protocol, "no memory for curl");
    return exchange;
  }
  curl_easy_reset(easy);  // cookies and connections stay
  Transfer transfer;
  transfer.route = &state_->route;
  transfer.page = &page;
  transfer.tls = &state_->tls;
  char detail[CURL_ERROR_SIZE] = "";
  const ListPointer headers = headers_of(page);
  const ListPointer connect_to = connect_to_of(state_->route);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to.get());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  if (!referer.empty()) curl_easy_setopt(easy, CURLOPT_REFERER, referer.c_str());
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");  // of no file: cookies in memory
  set_request(easy, state_->route, page, timeout);
  set_method(easy, page);
  set_credentials(easy, page);
  set_tls(easy, transfer);
  const CURLcode code = curl_easy_perform(easy);
  if (code != CURLE_OK) exchange.failure = transfer_failure(easy, code, transfer, detail);
  exchange.answer = std::move(transfer.answer);
  exchange.answer.status = static_cast<int>(number_of(easy, CURLINFO_RESPONSE_CODE));
  take_facts(easy, exchange);
  // Where the handshake failed there is no last request.
  exchange.over_tls = exchange.over_tls || (exchange.answer.status == 0 && state_->tls.seen);
  take_phases(easy, exchange);
  exchange.tls = std::exchange(state_->tls, {});
  // A reset loses the list of cookie files, so it is freed first; that takes the cookies away too.
  curl_easy_setopt(easy, CURLOPT_COOKIEFILE, nullptr);
  curl_easy_setopt(easy, CURLOPT_SHARE, state_->cookies.get());
  curl_easy_reset(easy);  // nothing of this frame is left in the handle
  return exchange;
}

std::optional<std::string> HttpVisitor::cookie(std::string_view name) const {
  if (!state_->easy) return std::nullopt;
  curl_slist* all = nullptr;
  curl_easy_getinfo(state_->easy.get(), CURLINFO_COOKIELIST, &all);
  const ListPointer owner(all);
  // Netscape's format: domain, subdomains, path, secure, end, name, value, by tabs.
  for (const curl_slist* one = all; one != nullptr; one = one->next) {
    const auto fields = base::split(one->data, '\t');
    if (fields.size() >= 7 && fields[5] == name) return std::string(fields[6]);
  }
  return std::nullopt;
}

base::Result<std::string> fetch_file(const std::string& url, const net::TlsOptions& tls,
                                     base::Duration timeout, std::size_t bytes_max,
                                     const std::string& accept, const std::string& body,
                                     const std::string& content_type) {
  TC_TRY(const ProbeUrl parsed, parse_probe_url(url));
  ProbeRoute route;
  route.address = parsed.address;
  route.server_name = parsed.address.host;
  route.tls = tls;
  HttpProbeSettings page;
  page.url = url;
  page.body_bytes_max = bytes_max;
  if (!accept.empty()) page.headers.emplace_back("Accept", accept);
  if (!body.empty()) {
    page.method = "POST";
    page.body = body;
    page.headers.emplace_back("Content-Type", content_type);
  }
  HttpVisitor visitor(route);
  HttpExchange exchange = visitor.ask(page, timeout);
  const auto bad = [&](const std::string& why) {
    return base::error(base::ErrorCode::Unavailable, fmt::format("{}: {}", parsed.shown, why));
  };
  if (exchange.failure) return bad(exchange.failure->detail);
  if (exchange.answer.status == 404) {
    return base::error(base::ErrorCode::NotFound, fmt::format("{}: status 404", parsed.shown));
  }
  if (exchange.answer.status != 200) {
    return bad(fmt::format("status {}", exchange.answer.status));
  }
  return std::move(exchange.answer.body);
}

}  // namespace tocsin::agent
