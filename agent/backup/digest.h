// Checksums of what is too large to hold in memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tocsin::agent {

/// CRC-32C (Castagnoli) of `bytes`, continuing from `seed`. Source: RFC 3720, appendix B.4.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// One running checksum. Thread: one.
class Digest {
 public:
  virtual ~Digest() = default;
  virtual void update(std::string_view bytes) = 0;
  /// Returns lower-case hexadecimal digits; once, at the end.
  virtual std::string hex() = 0;
};

/// `algorithm` as backup_manifest writes it: CRC32C, SHA224, SHA256, SHA384, SHA512; any other
/// gives nullptr. CRC32C is written there with its lowest byte first, and so it is here.
std::unique_ptr<Digest> make_digest(std::string_view algorithm);

}  // namespace tocsin::agent
