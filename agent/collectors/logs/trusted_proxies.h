// Which client a request came from, when proxies stand before the application.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// Networks whose X-Forwarded-For is believed. Thread: any.
class TrustedProxies {
 public:
  /// Addresses and networks: "10.0.0.0/8", "::1". Errors: InvalidArgument.
  static base::Result<TrustedProxies> parse(const std::vector<std::string>& networks);

  bool contains(std::string_view address) const;

  /// Returns who asked: `peer`, unless that is a trusted proxy; then what `forwarded` (the header)
  /// says, from the right, the first address that is no trusted proxy. What stands further left is
  /// the client's own claim, and is not believed.
  std::string_view client(std::string_view peer, std::string_view forwarded) const;

 private:
  struct Network {
    std::array<std::uint8_t, 16> address{};
    int bits = 128;
  };
  std::vector<Network> networks_;
};

}  // namespace tocsin::agent
