// Hashes: fast ones for tables, checksums for files, SHA-256 for secrets and signatures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tocsin::base {

/// 64-bit hash for tables in memory (XXH3); not stable across versions, never written to disk.
std::uint64_t hash64(std::string_view bytes);
/// The same with a seed, for tables whose keys a peer chooses.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed);

/// XXH64 with seed 0: stable, as Prometheus hashes labels.
std::uint64_t xxh64(std::string_view bytes);

/// CRC-32 (IEEE 802.3, as in zlib) of `bytes`, continuing from `seed`.
std::uint32_t crc32(std::string_view bytes, std::uint32_t seed = 0);

/// FNV-1a, 64 bit: the hash of alert fingerprints, stable for ever.
std::uint64_t fnv1a(std::string_view bytes, std::uint64_t seed = 0xcbf29ce484222325ULL);

/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

/// SHA-256 of what comes in parts. Owner: one thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(std::string_view bytes);
  /// Returns what sha256_hex() says of all bytes; add() begins anew after it.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HMAC-SHA-256 as 64 lower-case hexadecimal digits. Source: RFC 2104.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);
/// Returns whether `signature_hex` is the Ed25519 signature of `message` by the key of 32 bytes
/// that `public_key_hex` names; false also for text that is neither. Source: RFC 8032.
bool ed25519_verify(std::string_view public_key_hex, std::string_view signature_hex,
                    std::string_view message);
/// Compares in time that depends on the lengths only.
bool equals_constant_time(std::string_view a, std::string_view b);

}  // namespace tocsin::base
