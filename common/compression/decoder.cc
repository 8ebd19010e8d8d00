// Each decoder works in a buffer of 64 KiB, whatever the ratio: a bomb costs time, which the caller
// bounds, and no memory.
#include "common/compression/decoder.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>

namespace tocsin::compression {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;
constexpr std::uint64_t kXzMemoryMax = 128 << 20;

Failure damaged(std::string_view kind, std::string_view what) {
  return {Fault::Damaged, fmt::format("the {} data is damaged: {}", kind, what)};
}

Failure truncated(std::string_view kind) {
  return {Fault::Truncated, fmt::format("the {} data ends in the middle", kind)};
}

Failure refused() {
  return {Fault::Refused, {}};
}

class NoDecoder final : public Decoder {
 public:
  Outcome feed(std::string_view bytes, const Take& take) override {
    return take(bytes) ? Outcome() : refused();
  }
  Outcome finish(const Take&) override { return {}; }
};

/// gzip with all its members, or one zlib stream. zlib compares the checksum and the length.
class ZlibDecoder final : public Decoder {
 public:
  explicit ZlibDecoder(bool gzip) : gzip_(gzip) { inflateInit2(&stream_, gzip ? 15 + 16 : 15); }
  ~ZlibDecoder() override { inflateEnd(&stream_); }
  ZlibDecoder(const ZlibDecoder&) = delete;
  ZlibDecoder& operator=(const ZlibDecoder&) = delete;

  Outcome feed(std::string_view bytes, const Take& take) override {
    std::string copy(bytes);  // zlib's pointer is not to const
    stream_.next_in = reinterpret_cast<Bytef*>(copy.data());
    stream_.avail_in = static_cast<uInt>(copy.size());
    while (stream_.avail_in > 0) {
      if (ended_) {
        if (padding()) return {};
        if (!gzip_) return damaged("zlib", "bytes follow its end");
        inflateReset(&stream_);
        ended_ = false;
      }
      if (Outcome bad = step(take)) return bad;
    }
    return {};
  }

  Outcome finish(const Take&) override {
    if (ended_) return {};
    return truncated(gzip_ ? "gzip" : "zlib");
  }

 private:
  /// Zeros after the last member, as tapes have them.
  bool padding() const {
    const std::string_view rest(reinterpret_cast<const char*>(stream_.next_in), stream_.avail_in);
    return gzip_ && rest.find_first_not_of('\0') == std::string_view::npos;
  }

  Outcome step(const Take& take) {
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_out = kBufferBytes;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
        return damaged(gzip_ ? "gzip" : "zlib", stream_.msg != nullptr ? stream_.msg : "no reason");
      }
      const std::size_t length = kBufferBytes - stream_.avail_out;
      if (length > 0) {
        if (!take({buffer_.data(), length})) return refused();
      }
      ended_ = code == Z_STREAM_END;
    } while (!ended_ && stream_.avail_out == 0);
    return {};
  }

  bool gzip_;
  bool ended_ = false;
  z_stream stream_{};
  std::string buffer_ = std::string(kBufferBytes, '\0');
};

class ZstdDecoder final : public Decoder {
 public:
  Outcome feed(std::string_view bytes, const Take& take) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const std::size_t code = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(code) != 0) return damaged("zstd", ZSTD_getErrorName(code));
      if (out.pos > 0) {
        if (!take({buffer_.data(), out.pos})) return refused();
      }
      ended_ = code == 0;
      full = !ended_ && out.pos == out.size;
    }
    return {};
  }

  Outcome finish(const Take&) override {
    if (ended_) return {};
    return truncated("zstd");
  }

 private:
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_{ZSTD_createDStream(),
                                                                     ZSTD_freeDStream};
  std::string buffer_ = std::string(kBufferBytes, '\0');
  bool ended_ = false;
};

class Lz4Decoder final : public Decoder {
 public:
  Lz4Decoder() { LZ4F_createDecompressionContext(&context_, LZ4F_VERSION); }
  ~Lz4Decoder() override { LZ4F_freeDecompressionContext(context_); }
  Lz4Decoder(const Lz4Decoder&) = delete;
  Lz4Decoder& operator=(const Lz4Decoder&) = delete;

  Outcome feed(std::string_view bytes, const Take& take) override {
    bool full = false;
    while (!bytes.empty() || full) {
      std::size_t in = bytes.size();
      std::size_t out = buffer_.size();
      const std::size_t code =
          LZ4F_decompress(context_, buffer_.data(), &out, bytes.data(), &in, nullptr);
      if (LZ4F_isError(code) != 0) return damaged("lz4", LZ4F_getErrorName(code));
      bytes.remove_prefix(in);
      if (out > 0) {
        if (!take({buffer_.data(), out})) return refused();
      }
      ended_ = code == 0;
      full = !ended_ && out == buffer_.size();
    }
    return {};
  }

  Outcome finish(const Take&) override {
    if (ended_) return {};
    return truncated("lz4");
  }

 private:
  LZ4F_dctx* context_ = nullptr;
  std::string buffer_ = std::string(kBufferBytes, '\0');
  bool ended_ = false;
};

class XzDecoder final : public Decoder {
 public:
  XzDecoder() {
    usable_ = lzma_stream_decoder(&stream_, kXzMemoryMax, LZMA_CONCATENATED) == LZMA_OK;
  }
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  Outcome feed(std::string_view bytes, const Take& take) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    stream_.avail_in = bytes.size();
    return run(LZMA_RUN, take);
  }

  Outcome finish(const Take& take) override {
    stream_.avail_in = 0;
    if (Outcome bad = run(LZMA_FINISH, take)) return bad;
    if (ended_) return {};
    return truncated("xz");
  }

 private:
  Outcome run(lzma_action action, const Take& take) {
    if (!usable_) return damaged("xz", "no memory for the decoder");
    do {
      stream_.next_out = reinterpret_cast<std::uint8_t*>(buffer_.data());
      stream_.avail_out = buffer_.size();
      const lzma_ret code = lzma_code(&stream_, action);
      ended_ = code == LZMA_STREAM_END;
      const std::size_t length = buffer_.size() - stream_.avail_out;
      if (length > 0) {
        if (!take({buffer_.data(), length})) return refused();
      }
      if (code == LZMA_BUF_ERROR && action == LZMA_FINISH) return truncated("xz");
      if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) {
        return damaged("xz", fmt::format("liblzma's code {}", static_cast<int>(code)));
      }
    } while (!ended_ && (stream_.avail_in > 0 || stream_.avail_out == 0));
    return {};
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool usable_ = false;
  bool ended_ = false;
  std::string buffer_ = std::string(kBufferBytes, '\0');
};

}  // namespace

std::string_view to_string(Format format) {
  static constexpr std::array<std::string_view, 7> kNames = {"none", "gzip", "zlib", "zstd",
                                                             "lz4",  "xz",   "bzip2"};
  return kNames[static_cast<std::size_t>(format)];
}

Format format_of(std::string_view begin) {
  using namespace std::string_view_literals;
  if (begin.starts_with("\x1f\x8b"sv)) return Format::Gzip;
  if (begin.starts_with("\x28\xb5\x2f\xfd"sv)) return Format::Zstd;
  if (begin.starts_with("\x04\x22\x4d\x18"sv)) return Format::Lz4;
  if (begin.starts_with("\xfd\x37zXZ\x00"sv)) return Format::Xz;
  if (begin.starts_with("BZh"sv)) return Format::Bzip2;
  return Format::None;
}

std::unique_ptr<Decoder> make_decoder(Format format) {
  switch (format) {
    case Format::None:
      return std::make_unique<NoDecoder>();
    case Format::Gzip:
      return std::make_unique<ZlibDecoder>(true);
    case Format::Zlib:
      return std::make_unique<ZlibDecoder>(false);
    case Format::Zstd:
      return std::make_unique<ZstdDecoder>();
    case Format::Lz4:
      return std::make_unique<Lz4Decoder>();
    case Format::Xz:
      return std::make_unique<XzDecoder>();
    case Format::Bzip2:
      return nullptr;
  }
  return nullptr;
}

}  // namespace tocsin::compression
