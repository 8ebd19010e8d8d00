#include "common/net/http_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

struct StatusName {
  int status;
  std::string_view name;
};
constexpr std::array<StatusName, 27> kStatusNames{{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
}};

std::string_view status_name(int status) {
  for (const StatusName& entry : kStatusNames) {
    if (entry.status == status) return entry.name;
  }
  return "Status";
}

bool fits_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

/// Length of the valid UTF-8 sequence at the start of `text`; 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length) {
    if (base::is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const auto byte = static_cast<unsigned char>(c);
    std::size_t length = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (byte < 0x80) {
      out += c;
    } else if (length = utf8_length(text); length > 0) {
      out += text.substr(0, length);
    } else {
      length = 1;
      out += "\xEF\xBF\xBD";
    }
    text.remove_prefix(length);
  }
  return out + '"';
}

ServerResponse error_response(int status, std::string_view type, std::string_view message) {
  ServerResponse response;
  response.status = status;
  response.body = fmt::format("{{\"status\":\"error\",\"errorType\":{},\"error\":{}}}\n",
                              json_string(type), json_string(message));
  return response;
}

std::string response_head(const ServerResponse& response, const ResponseHeadOptions& options) {
  const int status = response.status >= 200 && response.status <= 599 ? response.status : 500;
  std::string date = base::format_rfc5322(options.date);
  if (date.ends_with("+0000")) date.replace(date.size() - 5, 5, "GMT");  // RFC 9110, 5.6.7
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, status_name(status), date);
  bool sniff_set = false;
  for (const auto& [name, value] : response.headers) {
    const bool good = !name.empty() && name.find_first_of(" :\t") == std::string::npos &&
                      fits_line(name) && fits_line(value);
    if (!good) continue;
    sniff_set = sniff_set || base::to_lower(name) == "x-content-type-options";
    head += fmt::format("{}: {}\r\n", name, value);
  }
  if (!sniff_set) head += "X-Content-Type-Options: nosniff\r\n";
  if (status != 204) {
    if (!response.content_type.empty() && fits_line(response.content_type)) {
      head += fmt::format("Content-Type: {}\r\n", response.content_type);
    }
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  if (!options.keep_alive) {
    head += "Connection: close\r\n";
  } else if (options.http10) {
    head += "Connection: keep-alive\r\n";
  }
  return head + "\r\n";
}

bool is_form(std::string_view content_type) {
  const std::string type =
      base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/x-www-form-urlencoded";
}

std::string_view refusal_reason(int status) {
  switch (status) {
    case 408:
      return "timeout";
    case 413:
      return "body_too_large";
    case 431:
      return "header_too_large";
    case 503:
      return "bytes_in_flight";
    default:
      return "malformed";
  }
}

std::string_view ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string_view ServerRequest::parameter(const std::string& name) const {
  const auto found = query.lower_bound(name);
  return found != query.end() && found->first == name ? std::string_view(found->second)
                                                      : std::string_view{};
}

}  // namespace tocsin::net
