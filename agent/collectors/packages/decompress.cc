#include "agent/collectors/packages/decompress.h"

#include <fmt/format.h>

#include <memory>

#include "agent/backup/decoder.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;

// Remembers why `take` refused; the decoder knows findings only.
class Taken {
 public:
  Taken(const TakePiece& take, std::uint64_t bytes_max) : take_(take), bytes_max_(bytes_max) {}

  Found operator()(std::string_view piece) {
    decoded_ += piece.size();
    const Result<void> taken =
        decoded_ <= bytes_max_
            ? take_(piece)
            : Result<void>(base::error(ErrorCode::LimitExceeded,
                                       fmt::format("larger than {} bytes", bytes_max_)));
    if (taken) return {};
    refused_ = taken.error();
    return finding("refused", taken.error().message);
  }

  base::Error error_for(const Finding& found, const std::string& path) const {
    const base::Error error = refused_ ? *refused_ : base::error(ErrorCode::Corruption, found.text);
    return base::with_context(error, "'" + path + "'");
  }

 private:
  const TakePiece& take_;
  std::uint64_t bytes_max_;
  std::uint64_t decoded_ = 0;
  std::optional<base::Error> refused_;
};

}  // namespace

Result<void> read_pieces(const base::FileSystem& files, const std::string& path,
                         std::uint64_t bytes_max, const TakePiece& take) {
  TC_TRY(const auto file, files.open_read(path));
  Taken taken(take, bytes_max);
  const TakeBytes pass = [&](std::string_view piece) { return taken(piece); };
  std::unique_ptr<Decoder> decoder;
  std::uint64_t at = 0;
  for (;;) {
    TC_TRY(const std::string bytes, file->read_at(at, kPieceBytes));
    if (bytes.empty()) break;
    if (at == 0) decoder = make_decoder(compression_of(bytes));
    if (!decoder) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("'{}' is compressed by bzip2, which is not read here", path));
    }
    at += bytes.size();
    if (const Found bad = decoder->feed(bytes, pass)) return taken.error_for(*bad, path);
  }
  if (!decoder) return base::ok();  // empty
  if (const Found bad = decoder->finish(pass)) return taken.error_for(*bad, path);
  return base::ok();
}

}  // namespace tocsin::agent
