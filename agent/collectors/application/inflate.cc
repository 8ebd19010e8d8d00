#include "agent/collectors/application/inflate.h"

#include <fmt/format.h>

#include "common/compression/decoder.h"

namespace tocsin::agent {

using base::ErrorCode;

base::Result<std::string> inflate_gzip(std::string_view packed, std::size_t bytes_max) {
  std::string out;
  const compression::Take take = [&](std::string_view piece) {
    if (piece.size() > bytes_max - out.size()) return false;
    out.append(piece);
    return true;
  };
  const auto decoder = compression::make_decoder(compression::Format::Gzip);
  compression::Outcome bad = decoder->feed(packed, take);
  if (!bad) bad = decoder->finish(take);
  if (!bad) return out;
  if (bad->fault == compression::Fault::Refused) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("body has more than {} bytes when unpacked", bytes_max));
  }
  return base::error(ErrorCode::InvalidArgument,
                     "body is damaged: it is no whole gzip: " + bad->text);
}

}  // namespace tocsin::agent
