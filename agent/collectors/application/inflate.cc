#include "agent/collectors/application/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

namespace tocsin::agent {

base::Result<std::string> inflate_gzip(std::string_view packed, std::size_t bytes_max) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  constexpr std::size_t kChunk = 64 << 10;
  const auto damaged = [] {
    return base::error(base::ErrorCode::InvalidArgument, "body is damaged: it is no whole gzip");
  };
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return damaged();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK && out.size() <= bytes_max) {
    const std::size_t before = out.size();
    out.resize(before + kChunk);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = kChunk;
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(before + kChunk - stream.avail_out);
    if (state == Z_OK && stream.avail_in == 0 && stream.avail_out > 0) break;  // cut
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > bytes_max) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("body has more than {} bytes when unpacked", bytes_max));
  }
  if (!whole) return damaged();
  return out;
}

}  // namespace tocsin::agent
