#include "agent/collectors/probe/journey.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr std::size_t kTakenBytesMax = 64 << 10;

/// A text in parts: plain, name, plain, name, ..., plain.
base::Result<std::vector<std::string>> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find("${");
    if (at == std::string_view::npos) {
      parts.emplace_back(text);
      return parts;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos || end == at + 2) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "'${' begins a name in '${name}', and there is none");
    }
    parts.emplace_back(text.substr(0, at));
    parts.emplace_back(text.substr(at + 2, end - at - 2));
    text.remove_prefix(end + 1);
  }
}

/// A character for "amp", "#39" or "#x27"; nothing for others.
std::optional<char> character_of(std::string_view name) {
  static const std::map<std::string_view, char> kNamed = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  if (const auto named = kNamed.find(name); named != kNamed.end()) return named->second;
  if (!name.starts_with('#')) return std::nullopt;
  name.remove_prefix(1);
  const bool hex = name.starts_with('x') || name.starts_with('X');
  if (hex) name.remove_prefix(1);
  unsigned value = 0;
  for (const char digit : name) {
    const auto at =
        std::string_view("0123456789abcdef")
            .find(static_cast<char>(digit >= 'A' && digit <= 'F' ? digit - 'A' + 'a' : digit));
    if (at == std::string_view::npos || at >= (hex ? 16U : 10U) || value > 0x7f) {
      return std::nullopt;
    }
    value = value * (hex ? 16U : 10U) + static_cast<unsigned>(at);
  }
  if (name.empty() || value == 0 || value > 0x7f) return std::nullopt;
  return static_cast<char>(value);
}

bool is_html(const net::HttpResponse& answer) {
  const std::string type = base::to_lower(answer.header("content-type"));
  return type.starts_with("text/html") || type.starts_with("application/xhtml");
}

}  // namespace

base::Result<std::vector<std::string>> names_in(std::string_view text) {
  TC_TRY(const std::vector<std::string> parts, parts_of(text));
  std::vector<std::string> names;
  for (std::size_t i = 1; i < parts.size(); i += 2) names.push_back(parts[i]);
  return names;
}

base::Result<std::string> resolve_url(const std::string& base, const std::string& address) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  char* whole = nullptr;
  if (!url || curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK ||
      curl_url_get(url.get(), CURLUPART_URL, &whole, 0) != CURLUE_OK) {
    return base::error(
        base::ErrorCode::InvalidArgument,
        fmt::format("'{}' is no address below {}",
                    base::escape_control(address.substr(0, address.find_first_of("?#"))),
                    net::url_origin(base)));
  }
  const std::unique_ptr<char, decltype(&curl_free)> owner(whole, &curl_free);
  return std::string(whole);
}

std::string unescape_html(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const std::size_t end = text.front() == '&' ? text.substr(0, 8).find(';') : text.npos;
    const auto character = end == text.npos ? std::nullopt : character_of(text.substr(1, end - 1));
    plain += character ? *character : text.front();
    text.remove_prefix(character ? end + 1 : 1);
  }
  return plain;
}

double hsts_seconds(const net::HttpResponse& answer) {
  // Of several headers the first counts.
  for (const std::string_view part : base::split(answer.header("strict-transport-security"), ';')) {
    const std::size_t equals = part.find('=');
    if (equals == part.npos || base::to_lower(base::trim(part.substr(0, equals))) != "max-age") {
      continue;
    }
    std::string_view value = base::trim(part.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return static_cast<double>(base::parse_u64(value).value_or(0));
  }
  return 0;
}

Probed<std::string> Journey::filled(const JourneyPage& page, const std::string& text,
                                    Place place) const {
  const auto parts = parts_of(text);
  if (!parts) return settings_failure(parts.error());
  std::string whole;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const std::string& part = (*parts)[i];
    if (i % 2 == 0) {
      whole += part;
      continue;
    }
    const auto taken = taken_.find(part);
    const bool own = part == "secret" && !page.secret.empty();
    if (!own && taken == taken_.end()) {
      return failed_probe(ProbeReason::Settings, fmt::format("nothing was taken as '{}'", part));
    }
    const std::string value = own ? page.secret.reveal() : taken->second;
    if (place == Place::Header && base::escape_control(value) != value) {
      return failed_probe(ProbeReason::Body,
                          fmt::format("what was taken as '{}' cannot stand in a header", part));
    }
    whole += place == Place::Url ? net::percent_encode(value) : value;
  }
  return whole;
}

Probed<HttpProbeSettings> Journey::request(const JourneyPage& page) const {
  HttpProbeSettings request = page.http;
  TC_TRY(const std::string address, filled(page, page.http.url, Place::Url));
  const auto url = resolve_url(base_, address);
  if (!url) return settings_failure(url.error());
  request.url = *url;
  const bool own = net::url_origin(request.url) == net::url_origin(settings_.http.url);
  if (!page.secret.empty() && !own && page.http.url.find("://") == std::string::npos) {
    return failed_probe(ProbeReason::Protocol,
                        fmt::format("a redirect led to {}, which is not told the secret",
                                    base::escape_control(net::url_origin(request.url))));
  }
  TC_TRY(request.body, filled(page, page.http.body, Place::Body));
  for (auto& [name, value] : request.headers) {
    TC_TRY(value, filled(page, value, Place::Header));
  }
  if (!page.form.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [name, text] : page.form) {
      TC_TRY(const std::string value, filled(page, text, Place::Form));
      pairs.push_back(net::percent_encode(name) + "=" + net::percent_encode(value));
    }
    request.body = base::join(pairs, "&");
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  }
  if (own) {
    request.headers.insert(request.headers.begin(), settings_.http.headers.begin(),
                           settings_.http.headers.end());
    request.user = settings_.http.user;
    request.password = settings_.http.password;
    request.bearer_token = settings_.http.bearer_token;
  }
  return request;
}

std::string Journey::referer(const std::string& url) const {
  const bool same = arrived_ && net::url_origin(url) == net::url_origin(base_);
  return same ? base_.substr(0, base_.find('#')) : std::string();
}

std::optional<ProbeFailure> Journey::arrived(
    const JourneyPage& page, const HttpExchange& exchange,
    const std::function<std::optional<std::string>(const std::string&)>& cookie) {
  base_ = exchange.url;
  arrived_ = true;
  for (const auto& [name, pattern] : page.take) {
    auto value = pattern.captured(exchange.answer.body);
    if (!value || value->size() > kTakenBytesMax) {
      return failed_probe(ProbeReason::Body,
                          fmt::format("'{}' is not in the body ('{}')", name, pattern.text()));
    }
    taken_[name] = is_html(exchange.answer) ? unescape_html(*value) : *value;
  }
  for (const auto& [name, wanted] : page.take_cookies) {
    auto value = cookie(wanted);
    if (!value) {
      return failed_probe(ProbeReason::Header, fmt::format("no cookie '{}' was set", wanted));
    }
    taken_[name] = std::move(*value);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
