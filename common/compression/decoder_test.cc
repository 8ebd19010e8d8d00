// Whole, cut, damaged, refused. All formats with real backups: agent/backup/backup_test.cc.
#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include "common/compression/decoder.h"

namespace tocsin::compression {
namespace {

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string copy(text);
  std::string out(deflateBound(&stream, copy.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress2(context.get(), out.data(), out.size(), text.data(), text.size()));
  return out;
}

/// "good", or why not; what came out is in `out`, of which no more than `wanted` bytes are taken.
std::string decoded(std::string_view packed, std::string& out, std::size_t wanted = 1 << 30) {
  const auto decoder = make_decoder(format_of(packed));
  const Take take = [&](std::string_view bytes) {
    out += bytes;
    return out.size() <= wanted;
  };
  Outcome bad = decoder->feed(packed, take);
  if (!bad) bad = decoder->finish(take);
  if (!bad) return "good";
  return bad->fault == Fault::Damaged     ? "damaged: " + bad->text
         : bad->fault == Fault::Truncated ? "truncated: " + bad->text
                                          : "refused" + bad->text;
}

}  // namespace

TEST_CASE("compression: a format by its first bytes") {
  CHECK(to_string(format_of(gzip("x"))) == "gzip");
  CHECK(to_string(format_of(zstd("x"))) == "zstd");
  CHECK(to_string(format_of("BZh9")) == "bzip2");
  CHECK(to_string(format_of("plain")) == "none");
  CHECK(to_string(format_of("")) == "none");
  CHECK(make_decoder(Format::Bzip2) == nullptr);
}

TEST_CASE("compression: whole, cut, damaged, refused") {
  const std::string text(200'000, 'a');
  for (const std::string& packed : {gzip(text), zstd(text)}) {
    std::string out;
    CHECK(decoded(packed, out) == "good");
    CHECK(out == text);
    out.clear();
    CHECK(decoded(packed.substr(0, packed.size() - 1), out).starts_with("truncated: the "));
    std::string broken = packed;
    broken[broken.size() / 2] = static_cast<char>(broken[broken.size() / 2] ^ 0x55);
    out.clear();
    CHECK(decoded(broken, out) != "good");
    out.clear();
    CHECK(decoded(packed, out, 1000) == "refused");
    CHECK(out.size() < 200'000);  // a bomb is not unpacked for nothing
  }
  std::string out;
  CHECK(decoded(gzip("a") + "tail", out).starts_with("damaged: the gzip data is damaged"));
}

}  // namespace tocsin::compression
