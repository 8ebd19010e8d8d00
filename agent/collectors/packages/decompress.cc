#include "agent/collectors/packages/decompress.h"

#include <fmt/format.h>

#include <memory>

#include "common/compression/decoder.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;

/// Hands pieces on, and remembers why no more were wanted.
class Taken {
 public:
  Taken(const TakePiece& take, std::uint64_t bytes_max) : take_(take), bytes_max_(bytes_max) {}

  bool operator()(std::string_view piece) {
    decoded_ += piece.size();
    outcome_ = decoded_ <= bytes_max_
                   ? take_(piece)
                   : Result<void>(base::error(ErrorCode::LimitExceeded,
                                              fmt::format("larger than {} bytes", bytes_max_)));
    return outcome_.has_value();
  }

  base::Error error_for(const compression::Failure& failure, const std::string& path) const {
    const base::Error error =
        outcome_ ? base::error(ErrorCode::Corruption, failure.text) : outcome_.error();
    return base::with_context(error, "'" + path + "'");
  }

 private:
  const TakePiece& take_;
  std::uint64_t bytes_max_;
  std::uint64_t decoded_ = 0;
  Result<void> outcome_ = base::ok();
};

}  // namespace

Result<void> read_pieces(const base::FileSystem& files, const std::string& path,
                         std::uint64_t bytes_max, const TakePiece& take) {
  TC_TRY(const auto file, files.open_read(path));
  Taken taken(take, bytes_max);
  const compression::Take pass = [&](std::string_view piece) { return taken(piece); };
  std::unique_ptr<compression::Decoder> decoder;
  std::uint64_t at = 0;
  for (;;) {
    TC_TRY(const std::string bytes, file->read_at(at, kPieceBytes));
    if (bytes.empty()) break;
    if (at == 0) decoder = compression::make_decoder(compression::format_of(bytes));
    if (!decoder) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("'{}' is compressed by bzip2, which is not read here", path));
    }
    at += bytes.size();
    if (const compression::Outcome bad = decoder->feed(bytes, pass))
      return taken.error_for(*bad, path);
  }
  if (!decoder) return base::ok();  // empty
  if (const compression::Outcome bad = decoder->finish(pass)) return taken.error_for(*bad, path);
  return base::ok();
}

}  // namespace tocsin::agent
