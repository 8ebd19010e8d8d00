#include "proto/remote_read.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <array>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "common/base/strings.h"
#include "proto/block.h"
#include "proto/xor_chunk.h"

namespace tocsin::proto {
namespace {

using base::ErrorCode;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;
using protozero::tag_and_type;

constexpr auto kMessage = pbf_wire_type::length_delimited;
constexpr auto kNumber = pbf_wire_type::varint;

// A frame is sent when it has so many bytes, as Prometheus does; its client takes up to 50 MB.
constexpr std::size_t kFrameBytes = 1 << 20;

std::string text_of(pbf_reader& reader) {
  const protozero::data_view data = reader.get_view();
  return {data.data(), data.size()};
}

base::Error bad(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

class Decoder {
 public:
  explicit Decoder(const ReadLimits& limits) : limits_(limits) {}

  base::Result<ReadRequest> run(pbf_reader reader) {
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kMessage):
          if (request_.queries.size() >= limits_.queries_max) {
            return over_limit("queries in request:", request_.queries.size() + 1,
                              limits_.queries_max);
          }
          TC_TRY(query(reader.get_message()));
          break;
        case tag_and_type(2, kNumber):
          note_form(reader.get_int32());
          break;
        case tag_and_type(2, kMessage):
          for (const std::int32_t form : reader.get_packed_int32()) note_form(form);
          break;
        default:
          reader.skip();
      }
    }
    if (forms_ > 0 && !form_) {
      return bad(
          "none of the accepted response types is known; known: SAMPLES (0), "
          "STREAMED_XOR_CHUNKS (1)");
    }
    request_.form = form_.value_or(ReadForm::Samples);
    return std::move(request_);
  }

 private:
  void note_form(std::int32_t number) {
    ++forms_;
    if (!form_ && number == 0) form_ = ReadForm::Samples;
    if (!form_ && number == 1) form_ = ReadForm::StreamedXorChunks;
  }

  base::Result<void> query(pbf_reader reader) {
    ReadQuery query;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kNumber):
          query.begin_ms = reader.get_int64();
          break;
        case tag_and_type(2, kNumber):
          query.end_ms = reader.get_int64();
          break;
        case tag_and_type(3, kMessage): {
          if (query.matchers.size() >= limits_.matchers_max) {
            return over_limit("matchers in query:", query.matchers.size() + 1,
                              limits_.matchers_max);
          }
          TC_TRY(model::Matcher made, matcher(reader.get_message()));
          query.matchers.push_back(std::move(made));
          break;
        }
        default:
          reader.skip();
      }
    }
    request_.queries.push_back(std::move(query));
    return base::ok();
  }

  base::Result<model::Matcher> matcher(pbf_reader reader) const {
    std::int32_t type = 0;
    std::string name;
    std::string value;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kNumber):
          type = reader.get_int32();
          break;
        case tag_and_type(2, kMessage):
          name = text_of(reader);
          break;
        case tag_and_type(3, kMessage):
          value = text_of(reader);
          break;
        default:
          reader.skip();
      }
    }
    constexpr std::array kOps{model::MatchOp::Equal, model::MatchOp::NotEqual,
                              model::MatchOp::Regex, model::MatchOp::NotRegex};
    if (type < 0 || static_cast<std::size_t>(type) >= kOps.size()) {
      return bad(fmt::format("matcher type {} is unknown", type));
    }
    const std::size_t longest = std::max(name.size(), value.size());
    if (longest > limits_.text_bytes_max) {
      return over_limit("bytes of a matcher's text:", longest, limits_.text_bytes_max);
    }
    if (name.empty() || !base::is_utf8(name) || !base::is_utf8(value)) {
      return bad("a matcher has no name, or text that is not UTF-8");
    }
    return model::Matcher::make(kOps[static_cast<std::size_t>(type)], std::move(name),
                                std::move(value));
  }

  const ReadLimits& limits_;
  ReadRequest request_;
  std::optional<ReadForm> form_;
  std::size_t forms_ = 0;
};

void add_labels(const model::Labels& labels, pbf_writer& series) {
  for (const model::LabelView label : labels) {
    pbf_writer writer(series, 1);
    writer.add_bytes(1, label.name.data(), label.name.size());
    writer.add_bytes(2, label.value.data(), label.value.size());
  }
}

constexpr std::array<std::uint32_t, 256> kCastagnoli = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t sum = i;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1U) ^ ((sum & 1U) != 0 ? 0x82f63b78U : 0U);
    table[i] = sum;
  }
  return table;
}();

}  // namespace

base::Result<ReadRequest> decode_read(std::string_view body, const ReadLimits& limits) {
  TC_TRY(const Block block, decompress(body, {limits.body_bytes_max, limits.decoded_bytes_max}));
  try {
    return Decoder(limits).run(pbf_reader(block.bytes.get(), block.size));
  } catch (const protozero::exception& failure) {
    return bad(fmt::format("body is not a valid protobuf message: {}", failure.what()));
  }
}

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t sum = ~std::uint32_t{0};
  for (const char c : bytes) {
    sum = kCastagnoli[(sum ^ static_cast<unsigned char>(c)) & 0xffU] ^ (sum >> 8U);
  }
  return ~sum;
}

base::Result<void> ReadAnswer::add(std::size_t query, const model::Labels& labels,
                                   std::span<const model::Sample> samples) {
  end_queries(query);
  if (form_ == ReadForm::StreamedXorChunks) {
    add_frames(labels, samples);
  } else {
    pbf_writer result(result_);
    pbf_writer series(result, 1);
    add_labels(labels, series);
    for (const model::Sample& sample : samples) {
      pbf_writer writer(series, 2);
      writer.add_double(1, sample.value);
      writer.add_int64(2, sample.timestamp_ms);
    }
  }
  if (body_.size() + result_.size() > bytes_max_) {
    return over_limit("bytes of the answer: more than", bytes_max_, bytes_max_);
  }
  return base::ok();
}

/// Closes what is before `query`, queries without series too.
void ReadAnswer::end_queries(std::size_t query) {
  for (; query_ < query; ++query_) {
    if (form_ == ReadForm::StreamedXorChunks) continue;
    pbf_writer(body_).add_message(1, result_);
    result_.clear();
  }
}

void ReadAnswer::add_frames(const model::Labels& labels, std::span<const model::Sample> samples) {
  std::string series_text;
  const auto send = [&] {
    std::string message;
    pbf_writer writer(message);
    writer.add_message(1, series_text);
    if (query_ > 0) writer.add_int64(2, static_cast<std::int64_t>(query_));
    end_frame(message);
    series_text.clear();
  };
  while (!samples.empty()) {
    const auto part = samples.first(std::min(samples.size(), kXorSamplesMax));
    samples = samples.subspan(part.size());
    pbf_writer series(series_text);
    if (series_text.empty()) add_labels(labels, series);  // of every frame, as the client wants it
    chunk_.clear();
    append_xor_chunk(part, chunk_);
    {
      pbf_writer chunk(series, 2);
      chunk.add_int64(1, part.front().timestamp_ms);
      chunk.add_int64(2, part.back().timestamp_ms);
      chunk.add_enum(3, 1);
      chunk.add_bytes(4, chunk_.data(), chunk_.size());
    }
    if (samples.empty() || series_text.size() >= kFrameBytes) send();
  }
}

void ReadAnswer::end_frame(const std::string& message) {
  std::uint64_t size = message.size();
  for (; size >= 0x80; size >>= 7U) body_ += static_cast<char>((size & 0x7fU) | 0x80U);
  body_ += static_cast<char>(size);
  const std::uint32_t sum = crc32c(message);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    body_ += static_cast<char>((sum >> shift) & 0xffU);
  }
  body_ += message;
}

std::string ReadAnswer::finish(std::size_t queries) {
  end_queries(queries);
  if (form_ == ReadForm::StreamedXorChunks) return std::move(body_);
  std::string packed;
  snappy::Compress(body_.data(), body_.size(), &packed);
  body_.clear();
  return packed;
}

ReadHeaders read_headers(ReadForm form) {
  if (form == ReadForm::Samples) return {"application/x-protobuf", "snappy"};
  return {"application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", ""};
}

}  // namespace tocsin::proto
