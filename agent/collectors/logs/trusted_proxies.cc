#include "agent/collectors/logs/trusted_proxies.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

using AddressBytes = std::array<std::uint8_t, 16>;

struct ParsedAddress {
  AddressBytes bytes{};
  int bits = 128;  ///< Of the family: 32 or 128.
};

/// IPv4 as ::ffff:a.b.c.d.
std::optional<ParsedAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  ParsedAddress parsed;
  if (::inet_pton(AF_INET6, copy.c_str(), parsed.bytes.data()) == 1) return parsed;
  parsed.bytes = {};
  parsed.bytes[10] = parsed.bytes[11] = 0xff;
  if (::inet_pton(AF_INET, copy.c_str(), parsed.bytes.data() + 12) != 1) return std::nullopt;
  parsed.bits = 32;
  return parsed;
}

/// "1.2.3.4:567", "[::1]:567" and `"[::1]"` without port and brackets.
std::string_view bare_address(std::string_view text) {
  text = base::trim(text);
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    return text.substr(0, colon);
  }
  return text;
}

bool same_bits(const AddressBytes& a, const AddressBytes& b, int bits) {
  for (int i = 0; i < 16 && bits > 0; ++i, bits -= 8) {
    const auto at = static_cast<std::size_t>(i);
    const unsigned mask = bits >= 8 ? 0xffU : (0xff00U >> static_cast<unsigned>(bits)) & 0xffU;
    if (((a[at] ^ b[at]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace

base::Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
  TrustedProxies proxies;
  for (const std::string& text : networks) {
    const std::size_t slash = text.find('/');
    const auto address = parse_ip(std::string_view(text).substr(0, slash));
    std::optional<std::uint64_t> bits;
    if (address) {
      bits = slash == std::string::npos
                 ? static_cast<std::uint64_t>(address->bits)
                 : base::parse_u64(std::string_view(text).substr(slash + 1)).value_or(1000);
    }
    if (!address || *bits > static_cast<std::uint64_t>(address->bits)) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("'{}' is no address and no network", text));
    }
    proxies.networks_.push_back({address->bytes, static_cast<int>(*bits) + (128 - address->bits)});
  }
  return proxies;
}

bool TrustedProxies::contains(std::string_view address) const {
  const auto parsed = parse_ip(address);
  if (!parsed) return false;
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return same_bits(network.address, parsed->bytes, network.bits);
  });
}

std::string_view TrustedProxies::client(std::string_view peer, std::string_view forwarded) const {
  std::string_view client = bare_address(peer);
  while (contains(client) && !forwarded.empty()) {
    const std::size_t comma = forwarded.rfind(',');
    const std::string_view last =
        bare_address(comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1));
    if (!parse_ip(last)) return client;
    client = last;
    forwarded = comma == std::string_view::npos ? "" : forwarded.substr(0, comma);
  }
  return client;
}

}  // namespace tocsin::agent
