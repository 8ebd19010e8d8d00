// Decoding. One pass over the decompressed block for 1.0; two for 2.0, whose symbols may follow
// their use.
//
// protozero throws on malformed input; decode_with() is the edge where that becomes a value. Fields
// with a known number and a wrong wire type are skipped like unknown ones, as protobuf itself does.
#include <fmt/core.h>
#include <snappy.h>

#include <protozero/pbf_reader.hpp>

#include "common/base/hash.h"
#include "proto/block.h"
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

// First bytes of fields of a series, all of them length-delimited.
constexpr char kLabelsTag = 0x0a;
constexpr std::string_view kAfterLabelsV1("\x12", 1);      // samples
constexpr std::string_view kAfterLabelsV2("\x12\x2a", 2);  // samples, metadata

std::string_view view(pbf_reader& reader) {
  const protozero::data_view data = reader.get_view();
  return {data.data(), data.size()};
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
  Decoder(const Limits& limits, const Memory& memory) : limits_(limits), memory_(memory) {}
  WriteBatch take() {
    if (memory_.table != nullptr) batch_.keep_alive(memory_.table);
    return std::move(batch_);
  }

 protected:
  base::Result<void> begin_series() {
    if (++series_ > limits_.series_max)
      return over_limit("series in request:", series_, limits_.series_max);
    labels_.clear();
    begun_ = false;
    key_ = 0;
    return base::ok();
  }

  /// Looks for the series whose labels have this key; if it is not there, end_series() notes it.
  const model::KnownSeries* recall(std::uint64_t key) {
    key_ = key == 0 ? 1 : key;
    return memory_.table->find(key_);
  }

  base::Result<void> add_label(const LabelView& label) {
    // Counted before the empty value is dropped: leaving out must not be a way around the limit.
    if (++label_count_ > limits_.labels_per_series_max) {
      return over_limit(fmt::format("series {}: labels:", series_), label_count_,
                        limits_.labels_per_series_max);
    }
    labels_.push_back(label);
    return base::ok();
  }

  base::Result<void> add_sample(pbf_reader reader) {
    if (batch_.sample_count() >= limits_.samples_max) {
      return over_limit("samples in request:", batch_.sample_count() + 1, limits_.samples_max);
    }
    if (!begun_) {
      batch_.begin_series();
      begun_ = true;
    }
    batch_.add_sample(read_sample(reader));
    return base::ok();
  }

  /// The samples of a known series, which has no other fields that count but those.
  base::Result<void> add_known(const model::KnownSeries* known, pbf_reader rest) {
    while (rest.next(2)) {
      if (rest.wire_type() != kBytes) {
        rest.skip();
        continue;
      }
      TC_TRY(add_sample(rest.get_message()));
    }
    if (begun_) {
      batch_.set_known(known);
      batch_.set_key(key_);  // the store may have it anew
    }
    return base::ok();
  }

  base::Result<void> end_series() {
    label_count_ = 0;
    TC_TRY(sort_and_check(labels_, series_));
    if (!begun_) return base::ok();
    for (const LabelView& label : labels_) {
      if (!label.value.empty()) batch_.add_label(label.name, label.value);
    }
    batch_.set_key(key_);
    return base::ok();
  }

  base::Result<void> add_metadata(const model::MetricMetadata& metadata) {
    if (batch_.metadata().size() >= limits_.metadata_max) {
      return over_limit("metadata entries in request:", batch_.metadata().size() + 1,
                        limits_.metadata_max);
    }
    for (const std::string_view text : {metadata.metric_name, metadata.help, metadata.unit}) {
      if (text.size() > limits_.metadata_text_bytes_max) {
        return over_limit("metadata text bytes:", text.size(), limits_.metadata_text_bytes_max);
      }
      if (!is_utf8_fast(text)) {
        return base::error(ErrorCode::InvalidArgument, "metadata text is not UTF-8");
      }
    }
    batch_.add_metadata(metadata);
    return base::ok();
  }

  const Limits& limits_;
  const Memory& memory_;
  WriteBatch batch_;
  std::vector<LabelView> labels_;  // of the series being read
  std::size_t series_ = 0;         // seen, with or without samples
  std::size_t label_count_ = 0;

 private:
  bool begun_ = false;
  std::uint64_t key_ = 0;
};

/// What stands before the first field that is not number 1: the labels, in the order of every
/// encoder. `others` are the first bytes of fields that may follow; empty if one is none of them.
std::string_view labels_before(protozero::data_view series, std::string_view others) {
  const char* at = series.data();
  const char* const end = at + series.size();
  const auto skip = [&] {
    ++at;
    const std::uint64_t length = protozero::decode_varint(&at, end);
    if (length > static_cast<std::uint64_t>(end - at)) throw protozero::end_of_buffer_exception{};
    at += length;
  };
  while (at != end && *at == kLabelsTag) skip();
  const std::string_view labels(series.data(), static_cast<std::size_t>(at - series.data()));
  while (at != end) {
    if (others.find(*at) == std::string_view::npos) return {};
    skip();
  }
  return labels;
}

pbf_reader after(const pbf_reader& series, std::string_view labels) {
  return {labels.data() + labels.size(), series.data().size() - labels.size()};
}

class DecoderV1 : public Decoder {
 public:
  using Decoder::Decoder;

  base::Result<void> run(Block block) {
    const bool remembers = memory_.table != nullptr && memory_.table->size() > 0;
    batch_.reserve(block.size / 128, remembers ? 0 : block.size / 32, block.size / 128);
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
    if (memory_.table != nullptr) {
      const std::string_view labels = labels_before(reader.data(), kAfterLabelsV1);
      const auto* known = labels.empty() ? nullptr : recall(base::hash64(labels, memory_.seed));
      if (known != nullptr) return add_known(known, after(reader, labels));
    }
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
    const bool remembers = memory_.table != nullptr && memory_.table->size() > 0;
    batch_.reserve(block.size / 64, remembers ? 0 : block.size / 24, block.size / 64);
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
        return over_limit("symbols in request:", symbols_.size() + 1, limits_.symbols_max);
      }
      symbols_.push_back(view(reader));
    }
    checked_.assign(symbols_.size(), 0);
    if (memory_.table != nullptr) {
      hashes_.reserve(symbols_.size());
      for (const std::string_view text : symbols_) {
        hashes_.push_back(base::hash64(text, memory_.seed));
      }
    }
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
    if (memory_.table != nullptr) {
      const std::string_view labels = labels_before(reader.data(), kAfterLabelsV2);
      const auto* known = labels.empty() ? nullptr : recall_references(labels);
      if (known != nullptr) return known_series(known, after(reader, labels));
    }
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

  // By the strings: the numbers of a table are of one request only.
  const model::KnownSeries* recall_references(std::string_view labels) {
    std::uint64_t key = memory_.seed;
    pbf_reader reader(labels.data(), labels.size());
    while (reader.next()) {
      for (const std::uint32_t reference : reader.get_packed_uint32()) {
        if (reference >= hashes_.size()) return nullptr;
        key = (key ^ hashes_[reference]) * 0x9e3779b97f4a7c15ULL;
        key ^= key >> 32U;
      }
    }
    return recall(key);
  }

  base::Result<void> known_series(const model::KnownSeries* known, const pbf_reader& rest) {
    TC_TRY(add_known(known, rest));
    for (pbf_reader reader = rest; reader.next(5);) {
      model::MetricMetadata about;
      about.metric_name = known->labels->metric_name();
      TC_TRY(read_metadata(reader.get_message(), about));
      TC_TRY(keep_metadata(about));
    }
    return base::ok();
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
  std::vector<std::uint64_t> hashes_;  // by symbol, if there is a memory
  LabelView pending_;
  std::uint32_t name_reference_ = 0;
  bool half_ = false;  // a name was read, its value not yet
};

template <class VersionDecoder>
base::Result<WriteBatch> decode_with(std::string_view body, const Limits& limits,
                                     const Memory& memory) {
  TC_TRY(Block block, decompress(body, {limits.body_bytes_max, limits.decoded_bytes_max,
                                        limits.decoded_ratio_max}));
  VersionDecoder decoder(limits, memory);
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
  return decode_with<DecoderV1>(body, limits, {});
}

base::Result<WriteBatch> decode_v2(std::string_view body, const Limits& limits) {
  return decode_with<DecoderV2>(body, limits, {});
}

base::Result<WriteBatch> decode(Version version, std::string_view body, const Limits& limits,
                                const Memory& memory) {
  return version == Version::V1 ? decode_with<DecoderV1>(body, limits, memory)
                                : decode_with<DecoderV2>(body, limits, memory);
}

base::Result<std::size_t> declared_size(std::string_view body) {
  std::size_t size = 0;
  if (snappy::GetUncompressedLength(body.data(), body.size(), &size)) return size;
  return base::error(ErrorCode::InvalidArgument, "body is not in snappy block format");
}

}  // namespace tocsin::proto
