// Remote read requests, as they come and after compressing them, so that the fuzzer gets past
// snappy; and answers made of samples from the same bytes.
#include <snappy.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "proto/remote_read.h"

namespace {

using tocsin::proto::ReadForm;

void check_request(std::string_view body) {
  const tocsin::proto::ReadLimits limits;
  const auto request = tocsin::proto::decode_read(body, limits);
  if (!request) return;
  TC_CHECK(request->queries.size() <= limits.queries_max, "query limit");
  for (const auto& query : request->queries) {
    TC_CHECK(query.matchers.size() <= limits.matchers_max, "matcher limit");
    for (const auto& matcher : query.matchers) {
      TC_CHECK(!matcher.name().empty(), "a matcher without a name");
      (void)matcher.matches("value");
    }
  }
}

void check_answer(std::string_view bytes) {
  std::vector<tocsin::model::Sample> samples;
  std::int64_t last = 0;
  for (; bytes.size() >= 16; bytes.remove_prefix(16)) {
    tocsin::model::Sample sample;
    std::memcpy(&sample.timestamp_ms, bytes.data(), 8);
    std::memcpy(&sample.value, bytes.data() + 8, 8);
    if (!samples.empty() && sample.timestamp_ms <= last) continue;
    last = sample.timestamp_ms;
    samples.push_back(sample);
  }
  if (samples.empty()) return;
  for (const ReadForm form : {ReadForm::Samples, ReadForm::StreamedXorChunks}) {
    tocsin::proto::ReadAnswer answer(form, 1 << 20);
    if (answer.add(1, tocsin::model::Labels{{"__name__", "x"}}, samples)) {
      TC_CHECK(!answer.finish(2).empty(), "an empty answer");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string packed;
  snappy::Compress(bytes.data(), bytes.size(), &packed);
  check_request(bytes);
  check_request(packed);
  check_answer(bytes);
  return 0;
}
