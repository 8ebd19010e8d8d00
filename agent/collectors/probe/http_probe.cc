// One page, or a journey of several, as samples.
//
// Each probe is a visitor of its own: what it measures is what a new visitor gets.
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/probe/http_exchange.h"
#include "agent/collectors/probe/journey.h"
#include "agent/collectors/probe/probes.h"

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
constexpr MetricInfo kHsts{
    "probe_http_hsts_max_age_seconds",
    "For how long browsers are told to come over TLS only; 0: they are not."};
constexpr MetricInfo kPageSuccess{"probe_page_success",
                                  "1 if the page of the journey was as expected, 0 if not."};
constexpr MetricInfo kPageDuration{"probe_page_duration_seconds",
                                   "How long the page of the journey took, with its redirects."};

/// All that was asked, for the metrics that a probe has once.
struct Visit {
  HttpExchange last;
  TlsFacts tls;
  std::array<double, kHttpPhases.size()> phase_seconds{};
  double redirects = 0;
  bool due_to_pattern = false;

  /// Counts `exchange` in; what is kept is told of the last.
  void add(HttpExchange exchange) {
    for (std::size_t i = 0; i < phase_seconds.size(); ++i) {
      phase_seconds[i] += exchange.phase_seconds[i];
    }
    redirects += static_cast<double>(exchange.redirects);
    if (exchange.tls.seen) tls = std::move(exchange.tls);
    last = std::move(exchange);
  }
};

std::optional<ProbeFailure> judge(const HttpProbeSettings& page, const HttpExchange& exchange,
                                  base::WallTime now, bool* due_to_pattern) {
  if (exchange.failure) return exchange.failure;
  if (page.require_tls && !exchange.over_tls) {
    return failed_probe(ProbeReason::Tls, "the last request was not over TLS");
  }
  return check_answer(page.expect, exchange.answer, now, due_to_pattern);
}

void add_answer(const ProbeSettings& settings, const Visit& visit, ProbeResult& result) {
  const HttpExchange& last = visit.last;
  result.add(kStatus, last.answer.status);
  result.add(kRedirects, visit.redirects);
  result.add(kSsl, last.over_tls ? 1 : 0);
  if (last.answer.status == 0) return;
  result.add(kVersion, last.version);
  result.add(kLength, last.content_length);
  result.add(kBody, static_cast<double>(last.answer.body.size()));
  const std::string modified(last.answer.header("last-modified"));
  const time_t time = modified.empty() ? -1 : curl_getdate(modified.c_str(), nullptr);
  if (time > 0) result.add(kModified, static_cast<double>(time));
  // Browsers take no such promise from an address without a name.
  if (settings.http.hsts && last.over_tls && !is_ip_address(settings.route.address.host)) {
    result.add(kHsts, hsts_seconds(last.answer));
  }
}

/// Asks for the pages one after the other, until one is not as expected.
void travel(const ProbeSettings& settings, const base::Clock& clock, Visit& visit,
            ProbeResult& result) {
  const base::MonotonicTime deadline = clock.monotonic() + settings.timeout;
  HttpVisitor visitor(settings.route);
  Journey journey(settings);
  for (const JourneyPage& page : settings.pages) {
    const base::MonotonicTime begin = clock.monotonic();
    auto request = journey.request(page);
    if (request) {
      visit.add(visitor.ask(*request, std::chrono::duration_cast<base::Duration>(deadline - begin),
                            journey.referer(request->url)));
      result.failure = judge(*request, visit.last, clock.wall(), &visit.due_to_pattern);
      if (!result.failure) {
        result.failure = journey.arrived(
            page, visit.last, [&](const std::string& name) { return visitor.cookie(name); });
      }
    } else {
      result.failure = request.error();
    }
    result.add(kPageDuration, {{"page", page.name}}, seconds_since(clock, begin));
    result.add(kPageSuccess, {{"page", page.name}}, result.failure ? 0 : 1);
    if (!result.failure) continue;
    result.failure->detail = fmt::format("page '{}': {}", page.name, result.failure->detail);
    result.failure->page = page.name;
    return;
  }
}

}  // namespace

ProbeResult probe_http(const ProbeSettings& settings, const base::Clock& clock) {
  ProbeResult result;
  Visit visit;
  if (settings.pages.empty()) {
    HttpVisitor visitor(settings.route);
    visit.add(visitor.ask(settings.http, settings.timeout));
    result.failure = judge(settings.http, visit.last, clock.wall(), &visit.due_to_pattern);
  } else {
    travel(settings, clock, visit, result);
  }
  result.reached(visit.last.lookup_seconds, visit.last.ip_protocol);
  add_answer(settings, visit, result);
  for (std::size_t i = 0; i < kHttpPhases.size(); ++i) {
    result.add(kPhases, {{"phase", kHttpPhases[i]}}, visit.phase_seconds[i]);
  }
  result.add(kPattern, visit.due_to_pattern ? 1 : 0);
  if (visit.last.over_tls) add_tls(visit.tls, result);
  return result;
}

}  // namespace tocsin::agent
