#include "alertd/api/ack_page.h"

#include <fmt/core.h>

#include "alertd/api/json.h"
#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/gotemplate/escape.h"
#include "common/model/severity.h"

namespace tocsin::api {
namespace {

constexpr std::string_view kStyle =
    "body{font:1.1em/1.5 sans-serif;margin:2em auto;max-width:32em;padding:0 1em}"
    "button{font-size:1.3em;padding:.6em 1.4em;width:100%;margin-top:1em}"
    "input,select{font-size:1em;padding:.4em;width:100%;box-sizing:border-box}"
    "label{display:block;margin-top:1em}dt{font-weight:bold}";

/// The style is allowed by its hash; nothing else is, and nothing may frame the page.
std::string content_policy() {
  const std::string hex = base::sha256_hex(kStyle);
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return fmt::format(
      "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; frame-ancestors 'none'; "
      "base-uri 'none'",
      base::base64(bytes));
}

net::ServerResponse page(int status, std::string_view title, const std::string& body) {
  net::ServerResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.headers = {
      {"Content-Security-Policy", content_policy()}, {"Referrer-Policy", "no-referrer"},
      {"X-Content-Type-Options", "nosniff"},         {"X-Frame-Options", "DENY"},
      {"X-Robots-Tag", "noindex, nofollow"},         {"Cache-Control", "no-store"}};
  response.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style></head>\n<body><h1>{0}</h1>\n{2}</body></html>\n",
      html_text(title), kStyle, body);
  return response;
}

}  // namespace

std::string html_text(std::string_view text) {
  return gotemplate::escape_html(clean(text));
}

net::ServerResponse ack_question(const AckClaim& claim, const IncidentInfo& incident) {
  const bool resolve = claim.action == AckAction::Resolve;
  std::string body = fmt::format(
      "<p><strong>{}</strong></p>\n<dl><dt>Severity</dt><dd>{}</dd><dt>State</dt><dd>{}{}</dd>"
      "<dt>Since</dt><dd>{}</dd><dt>Alerts firing</dt><dd>{}</dd></dl>\n",
      html_text(incident.title), model::to_string(incident.severity), html_text(incident.state),
      incident.acknowledged_by.empty() ? "" : " by " + html_text(incident.acknowledged_by),
      base::format_rfc3339(incident.opened_at), incident.alerts_firing);
  if (incident.state == "resolved") {
    body += "<p>It is over; there is nothing to do here.</p>\n";
  } else {
    body += fmt::format(
        "<form method=\"post\">\n<label>Your name <input name=\"by\" required maxlength=\"100\" "
        "autocomplete=\"name\" value=\"{}\"></label>\n",
        html_text(claim.person));
    if (!resolve) {
      body +=
          "<label>I work on it for <select name=\"for\"><option value=\"\">as usual</option>"
          "<option>30m</option><option>1h</option><option>2h</option><option>4h</option>"
          "<option>8h</option></select></label>\n";
    }
    body += fmt::format("<button type=\"submit\">{}</button></form>\n",
                        resolve ? "Resolve" : "Acknowledge");
  }
  return page(200, fmt::format("{} {}", resolve ? "Resolve" : "Acknowledge", incident.id), body);
}

net::ServerResponse ack_answer(int status, std::string_view title, std::string_view text) {
  return page(status, title, fmt::format("<p>{}</p>\n", html_text(text)));
}

}  // namespace tocsin::api
