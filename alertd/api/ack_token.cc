#include "alertd/api/ack_token.h"

#include <fmt/core.h>

#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kHeadBytes = 10;  // version, action, expiry, incident
constexpr std::size_t kPersonBytesMax = 100;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kTokenBytesMax = 256;

void put_u32(std::string& out, std::uint32_t value) {
  for (unsigned shift = 24;; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xffU);
    if (shift == 0) return;
  }
}

std::uint32_t take_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

int hex_digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

base::Error refused(std::string message) {
  return base::error(base::ErrorCode::PermissionDenied, std::move(message));
}

}  // namespace

base::Result<AckSigner> AckSigner::load(const std::string& path, base::FileSystem& files,
                                        base::Random& random) {
  if (!files.exists(path)) {
    const std::string made = random.hex(kKeyBytes);
    TC_TRY(files.write_atomic(path, made + "\n", 0600));
    return AckSigner(base::Secret(made));
  }
  TC_TRY(const mode_t mode, files.mode(path));
  if ((mode & 077U) != 0) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("{} signs acknowledge links and others may read it (mode "
                                   "{:o}); chmod 600 it",
                                   path, mode));
  }
  TC_TRY(const std::string text, files.read(path, 4096));
  const std::string_view key = base::trim(text);
  if (key.size() < kKeyBytes) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("{} holds no key; remove it, and a new one is made", path));
  }
  return AckSigner(base::Secret(std::string(key)));
}

std::string AckSigner::mac(std::string_view payload) const {
  const std::string hex = base::hmac_sha256_hex(key_.reveal(), payload);
  std::string bytes;
  for (std::size_t i = 0; i < 2 * kMacBytes; i += 2) {
    bytes += static_cast<char>(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1]));
  }
  return bytes;
}

std::string AckSigner::sign(const AckClaim& claim) const {
  const std::size_t dash = claim.incident_id.find('-');
  if (dash == std::string::npos) return "";
  const auto number = base::parse_u64(std::string_view(claim.incident_id).substr(dash + 1));
  if (!number || *number > UINT32_MAX) return "";
  std::string payload;
  payload += kVersion;
  payload += claim.action == AckAction::Resolve ? 'r' : 'a';
  put_u32(payload, static_cast<std::uint32_t>((base::to_ms(claim.expires) + 59'999) / 60'000));
  put_u32(payload, static_cast<std::uint32_t>(*number));
  payload += std::string_view(claim.person).substr(0, kPersonBytesMax);
  return base::base64url_encode(payload + mac(payload));
}

base::Result<AckClaim> AckSigner::verify(std::string_view token, base::WallTime now) const {
  if (token.size() > kTokenBytesMax) return refused("this link is not one of ours");
  const auto bytes = base::base64url_decode(token);
  if (!bytes || bytes->size() < kHeadBytes + kMacBytes) {
    return refused("this link is not one of ours, or it is not complete");
  }
  const std::string_view payload(bytes->data(), bytes->size() - kMacBytes);
  const std::string_view given = std::string_view(*bytes).substr(payload.size());
  if (!base::equals_constant_time(given, mac(payload)) || payload[0] != kVersion) {
    return refused("this link is not one of ours, or it was changed on its way");
  }
  AckClaim claim;
  claim.action = payload[1] == 'r' ? AckAction::Resolve : AckAction::Acknowledge;
  claim.expires = base::wall_time(std::int64_t{take_u32(payload.substr(2))} * 60'000);
  claim.incident_id = fmt::format("T-{}", take_u32(payload.substr(6)));
  claim.person = payload.substr(kHeadBytes);
  if (claim.expires <= now) {
    return base::error(base::ErrorCode::Timeout,
                       fmt::format("this link for {} expired at {}", claim.incident_id,
                                   base::format_rfc3339(claim.expires)));
  }
  return claim;
}

}  // namespace tocsin::api
