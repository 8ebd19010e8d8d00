// Decompression as a proof: what the checksums inside gzip, zstd, lz4 and xz say is asked for.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "agent/backup/finding.h"

namespace tocsin::agent {

enum class Compression { None, Gzip, Zlib, Zstd, Lz4, Xz, Bzip2 };

/// "gzip", "zstd" ...
std::string_view to_string(Compression compression);

/// Says how a file is compressed, by its first bytes (six are enough). Never Zlib, which has no
/// magic: pg_dump's custom format uses it inside.
Compression compression_of(std::string_view begin);

/// Takes bytes; what it returns ends the reading.
using TakeBytes = std::function<Found(std::string_view)>;

/// One stream. Findings: "damaged", "truncated". Thread: one.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Decodes the next bytes and hands what comes out to `take`.
  virtual Found feed(std::string_view bytes, const TakeBytes& take) = 0;
  /// Says whether the stream may end here.
  virtual Found finish(const TakeBytes& take) = 0;
};

/// Returns nullptr for Bzip2, which is not read here.
std::unique_ptr<Decoder> make_decoder(Compression compression);

}  // namespace tocsin::agent
