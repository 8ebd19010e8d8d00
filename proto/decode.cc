// Decoding. One pass over the decompressed block for 1.0; two for 2.0, whose symbols may follow
// their use.
//
// protozero throws on malformed input; decode_with() is the edge where that becomes a value. Fields
// with a known number and a wrong wire type are skipped like unknown ones, as protobuf itself does.
#include <fmt/core.h>
#include <snappy.h>

#include <memory>
#include <protozero/pbf_reader.hpp>

#include "proto/codec.h"
#include "proto/label_check.h"

namespace tocsin::proto {
namespace {

using base::ErrorCode;
using model::LabelView;
using model::WriteBatch;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kVarint = pbf_wire_type::varint;
constexpr auto kDouble = pbf_wire_type::fixed64;

base::Error over(std::string_view what, std::size_t size, std::size_t limit) {
  return base::error(ErrorCode::LimitExceeded, fmt::format("{} {}, limit {}", what, size, limit));
}

std::string_view view(pbf_reader& reader) {
  const protozero::data_view data = reader.get_view();
  return {data.data(), data.size()};
}

/// The decompressed bytes; the batch adopts them.
struct Block {
  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
};

base::Result<Block> decompress(std::string_view body, const Limits& limits) {
  if (body.size() > limits.body_bytes_max) {
    return over("compressed body bytes:", body.size(), limits.body_bytes_max);
  }
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size)) {
    return base::error(ErrorCode::InvalidArgument, "body is not in snappy block format");
  }
  if (size > limits.decoded_bytes_max) {
    return over("declared size after decompression in bytes:", size, limits.decoded_bytes_max);
  }
  const std::size_t believable = limits.decoded_ratio_max * body.size() + 64;
  if (size > believable) {
    return over(fmt::format("declared size for a body of {} bytes:", body.size()), size,
                believable);
  }
  Block block{std::make_unique_for_overwrite<char[]>(size), size};
  if (!snappy::RawUncompress(body.data(), body.size(), block.bytes.get())) {
    return base::error(ErrorCode::InvalidArgument, "body is damaged: snappy cannot decompress it");
  }
  return block;
}

model::Sample read_sample(pbf_reader reader) {
  model::Sample sample;
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case tag_and_type(1, kDouble):
        sample.value = reader.get_double();
        break;
      case tag_and_type(2, kVarint):
        sample.timestamp_ms = reader.get_int64();
        break;
      default:
        reader.skip();
    }
  }
  return sample;
}

model::MetricType metric_type(std::uint64_t number) {
  return number <= 7 ? static_cast<model::MetricType>(number) : model::MetricType::Unknown;
}

/// What both versions share: counting against the limits and closing a series.
class Decoder {
 public:
  explicit Decoder(const Limits& limits) : limits_(limits) {}
  WriteBatch take() { return std::move(batch_); }

 protected:
  base::Result<void> begin_series() {
    if (++series_ > limits_.series_max)
      return over("series in request:", series_, limits_.series_max);
    labels_.clear();
    begun_ = false;
    return base::ok();
  }

  base::Result<void> add_label(const LabelView& label) {
    // Counted before the empty value is dropped: leaving out must not be a way around the limit.
    if (++label_count_ > limits_.labels_per_series_max) {
      return over(fmt::format("series {}: labels:", series_), label_count_,
                  limits_.labels_per_series_max);
    }
    labels_.push_back(label);
    return base::ok();
  }

  base::Result<void> add_sample(pbf_reader reader) {
    if (batch_.sample_count() >= limits_.samples_max) {
      return over("samples in request:", batch_.sample_count() + 1, limits_.samples_max);
    }
    if (!begun_) {
      batch_.begin_series();
      begun_ = true;
    }
    batch_.add_sample(read_sample(reader));
    return base::ok();
  }

  base::Result<void> end_series() {
    label_count_ = 0;
    TC_TRY(sort_and_check(labels_, series_));
    if (!begun_) return base::ok();
    for (const LabelView& label : labels_) {
      if (!label.value.empty()) batch_.add_label(label.name, label.value);
    }
    return base::ok();
  }

  base::Result<void> add_metadata(const model::MetricMetadata& metadata) {
    if (batch_.metadata().size() >= limits_.metadata_max) {
      return over("metadata entries in request:", batch_.metadata().size() + 1,
                  limits_.metadata_max);
    }
    for (const std::string_view text : {metadata.metric_name, metadata.help, metadata.unit}) {
      if (text.size() > limits_.metadata_text_bytes_max) {
        return over("metadata text bytes:", text.size(), limits_.metadata_text_bytes_max);
      }
      if (!is_utf8_fast(text)) {
        return base::error(ErrorCode::InvalidArgument, "metadata text is not UTF-8");
      }
    }
    batch_.add_metadata(metadata);
    return base::ok();
  }

  const Limits& limits_;
  WriteBatch batch_;
  std::vector<LabelView> labels_;  // of the series being read
  std::size_t series_ = 0;         // seen, with or without samples
  std::size_t label_count_ = 0;

 private:
  bool begun_ = false;
};

class DecoderV1 : public Decoder {
 public:
  using Decoder::Decoder;

  base::Result<void> run(Block block) {
    batch_.reserve(block.size / 256, block.size / 32, block.size / 256);
    pbf_reader reader(block.bytes.get(), block.size);
    batch_.text().adopt(std::move(block.bytes));
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          TC_TRY(series(reader.get_message()));
          break;
        case tag_and_type(3, kBytes):
          TC_TRY(metadata(reader.get_message()));
          break;
        default:
          reader.skip();
      }
    }
    return base::ok();
  }

 private:
  base::Result<void> series(pbf_reader reader) {
    TC_TRY(begin_series());
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          TC_TRY(label(reader.get_message()));
          break;
        case tag_and_type(2, kBytes):
          TC_TRY(add_sample(reader.get_message()));
          break;
        case tag_and_type(3, kBytes):
          ++batch_.exemplars;
          reader.skip();
          break;
        case tag_and_type(4, kBytes):
          ++batch_.native_histograms;
          reader.skip();
          break;
        default:
          reader.skip();
      }
    }
    return end_series();
  }

  base::Result<void> label(pbf_reader reader) {
    LabelView label;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          label.name = view(reader);
          break;
        case tag_and_type(2, kBytes):
          label.value = view(reader);
          break;
        default:
          reader.skip();
      }
    }
    TC_TRY(check_label(label, limits_, series_));
    return add_label(label);
  }

  base::Result<void> metadata(pbf_reader reader) {
    model::MetricMetadata entry;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kVarint):
          entry.type = metric_type(reader.get_uint64());
          break;
        case tag_and_type(2, kBytes):
          entry.metric_name = view(reader);
          break;
        case tag_and_type(4, kBytes):
          entry.help = view(reader);
          break;
        case tag_and_type(5, kBytes):
          entry.unit = view(reader);
          break;
        default:
          reader.skip();
      }
    }
    return add_metadata(entry);
  }
};

class DecoderV2 : public Decoder {
 public:
  using Decoder::Decoder;

  base::Result<void> run(Block block) {
    const pbf_reader request(block.bytes.get(), block.size);
    batch_.text().adopt(std::move(block.bytes));
    TC_TRY(read_symbols(request));
    batch_.reserve(block.size / 128, block.size / 24, block.size / 64);
    pbf_reader reader = request;
    while (reader.next(5)) {
      if (reader.wire_type() != kBytes) {
        reader.skip();
        continue;
      }
      TC_TRY(series(reader.get_message()));
    }
    return base::ok();
  }

 private:
  base::Result<void> read_symbols(pbf_reader reader) {
    while (reader.next(4)) {
      if (reader.wire_type() != kBytes) {
        reader.skip();
        continue;
      }
      if (symbols_.size() >= limits_.symbols_max) {
        return over("symbols in request:", symbols_.size() + 1, limits_.symbols_max);
      }
      symbols_.push_back(view(reader));
    }
    checked_.assign(symbols_.size(), 0);
    if (!symbols_.empty() && !symbols_.front().empty()) {
      return base::error(ErrorCode::InvalidArgument, "the first symbol must be empty");
    }
    return base::ok();
  }

  base::Result<std::string_view> symbol(std::uint64_t reference) const {
    if (reference >= symbols_.size()) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("series {}: symbol {} is out of range: the table has {}",
                                     series_, reference, symbols_.size()));
    }
    return symbols_[static_cast<std::size_t>(reference)];
  }

  base::Result<void> series(pbf_reader reader) {
    TC_TRY(begin_series());
    half_ = false;
    model::MetricMetadata about;
    bool described = false;
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kBytes):
          for (const std::uint32_t reference : reader.get_packed_uint32()) {
            TC_TRY(add_reference(reference));
          }
          break;
        case tag_and_type(1, kVarint):
          TC_TRY(add_reference(reader.get_uint32()));
          break;
        case tag_and_type(2, kBytes):
          TC_TRY(add_sample(reader.get_message()));
          break;
        case tag_and_type(3, kBytes):
          ++batch_.native_histograms;
          reader.skip();
          break;
        case tag_and_type(4, kBytes):
          ++batch_.exemplars;
          reader.skip();
          break;
        case tag_and_type(5, kBytes):
          TC_TRY(read_metadata(reader.get_message(), about));
          described = true;
          break;
        default:
          reader.skip();
      }
    }
    if (half_) {
      return base::error(
          ErrorCode::InvalidArgument,
          fmt::format("series {}: odd number of label references: a name has no value", series_));
    }
    TC_TRY(end_series());
    return described ? keep_metadata(about) : base::ok();
  }

  base::Result<void> add_reference(std::uint32_t reference) {
    TC_TRY(const std::string_view text, symbol(reference));
    if (!half_) {
      pending_.name = text;
      name_reference_ = reference;
      half_ = true;
      return base::ok();
    }
    half_ = false;
    pending_.value = text;
    // The table says each string once, so it is checked once for each part it plays.
    std::uint8_t& name = checked_[name_reference_];
    std::uint8_t& value = checked_[reference];
    if ((name & kGoodName) == 0 || (value & kGoodValue) == 0) {
      TC_TRY(check_label(pending_, limits_, series_));
      name |= kGoodName;
      value |= kGoodValue;
    }
    return add_label(pending_);
  }

  base::Result<void> read_metadata(pbf_reader reader, model::MetricMetadata& about) const {
    while (reader.next()) {
      switch (reader.tag_and_type()) {
        case tag_and_type(1, kVarint):
          about.type = metric_type(reader.get_uint64());
          break;
        case tag_and_type(3, kVarint): {
          TC_TRY(about.help, symbol(reader.get_uint32()));
          break;
        }
        case tag_and_type(4, kVarint): {
          TC_TRY(about.unit, symbol(reader.get_uint32()));
          break;
        }
        default:
          reader.skip();
      }
    }
    return base::ok();
  }

  // 2.0 repeats the metadata with each series; neighbours of one family are kept once.
  base::Result<void> keep_metadata(model::MetricMetadata about) {
    if (about.type == model::MetricType::Unknown && about.help.empty() && about.unit.empty()) {
      return base::ok();
    }
    for (const LabelView& label : labels_) {
      if (label.name == model::kMetricName) about.metric_name = label.value;
    }
    if (!batch_.metadata().empty() && batch_.metadata().back().metric_name == about.metric_name) {
      return base::ok();
    }
    return add_metadata(about);
  }

  static constexpr std::uint8_t kGoodName = 1;
  static constexpr std::uint8_t kGoodValue = 2;

  std::vector<std::string_view> symbols_;
  std::vector<std::uint8_t> checked_;  // by symbol: kGoodName, kGoodValue
  LabelView pending_;
  std::uint32_t name_reference_ = 0;
  bool half_ = false;  // a name was read, its value not yet
};

template <class VersionDecoder>
base::Result<WriteBatch> decode_with(std::string_view body, const Limits& limits) {
  TC_TRY(Block block, decompress(body, limits));
  VersionDecoder decoder(limits);
  try {
    TC_TRY(decoder.run(std::move(block)));
  } catch (const protozero::exception& failure) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("body is not a valid protobuf message: {}", failure.what()));
  }
  return decoder.take();
}

}  // namespace

base::Result<WriteBatch> decode_v1(std::string_view body, const Limits& limits) {
  return decode_with<DecoderV1>(body, limits);
}

base::Result<WriteBatch> decode_v2(std::string_view body, const Limits& limits) {
  return decode_with<DecoderV2>(body, limits);
}

base::Result<WriteBatch> decode(Version version, std::string_view body, const Limits& limits) {
  return version == Version::V1 ? decode_v1(body, limits) : decode_v2(body, limits);
}

}  // namespace tocsin::proto
