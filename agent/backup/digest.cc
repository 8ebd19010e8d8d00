#include "agent/backup/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <span>

namespace tocsin::agent {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82f63b78U : value >> 1U;
    }
    table[i] = value;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

std::string hex_of(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

class Crc32cDigest final : public Digest {
 public:
  void update(std::string_view bytes) override { value_ = crc32c(bytes, value_); }
  std::string hex() override {
    const std::array<unsigned char, 4> bytes = {
        static_cast<unsigned char>(value_), static_cast<unsigned char>(value_ >> 8U),
        static_cast<unsigned char>(value_ >> 16U), static_cast<unsigned char>(value_ >> 24U)};
    return hex_of(bytes);
  }

 private:
  std::uint32_t value_ = 0;
};

class EvpDigest final : public Digest {
 public:
  explicit EvpDigest(const EVP_MD* kind) { EVP_DigestInit_ex(context_.get(), kind, nullptr); }
  void update(std::string_view bytes) override {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string hex() override {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &length);
    return hex_of(std::span(digest).first(length));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free};
};

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t value = ~seed;
  for (const char c : bytes) {
    value = kTable[(value ^ static_cast<unsigned char>(c)) & 0xffU] ^ (value >> 8U);
  }
  return ~value;
}

std::unique_ptr<Digest> make_digest(std::string_view algorithm) {
  if (algorithm == "CRC32C") return std::make_unique<Crc32cDigest>();
  if (algorithm == "SHA224") return std::make_unique<EvpDigest>(EVP_sha224());
  if (algorithm == "SHA256") return std::make_unique<EvpDigest>(EVP_sha256());
  if (algorithm == "SHA384") return std::make_unique<EvpDigest>(EVP_sha384());
  if (algorithm == "SHA512") return std::make_unique<EvpDigest>(EVP_sha512());
  return nullptr;
}

}  // namespace tocsin::agent
