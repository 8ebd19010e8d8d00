#include "common/net/url.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kFormPairsMax = 10'000;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool has_control(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) return true;
  }
  return false;
}

base::Error bad_port(std::string_view text) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("'{}' is not of the form address:port, such as 127.0.0.1:9464 "
                                 "or [::1]:9464",
                                 base::escape_control(text.substr(0, 200))));
}

}  // namespace

base::Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return base::error(base::ErrorCode::InvalidArgument,
                           fmt::format("broken percent escape at byte {}", i));
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::Space) {
      c = ' ';
    }
    if (c == '\0') {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("NUL character at byte {}", i));
    }
    decoded.push_back(c);
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kDigits[byte >> 4U]);
    encoded.push_back(kDigits[byte & 15U]);
  }
  return encoded;
}

base::Result<void> parse_form(std::string_view text, Query& query) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (pair.empty()) continue;
    if (query.size() >= kFormPairsMax) {
      return base::error(base::ErrorCode::LimitExceeded,
                         fmt::format("more than {} query parameters", kFormPairsMax));
    }
    const std::size_t equals = pair.find('=');
    TC_TRY(std::string name, percent_decode(pair.substr(0, equals), Plus::Space));
    std::string value;
    if (equals != std::string_view::npos) {
      TC_TRY(value, percent_decode(pair.substr(equals + 1), Plus::Space));
    }
    query.emplace(std::move(name), std::move(value));
  }
  return base::ok();
}

base::Result<Target> parse_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    break;
  }
  if (!target.starts_with('/')) {
    return base::error(base::ErrorCode::InvalidArgument, "the request target must start with '/'");
  }
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  Target parsed;
  auto path = percent_decode(target.substr(0, mark), Plus::Literal);
  if (!path) return base::with_context(path.error(), "path");
  if (has_control(*path)) {
    return base::error(base::ErrorCode::InvalidArgument, "path contains a control character");
  }
  parsed.path = std::move(*path);
  if (mark != std::string_view::npos) {
    auto added = parse_form(target.substr(mark + 1), parsed.query);
    if (!added) return base::with_context(added.error(), "query");
  }
  return parsed;
}

base::Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || has_control(text)) return bad_port(text);
  std::string_view host = text.substr(0, colon);
  const auto port = base::parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535) return bad_port(text);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return bad_port(text);
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad_port(text);
  }
  if (host.empty()) return bad_port(text);
  return HostPort{std::string(host), static_cast<unsigned short>(*port)};
}

std::string url_origin(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) return "<bad url>";
  std::string_view authority = url.substr(scheme_end + 3);
  authority = authority.substr(0, authority.find_first_of("/?#\\"));
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) authority = authority.substr(at + 1);
  if (authority.empty()) return "<bad url>";
  return base::escape_control(
      fmt::format("{}://{}", url.substr(0, scheme_end), authority.substr(0, 260)));
}

bool is_loopback_host(std::string_view host) {
  // A bracketed or plain literal, or the one name that RFC 6761 reserves for loopback.
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end != std::string_view::npos && host.substr(1, end - 1) == "::1";
  }
  if (host == "::1") return true;
  host = host.substr(0, host.find(':'));
  const std::string lower = base::to_lower(host);
  if (lower == "localhost" || lower == "localhost.") return true;
  const auto parts = base::split(host, '.');
  if (parts.size() != 4 || parts[0] != "127") return false;
  for (const std::string_view part : parts) {
    const auto number = base::parse_u64(part);
    if (!number || *number > 255 || part.size() > 3) return false;
  }
  return true;
}

}  // namespace tocsin::net
