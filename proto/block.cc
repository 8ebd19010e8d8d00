#include "proto/block.h"

#include <fmt/core.h>
#include <snappy.h>

namespace tocsin::proto {

using base::ErrorCode;

base::Error over_limit(std::string_view what, std::size_t size, std::size_t limit) {
  return base::error(ErrorCode::LimitExceeded, fmt::format("{} {}, limit {}", what, size, limit));
}

base::Result<Block> decompress(std::string_view body, const BlockLimits& limits) {
  if (body.size() > limits.body_bytes_max) {
    return over_limit("compressed body bytes:", body.size(), limits.body_bytes_max);
  }
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size)) {
    return base::error(ErrorCode::InvalidArgument, "body is not in snappy block format");
  }
  if (size > limits.decoded_bytes_max) {
    return over_limit("declared size after decompression in bytes:", size,
                      limits.decoded_bytes_max);
  }
  const std::size_t believable = limits.decoded_ratio_max * body.size() + 64;
  if (size > believable) {
    return over_limit(fmt::format("declared size for a body of {} bytes:", body.size()), size,
                      believable);
  }
  Block block{std::make_unique_for_overwrite<char[]>(size), size};
  if (!snappy::RawUncompress(body.data(), body.size(), block.bytes.get())) {
    return base::error(ErrorCode::InvalidArgument, "body is damaged: snappy cannot decompress it");
  }
  return block;
}

}  // namespace tocsin::proto
