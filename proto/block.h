// Bodies in snappy's block format, decompressed within limits. Internal to proto.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::proto {

/// Decompressed bytes.
struct Block {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
};

struct BlockLimits {
  std::size_t body_bytes_max = 0;
  std::size_t decoded_bytes_max = 0;
  std::size_t decoded_ratio_max = 22;  ///< Snappy's best is 21.3.
};

/// Checks the declared size before memory is taken for it. Errors: InvalidArgument, LimitExceeded.
base::Result<Block> decompress(std::string_view body, const BlockLimits& limits);

/// "`what` `size`, limit `limit`".
base::Error over_limit(std::string_view what, std::size_t size, std::size_t limit);

}  // namespace tocsin::proto
