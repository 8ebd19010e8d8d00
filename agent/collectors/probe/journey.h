// A journey of several pages, as somebody who logs in and looks something up makes it: what one
// page says goes into the next. Pure, but for the cookies that it is told.
//
// `${name}` in the URL, form, headers and body of a page stands for what an earlier page's `take`
// or `take_cookie` found, and `${secret}` for the page's own secret. A taken value goes into a URL
// and a form percent-coded, and never with a line end into a header.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/http_exchange.h"
#include "agent/collectors/probe/probe_settings.h"

namespace tocsin::agent {

/// Returns the names in `${name}` of a text, in order. Errors: InvalidArgument (no end, no name).
base::Result<std::vector<std::string>> names_in(std::string_view text);

/// Returns `address` seen from `base`: "/login", "?page=2" or a whole URL. Errors: InvalidArgument.
base::Result<std::string> resolve_url(const std::string& base, const std::string& address);

/// Undoes the references that HTML writes for characters in an attribute: &amp; &#39; &#x27; and
/// their like, of one byte.
std::string unescape_html(std::string_view text);

/// Returns the seconds of Strict-Transport-Security; 0 without one. Source: RFC 6797, 6.1.
double hsts_seconds(const net::HttpResponse& answer);

/// Where one visitor stands. Thread: one.
class Journey {
 public:
  /// `settings`, which outlives it, has pages.
  explicit Journey(const ProbeSettings& settings) : settings_(settings), base_(settings.http.url) {}

  /// Returns what to ask for. Credentials of the probe go to its own origin only.
  /// Failures: Body (a taken value cannot stand there), Settings.
  Probed<HttpProbeSettings> request(const JourneyPage& page) const;

  /// Returns the page before, if `url` is of the same origin; else nothing. Django asks for it.
  std::string referer(const std::string& url) const;

  /// Takes from an answer, which is as expected, what later pages need. Failure: Body (it is not
  /// there).
  std::optional<ProbeFailure> arrived(
      const JourneyPage& page, const HttpExchange& exchange,
      const std::function<std::optional<std::string>(const std::string&)>& cookie);

 private:
  enum class Place { Url, Form, Header, Body };
  Probed<std::string> filled(const JourneyPage& page, const std::string& text, Place place) const;

  const ProbeSettings& settings_;
  std::string base_;  ///< Where the visitor is.
  bool arrived_ = false;
  std::map<std::string, std::string> taken_;
};

}  // namespace tocsin::agent
