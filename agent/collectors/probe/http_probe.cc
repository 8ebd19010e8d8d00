// HTTP over libcurl, with the times of each part and what TLS said.
//
// Each probe is a connection of its own: what it measures is what a new visitor gets. No proxy of
// the environment is used, and no name cache.
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "agent/collectors/probe/probe_url.h"
#include "agent/collectors/probe/probes.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kPhases{"probe_http_duration_seconds",
                             "How long the parts of the request took, over all redirects."};
constexpr MetricInfo kStatus{"probe_http_status_code", "The status; 0 if there was no answer."};
constexpr MetricInfo kVersion{"probe_http_version", "The version of HTTP in the answer."};
constexpr MetricInfo kRedirects{"probe_http_redirects", "Redirects that were followed."};
constexpr MetricInfo kSsl{"probe_http_ssl", "1 if the last request was over TLS."};
constexpr MetricInfo kLength{"probe_http_content_length",
                             "Length of the content as the server says; -1 if it does not."};
constexpr MetricInfo kBody{"probe_http_uncompressed_body_length", "Bytes of the body."};
constexpr MetricInfo kModified{"probe_http_last_modified_timestamp_seconds",
                               "The header Last-Modified in seconds since 1970."};
constexpr MetricInfo kPattern{"probe_failed_due_to_regex",
                              "1 if the probe failed because of a pattern."};

constexpr long kRedirectsMax = 10;
constexpr std::size_t kHeaderBytesMax = 256 << 10;

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using EasyPointer = std::unique_ptr<CURL, EasyFree>;
using ListPointer = std::unique_ptr<curl_slist, EasyFree>;

/// What is collected while curl runs.
struct Exchange {
  const ProbeSettings* settings = nullptr;
  net::HttpResponse answer;
  std::size_t header_bytes = 0;
  const char* exceeded = nullptr;
  TlsFacts tls;
  std::optional<base::Error> bad_settings;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (size > exchange.settings->http.body_bytes_max - exchange.answer.body.size()) {
    exchange.exceeded = "body";
    return CURL_WRITEFUNC_ERROR;
  }
  exchange.answer.body.append(data, size);
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line = base::trim(std::string_view(data, size));
  exchange.header_bytes += size;
  if (exchange.header_bytes > kHeaderBytesMax) {
    exchange.exceeded = "header";
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // the next answer: after a redirect, or 100 Continue
    exchange.answer.headers.clear();
    exchange.answer.body.clear();
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  exchange.answer.headers.emplace_back(base::to_lower(line.substr(0, colon)),
                                       std::string(base::trim(line.substr(colon + 1))));
  return size;
}

CURLcode on_tls(CURL*, void* context, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const ProbeRoute& route = exchange.settings->route;
  const OnBadCertificate on_bad =
      route.tls.insecure ? OnBadCertificate::GoOn : OnBadCertificate::Refuse;
  auto* tls = static_cast<ssl_ctx_st*>(context);
  if (const auto used = use_tls_options(tls, route.tls); !used) {
    exchange.bad_settings = used.error();
    return CURLE_SSL_CERTPROBLEM;
  }
  record_tls_facts(tls, route.server_name, on_bad, &exchange.tls);
  return CURLE_OK;
}

ListPointer list_of(const std::vector<std::string>& lines) {
  curl_slist* list = nullptr;
  for (const std::string& line : lines) {
    if (curl_slist* longer = curl_slist_append(list, line.c_str())) list = longer;
  }
  return ListPointer(list);
}

ListPointer headers_of(const HttpProbeSettings& http) {
  std::vector<std::string> lines;
  bool has_type = false;
  for (const auto& [name, value] : http.headers) {
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

void set_credentials(CURL* easy, const HttpProbeSettings& http) {
  if (!http.bearer_token.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, http.bearer_token.reveal().c_str());
  } else if (!http.user.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, http.user.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, http.password.reveal().c_str());
  }
}

void set_tls(CURL* easy, Exchange& exchange) {
  const net::TlsOptions& tls = exchange.settings->route.tls;
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Who is trusted is set in on_tls; curl would read the system's whole bundle each time.
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &exchange);
}

void set_request(CURL* easy, const ProbeSettings& settings) {
  const HttpProbeSettings& http = settings.http;
  const bool head = http.method == "HEAD";
  if (head) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  if (!head && !http.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(http.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, http.body.data());
  }
  if (!head) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, http.method.c_str());
  curl_easy_setopt(easy, CURLOPT_URL, http.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, http.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(settings.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // do not wait for a resolver that hangs
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  const IpProtocol ip = settings.route.ip;
  curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                   static_cast<long>(ip == IpProtocol::V4   ? CURL_IPRESOLVE_V4
                                     : ip == IpProtocol::V6 ? CURL_IPRESOLVE_V6
                                                            : CURL_IPRESOLVE_WHATEVER));
}

ProbeFailure tls_failure(const Exchange& exchange, std::string detail) {
  if (auto failure = certificate_failure(exchange.tls)) return std::move(*failure);
  return failed_probe(ProbeReason::Tls, std::move(detail));
}

long number_of(CURL* easy, CURLINFO what) {
  long number = 0;
  curl_easy_getinfo(easy, what, &number);
  return number;
}

ProbeFailure transfer_failure(CURL* easy, CURLcode code, const Exchange& exchange,
                              std::string_view detail) {
  if (exchange.bad_settings) return settings_failure(*exchange.bad_settings);
  if (exchange.exceeded != nullptr) {
    return failed_probe(ProbeReason::Body,
                        fmt::format("the {} is larger than its limit", exchange.exceeded));
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
      return tls_failure(exchange, std::move(text));
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
void add_phases(CURL* easy, bool tls, ProbeResult& result) {
  const double resolved = seconds_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
  const double connected = seconds_of(easy, CURLINFO_CONNECT_TIME_T);
  const double secured = tls ? seconds_of(easy, CURLINFO_APPCONNECT_TIME_T) : connected;
  const double answered = seconds_of(easy, CURLINFO_STARTTRANSFER_TIME_T);
  const double total = seconds_of(easy, CURLINFO_TOTAL_TIME_T);
  const auto part = [&](const char* name, double from, double to) {
    result.add(kPhases, {{"phase", name}}, std::max(to - from, 0.0));
  };
  part("resolve", 0, resolved);
  part("connect", resolved, connected);
  part("tls", connected, secured);
  part("processing", secured, answered);
  part("transfer", answered, answered > 0 ? total : 0);
}

bool is_over_tls(CURL* easy) {
  const char* scheme = nullptr;
  curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
  return scheme != nullptr && base::to_lower(scheme) == "https";
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

void add_answer(CURL* easy, const Exchange& exchange, bool tls, ProbeResult& result) {
  result.add(kStatus, exchange.answer.status);
  result.add(kRedirects, static_cast<double>(number_of(easy, CURLINFO_REDIRECT_COUNT)));
  result.add(kSsl, tls ? 1 : 0);
  if (exchange.answer.status == 0) return;
  result.add(kVersion, version_of(easy));
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  result.add(kLength, static_cast<double>(length));
  result.add(kBody, static_cast<double>(exchange.answer.body.size()));
  const std::string modified(exchange.answer.header("last-modified"));
  const time_t time = modified.empty() ? -1 : curl_getdate(modified.c_str(), nullptr);
  if (time > 0) result.add(kModified, static_cast<double>(time));
}

void add_reached(CURL* easy, ProbeResult& result) {
  const char* address = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
  const std::string_view text = address == nullptr ? "" : address;
  const int protocol = text.empty() ? 0 : text.find(':') == text.npos ? 4 : 6;
  result.reached(seconds_of(easy, CURLINFO_NAMELOOKUP_TIME_T), protocol);
}

}  // namespace

ProbeResult probe_http(const ProbeSettings& settings, const base::Clock& clock) {
  ProbeResult result;
  Exchange exchange;
  exchange.settings = &settings;
  const EasyPointer owner(curl_easy_init());
  CURL* easy = owner.get();
  if (easy == nullptr) {
    result.failure = failed_probe(ProbeReason::Protocol, "no memory for curl");
    return result;
  }
  char detail[CURL_ERROR_SIZE] = "";
  const ListPointer headers = headers_of(settings.http);
  const ListPointer connect_to = connect_to_of(settings.route);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to.get());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  set_request(easy, settings);
  set_credentials(easy, settings.http);
  set_tls(easy, exchange);
  const CURLcode code = curl_easy_perform(easy);
  exchange.answer.status = static_cast<int>(number_of(easy, CURLINFO_RESPONSE_CODE));
  bool due_to_pattern = false;
  if (code != CURLE_OK) {
    result.failure = transfer_failure(easy, code, exchange, detail);
  } else if (settings.http.require_tls && !is_over_tls(easy)) {
    result.failure = failed_probe(ProbeReason::Tls, "the last request was not over TLS");
  } else {
    result.failure =
        check_answer(settings.http.expect, exchange.answer, clock.wall(), &due_to_pattern);
  }
  // Where the handshake failed there is no last request.
  const bool tls = is_over_tls(easy) || (exchange.answer.status == 0 && exchange.tls.seen);
  add_reached(easy, result);
  add_answer(easy, exchange, tls, result);
  add_phases(easy, tls, result);
  result.add(kPattern, due_to_pattern ? 1 : 0);
  if (tls) add_tls(exchange.tls, result);
  return result;
}

}  // namespace tocsin::agent
