// Decompression as a proof: what the checksums inside gzip, zstd, lz4 and xz say is asked for.
//
//   const auto decoder = make_decoder(format_of(first_bytes));
//   if (const Outcome bad = decoder->feed(bytes, take)) ...;  // as often as there are bytes
//   if (const Outcome bad = decoder->finish(take)) ...;       // may the stream end here?
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::compression {

enum class Format { None, Gzip, Zlib, Zstd, Lz4, Xz, Bzip2 };

/// "gzip", "zstd" ...
std::string_view to_string(Format format);

/// Says how a file is compressed, by its first bytes (six are enough). Never Zlib, which has no
/// magic: pg_dump's custom format uses it inside.
Format format_of(std::string_view begin);

/// Why decoding ended before its end.
enum class Fault {
  Damaged,    ///< Not what a compressor wrote.
  Truncated,  ///< The stream ends in the middle.
  Refused,    ///< Whoever takes the bytes wanted no more.
};

struct Failure {
  Fault fault;
  std::string text;  ///< A sentence; empty if refused: who refused knows why.
};

/// nullopt: good so far.
using Outcome = std::optional<Failure>;

/// Takes bytes; false ends the decoding.
using Take = std::function<bool(std::string_view)>;

/// One stream. Thread: one. Memory: a buffer of 64 KiB and the format's window.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Decodes the next bytes and hands what comes out to `take`.
  virtual Outcome feed(std::string_view bytes, const Take& take) = 0;
  /// Says whether the stream may end here.
  virtual Outcome finish(const Take& take) = 0;
};

/// Returns nullptr for Bzip2, which is not read here.
std::unique_ptr<Decoder> make_decoder(Format format);

}  // namespace tocsin::compression
