#include "agent/backup/signature.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <vector>

namespace tocsin::agent {

using base::Result;

namespace {

constexpr std::size_t kKeyBytesMax = 64 << 10;
constexpr std::size_t kSignatureBytesMax = 16 << 10;

struct KeyFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};

std::vector<unsigned char> bytes_of(std::string_view hex) {
  const auto digit = [](char c) {
    return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0');
  };
  std::vector<unsigned char> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<unsigned char>(digit(hex[i]) << 4U | digit(hex[i + 1])));
  }
  return bytes;
}

}  // namespace

Result<bool> is_signed_by(std::string_view key_pem, std::string_view digest_hex,
                          std::string_view signature) {
  const std::unique_ptr<BIO, KeyFree> in(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const std::unique_ptr<EVP_PKEY, KeyFree> key(
      PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr));
  const std::unique_ptr<EVP_PKEY_CTX, KeyFree> context(key ? EVP_PKEY_CTX_new(key.get(), nullptr)
                                                           : nullptr);
  const bool usable = context && EVP_PKEY_verify_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1;
  if (!usable) {
    ERR_clear_error();
    return base::error(base::ErrorCode::InvalidArgument,
                       "no public key of RSA or ECDSA in PEM form");
  }
  const std::vector<unsigned char> digest = bytes_of(digest_hex);
  const int good =
      EVP_PKEY_verify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                      signature.size(), digest.data(), digest.size());
  ERR_clear_error();
  return good == 1;
}

Found check_signature(const base::FileSystem& files, const std::string& key_file,
                      const std::string& file, std::string_view digest_hex) {
  const std::string beside = file + ".sig";
  if (!files.exists(beside)) {
    return finding("signature_missing", fmt::format("there is no '{}'", beside));
  }
  const auto signature = files.read(beside, kSignatureBytesMax);
  if (!signature) return unreadable(signature.error());
  const auto key = files.read(key_file, kKeyBytesMax);
  if (!key) return finding("signature_key", key.error().message);
  const auto good = is_signed_by(*key, digest_hex, *signature);
  if (!good) {
    return finding("signature_key", fmt::format("'{}': {}", key_file, good.error().message));
  }
  if (*good) return {};
  return finding("signature_wrong",
                 fmt::format("'{}' is no signature of it by the key in '{}'", beside, key_file));
}

}  // namespace tocsin::agent
