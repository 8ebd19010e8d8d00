// Remote write bodies, as they come and after compressing them, so that the fuzzer gets past
// snappy.
#include <snappy.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "proto/codec.h"

namespace {

using tocsin::model::WriteBatch;

void check_batch(const WriteBatch& batch, const tocsin::proto::Limits& limits) {
  TC_CHECK(batch.series_count() <= limits.series_max, "series limit");
  TC_CHECK(batch.sample_count() <= limits.samples_max, "sample limit");
  for (const auto& series : batch.series()) {
    std::string_view last;
    for (const auto& label : batch.labels(series)) {
      TC_CHECK(!label.name.empty() && !label.value.empty(), "empty label");
      TC_CHECK(last < label.name, "labels are not sorted");
      last = label.name;
    }
  }
  // What we accept, we can send on, and it comes back.
  tocsin::proto::Limits wide = limits;
  wide.body_bytes_max = wide.decoded_bytes_max = 64 << 20;
  wide.decoded_ratio_max = 1000;
  const auto again = tocsin::proto::decode_v1(tocsin::proto::encode_v1(batch), wide);
  TC_CHECK(again && again->sample_count() == batch.sample_count(), "does not come back");
}

// A memory changes how series are found, never what they are.
void check_memory(tocsin::proto::Version version, std::string_view body,
                  const tocsin::proto::Limits& limits, const WriteBatch& plain) {
  const tocsin::proto::Memory memory{std::make_shared<tocsin::model::KnownSeriesTable>(), 42};
  for (int round = 0; round < 2; ++round) {
    const auto batch = tocsin::proto::decode(version, body, limits, memory);
    TC_CHECK(batch && batch->series_count() == plain.series_count(), "memory changes the series");
    std::vector<tocsin::model::LabelView> scratch;
    for (std::size_t i = 0; i < plain.series_count(); ++i) {
      const auto& series = batch->series()[i];
      const auto labels = tocsin::model::Labels::from_sorted(batch->labels_of(series, scratch));
      TC_CHECK(labels == tocsin::model::Labels::from_sorted(plain.labels(plain.series()[i])),
               "memory changes labels");
      TC_CHECK(series.sample_count == plain.series()[i].sample_count, "memory changes samples");
      if (series.key == 0 || series.known != nullptr) continue;
      memory.table->add(series.key,
                        {std::make_shared<const tocsin::model::Labels>(labels), 0, false});
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string packed;
  snappy::Compress(bytes.data(), bytes.size(), &packed);
  const tocsin::proto::Limits limits;
  for (const std::string_view body : {bytes, std::string_view(packed)}) {
    for (const auto version : {tocsin::proto::Version::V1, tocsin::proto::Version::V2}) {
      const auto batch = tocsin::proto::decode(version, body, limits);
      if (!batch) continue;
      check_batch(*batch, limits);
      check_memory(version, body, limits, *batch);
    }
  }
  return 0;
}
