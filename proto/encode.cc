#include <snappy.h>

#include <array>
#include <protozero/pbf_writer.hpp>
#include <unordered_map>

#include "proto/codec.h"

namespace tocsin::proto {
namespace {

using protozero::pbf_writer;

std::string compress(const std::string& message) {
  std::string body;
  snappy::Compress(message.data(), message.size(), &body);
  return body;
}

void add_text(pbf_writer& writer, protozero::pbf_tag_type tag, std::string_view text) {
  writer.add_bytes(tag, text.data(), text.size());
}

void add_sample(pbf_writer& series, const model::Sample& sample) {
  pbf_writer writer(series, 2);
  writer.add_double(1, sample.value);
  writer.add_int64(2, sample.timestamp_ms);
}

/// Gives each distinct string a number, in the order of first use; 0 is "".
class Symbols {
 public:
  Symbols() { number(""); }

  std::uint32_t number(std::string_view text) {
    const auto [at, added] = numbers_.try_emplace(text, static_cast<std::uint32_t>(texts_.size()));
    if (added) texts_.push_back(text);
    return at->second;
  }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::vector<std::string_view> texts_;
};

using MetadataByName = std::unordered_map<std::string_view, const model::MetricMetadata*>;

/// Metadata is kept by family; a histogram's series carry a suffix.
const model::MetricMetadata* find_metadata(const MetadataByName& known, std::string_view metric) {
  if (known.empty()) return nullptr;
  if (const auto at = known.find(metric); at != known.end()) return at->second;
  static constexpr std::array<std::string_view, 5> kSuffixes{"_total", "_bucket", "_count", "_sum",
                                                             "_info"};
  for (const std::string_view suffix : kSuffixes) {
    if (!metric.ends_with(suffix)) continue;
    const auto at = known.find(metric.substr(0, metric.size() - suffix.size()));
    if (at != known.end()) return at->second;
  }
  return nullptr;
}

void add_metadata_v2(pbf_writer& series, const model::MetricMetadata& about, Symbols& symbols) {
  pbf_writer writer(series, 5);
  writer.add_enum(1, static_cast<std::int32_t>(about.type));
  if (!about.help.empty()) writer.add_uint32(3, symbols.number(about.help));
  if (!about.unit.empty()) writer.add_uint32(4, symbols.number(about.unit));
}

std::size_t series_count(std::span<const model::WriteBatch> batches) {
  std::size_t count = 0;
  for (const model::WriteBatch& batch : batches) count += batch.series_count();
  return count;
}

void add_batch_v1(pbf_writer& request, const model::WriteBatch& batch) {
  std::vector<model::LabelView> scratch;
  for (const model::WriteBatch::Series& series : batch.series()) {
    pbf_writer writer(request, 1);
    for (const model::LabelView& label : batch.labels_of(series, scratch)) {
      pbf_writer one(writer, 1);
      add_text(one, 1, label.name);
      add_text(one, 2, label.value);
    }
    for (const model::Sample& sample : batch.samples(series)) add_sample(writer, sample);
  }
  for (const model::MetricMetadata& about : batch.metadata()) {
    pbf_writer writer(request, 3);
    writer.add_enum(1, static_cast<std::int32_t>(about.type));
    add_text(writer, 2, about.metric_name);
    add_text(writer, 4, about.help);
    add_text(writer, 5, about.unit);
  }
}

void add_batch_v2(pbf_writer& request, const model::WriteBatch& batch, Symbols& symbols) {
  MetadataByName known;
  for (const model::MetricMetadata& about : batch.metadata()) {
    known.try_emplace(about.metric_name, &about);
  }
  std::vector<std::uint32_t> references;
  std::vector<model::LabelView> scratch;
  for (const model::WriteBatch::Series& series : batch.series()) {
    pbf_writer writer(request, 5);
    references.clear();
    std::string_view metric;
    for (const model::LabelView& label : batch.labels_of(series, scratch)) {
      references.push_back(symbols.number(label.name));
      references.push_back(symbols.number(label.value));
      if (label.name == model::kMetricName) metric = label.value;
    }
    writer.add_packed_uint32(1, references.begin(), references.end());
    for (const model::Sample& sample : batch.samples(series)) add_sample(writer, sample);
    if (const auto* about = find_metadata(known, metric)) add_metadata_v2(writer, *about, symbols);
  }
}

}  // namespace

std::string encode_v1(const model::WriteBatch& batch) {
  return encode(Version::V1, std::span(&batch, 1));
}

std::string encode_v2(const model::WriteBatch& batch) {
  return encode(Version::V2, std::span(&batch, 1));
}

std::string encode(Version version, std::span<const model::WriteBatch> batches) {
  if (version == Version::V1) {
    std::string message;
    message.reserve(series_count(batches) * 256);
    pbf_writer request(message);
    for (const model::WriteBatch& batch : batches) add_batch_v1(request, batch);
    return compress(message);
  }
  Symbols symbols;
  std::string all_series;
  all_series.reserve(series_count(batches) * 64);
  pbf_writer request(all_series);
  for (const model::WriteBatch& batch : batches) add_batch_v2(request, batch, symbols);
  // The table comes first on the wire, as receivers that read in one pass want it.
  std::string message;
  message.reserve(all_series.size() + symbols.texts().size() * 24);
  pbf_writer table(message);
  for (const std::string_view text : symbols.texts()) add_text(table, 4, text);
  message += all_series;
  return compress(message);
}

}  // namespace tocsin::proto
