#include "common/base/hash.h"

#include <fmt/core.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <span>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tocsin::base {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(bytes.size() * 2, '\0');
  auto digit = text.begin();
  for (const unsigned char byte : bytes) {
    *digit++ = kDigits[byte >> 4U];
    *digit++ = kDigits[byte & 15U];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const char* const end = text.data() + i + 2;
    const auto [at, failure] = std::from_chars(text.data() + i, end, value, 16);
    if (failure != std::errc() || at != end) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

/// Looked for once: OpenSSL 3 searches its providers for EVP_sha256() at each use.
const EVP_MD* sha256() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kFetched != nullptr ? kFetched : EVP_sha256();
}

struct MacFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

/// Made once, for the same reason; to be copied, and then given the key.
const EVP_MAC_CTX* hmac_sha256() {
  static const EVP_MAC_CTX* const kMade = [] {
    EVP_MAC* kind = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(kind);
    EVP_MAC_free(kind);  // the context holds it
    char digest[] = "SHA256";
    const std::array parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                OSSL_PARAM_construct_end()};
    const unsigned char any_key = 0;
    TC_CHECK(EVP_MAC_init(context, &any_key, 1, parameters.data()) == 1,
             "OpenSSL has no HMAC with SHA-256");
    return context;
  }();
  return kMade;
}

}  // namespace

std::uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t xxh64(std::string_view bytes) {
  return XXH64(bytes.data(), bytes.size(), 0);
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t seed) {
  return static_cast<std::uint32_t>(::crc32_z(seed, bytes_of(bytes), bytes.size()));
}

std::uint64_t fnv1a(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = seed;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, sha256(), nullptr);
  return to_hex(std::span(digest).first(length));
}

struct Sha256::State {
  struct Free {
    void operator()(EVP_MD_CTX* made) const { EVP_MD_CTX_free(made); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context.get(), sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
}

std::string Sha256::finish_hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context.get(), digest.data(), &length);
  EVP_DigestInit_ex(state_->context.get(), sha256(), nullptr);
  return to_hex(std::span(digest).first(length));
}

std::string hmac_sha256_hex(std::string_view key, std::string_view bytes) {
  const std::unique_ptr<EVP_MAC_CTX, MacFree> context(EVP_MAC_CTX_dup(hmac_sha256()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::size_t length = 0;
  const char* const begin = key.empty() ? "" : key.data();  // null means: the key of before
  EVP_MAC_init(context.get(), bytes_of({begin, key.size()}), key.size(), nullptr);
  EVP_MAC_update(context.get(), bytes_of(bytes), bytes.size());
  EVP_MAC_final(context.get(), digest.data(), &length, digest.size());
  return to_hex(std::span(digest).first(length));
}

bool ed25519_verify(std::string_view public_key_hex, std::string_view signature_hex,
                    std::string_view message) {
  const auto key_bytes = from_hex(public_key_hex);
  const auto signature = from_hex(signature_hex);
  if (!key_bytes || !signature || key_bytes->size() != 32 || signature->size() != 64) return false;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*key_bytes), 32),
      &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  return key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(*signature), signature->size(), bytes_of(message),
                          message.size()) == 1;
}

bool equals_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tocsin::base
