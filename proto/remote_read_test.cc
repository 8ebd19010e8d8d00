// Remote read: what real clients send, what Prometheus answers byte for byte, and what is refused.
#include "proto/remote_read.h"

#include <doctest/doctest.h>
#include <snappy.h>

#include <functional>
#include <limits>

#include "proto/xor_chunk.h"
#include "remote_read.pb.h"

namespace tocsin::proto {
namespace {

using base::ErrorCode;
using model::Labels;
using model::Sample;

std::string squeeze(const google::protobuf::Message& message) {
  std::string body;
  const std::string bytes = message.SerializeAsString();
  snappy::Compress(bytes.data(), bytes.size(), &body);
  return body;
}

prometheus::ReadRequest example() {
  prometheus::ReadRequest request;
  auto* query = request.add_queries();
  query->set_start_timestamp_ms(-5);
  query->set_end_timestamp_ms(9000);
  const auto add = [&](prometheus::LabelMatcher::Type type, const char* name, const char* value) {
    auto* matcher = query->add_matchers();
    matcher->set_type(type);
    matcher->set_name(name);
    matcher->set_value(value);
  };
  add(prometheus::LabelMatcher::EQ, "__name__", "up");
  add(prometheus::LabelMatcher::NRE, "job", "a|b");
  query->GetReflection()->MutableUnknownFields(query)->AddLengthDelimited(4, "\x08\x01");  // hints
  return request;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(c) >> 4U];
    text += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}

/// What Debian's prometheus 2.42 was written, and then streamed: 13 samples that use every form of
/// a time difference and of a value.
const std::vector<Sample>& recorded_samples() {
  constexpr std::int64_t kStart = 1'795'826'000'000;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static const std::vector<Sample> samples{
      {kStart, 0},
      {kStart + 15'000, 1},
      {kStart + 30'000, 2.5},
      {kStart + 45'001, -1e300},
      {kStart + 59'000, std::numeric_limits<double>::quiet_NaN()},
      {kStart + 59'001, kInfinity},
      {kStart + 200'000, 5e-324},
      {kStart + 1'000'000, 2.5},
      {kStart + 1'000'001, 2.5},
      {kStart + 3'000'000, 2.5},
      {kStart + 3'000'002, 0.1},
      {kStart + 3'000'004, 0.2},
      {kStart + 3'000'006, 0.30000000000000004},
  };
  return samples;
}
constexpr std::string_view kRecordedFrame =
    "b001fc0875730aad010a0d0a085f5f6e616d655f5f120178129b010880c1c8fca13410c6cefffda1341801228801"
    "000d808291f9c36800000000000000009875c457fec26fff6000707d7c67c8791000eb3de0b5039fc8791000eb3e"
    "e4a9400100000000000071136361ffff8000000000000f800000000005071cd0010000000000007fffffffffffcf"
    "2c05e00000000003d08fcfffffffffffe17b83bfdecccccccccccd200e0000000000000800d5555555555570";

TEST_CASE("a request") {
  auto request = decode_read(squeeze(example()), {});
  REQUIRE(request);
  CHECK(request->form == ReadForm::Samples);
  REQUIRE(request->queries.size() == 1);
  CHECK(request->queries[0].begin_ms == -5);
  CHECK(request->queries[0].end_ms == 9000);
  REQUIRE(request->queries[0].matchers.size() == 2);
  CHECK(request->queries[0].matchers[0].to_string() == R"(__name__="up")");
  CHECK(request->queries[0].matchers[1].to_string() == R"(job!~"a|b")");
}

TEST_CASE("the form of the answer is the first known one that the client accepts") {
  const auto form = [](std::vector<int> accepted) {
    prometheus::ReadRequest request;
    for (const int one : accepted) {
      request.add_accepted_response_types(static_cast<prometheus::ReadRequest::ResponseType>(one));
    }
    auto decoded = decode_read(squeeze(request), {});
    return decoded ? std::optional(decoded->form) : std::nullopt;
  };
  CHECK(form({}) == ReadForm::Samples);
  CHECK(form({0, 1}) == ReadForm::Samples);
  CHECK(form({1, 0}) == ReadForm::StreamedXorChunks);
  CHECK(form({7, 1}) == ReadForm::StreamedXorChunks);
  CHECK(form({7}) == std::nullopt);
}

TEST_CASE("what is refused, and by which limit") {
  const auto code = [](const std::string& body, const ReadLimits& limits = {}) {
    auto request = decode_read(body, limits);
    REQUIRE_FALSE(request);
    return request.error().code;
  };
  CHECK(code("not snappy") == ErrorCode::InvalidArgument);
  std::string packed;
  snappy::Compress("\x0a\xff", 2, &packed);
  CHECK(code(packed) == ErrorCode::InvalidArgument);
  const std::string body = squeeze(example());
  CHECK(code(body, {.body_bytes_max = 3}) == ErrorCode::LimitExceeded);
  CHECK(code(body, {.decoded_bytes_max = 3}) == ErrorCode::LimitExceeded);
  CHECK(code(body, {.queries_max = 0}) == ErrorCode::LimitExceeded);
  CHECK(code(body, {.matchers_max = 1}) == ErrorCode::LimitExceeded);
  CHECK(code(body, {.text_bytes_max = 7}) == ErrorCode::LimitExceeded);
  const auto broken = [&](const std::function<void(prometheus::LabelMatcher&)>& edit) {
    prometheus::ReadRequest request = example();
    edit(*request.mutable_queries(0)->mutable_matchers(1));
    return code(squeeze(request));
  };
  using Edited = prometheus::LabelMatcher;
  CHECK(broken([](Edited& it) { it.set_value("("); }) == ErrorCode::InvalidArgument);
  CHECK(broken([](Edited& it) { it.set_name(""); }) == ErrorCode::InvalidArgument);
  CHECK(broken([](Edited& it) { it.set_type(static_cast<Edited::Type>(4)); }) ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("a frame is Prometheus's, byte for byte") {
  ReadAnswer answer(ReadForm::StreamedXorChunks, 1 << 20);
  REQUIRE(answer.add(0, Labels{{"__name__", "x"}}, recorded_samples()));
  CHECK(hex(answer.finish(1)) == kRecordedFrame);
  CHECK(crc32c("123456789") == 0xe3069283);
}

TEST_CASE("sampled: one result a query, empty ones too") {
  ReadAnswer answer(ReadForm::Samples, 1 << 20);
  REQUIRE(answer.add(1, Labels{{"__name__", "x"}, {"a", "b"}}, recorded_samples()));
  const std::string body = answer.finish(3);
  std::string bytes;
  REQUIRE(snappy::Uncompress(body.data(), body.size(), &bytes));
  prometheus::ReadResponse response;
  REQUIRE(response.ParseFromString(bytes));
  REQUIRE(response.results_size() == 3);
  CHECK(response.results(0).timeseries_size() == 0);
  CHECK(response.results(2).timeseries_size() == 0);
  REQUIRE(response.results(1).timeseries_size() == 1);
  const auto& series = response.results(1).timeseries(0);
  REQUIRE(series.samples_size() == static_cast<int>(recorded_samples().size()));
  CHECK(series.labels(1).name() == "a");
  CHECK(series.samples(3).timestamp() == recorded_samples()[3].timestamp_ms);
  CHECK(series.samples(3).value() == -1e300);
}

TEST_CASE("a long series is cut into chunks of 120 samples and frames of a megabyte") {
  std::vector<Sample> samples;
  std::uint64_t noise = 1;
  for (std::int64_t i = 0; i < 400'000; ++i) {
    noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
    samples.push_back({i * 1000, static_cast<double>(noise)});
  }
  ReadAnswer answer(ReadForm::StreamedXorChunks, 64 << 20);
  REQUIRE(answer.add(0, Labels{{"__name__", "x"}}, std::span(samples).first(240)));
  REQUIRE(answer.add(2, Labels{{"__name__", "y"}}, samples));
  const std::string body = answer.finish(3);
  std::size_t at = 0;
  std::size_t frames = 0;
  std::size_t chunks = 0;
  while (at < body.size()) {
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(body[at++]);
      size |= std::size_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    at += 4;
    REQUIRE(at + size <= body.size());
    prometheus::ChunkedReadResponse frame;
    REQUIRE(frame.ParseFromString(body.substr(at, size)));
    at += size;
    CHECK(size < (1 << 20) + 2000);
    CHECK(frame.query_index() == (frames == 0 ? 0 : 2));
    REQUIRE(frame.chunked_series_size() == 1);
    CHECK(frame.chunked_series(0).labels_size() == 1);
    for (const auto& chunk : frame.chunked_series(0).chunks()) {
      CHECK(chunk.max_time_ms() >= chunk.min_time_ms());
      ++chunks;
    }
    ++frames;
  }
  CHECK(chunks == 2 + (400'000 + 119) / 120);
  CHECK(frames > 3);
}

TEST_CASE("an answer over the limit is an error") {
  for (const ReadForm form : {ReadForm::Samples, ReadForm::StreamedXorChunks}) {
    ReadAnswer answer(form, 200);
    CHECK(answer.add(0, Labels{{"__name__", "x"}}, std::span(recorded_samples()).first(1)));
    const auto second = answer.add(0, Labels{{"__name__", "y"}}, recorded_samples());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::LimitExceeded);
  }
}

}  // namespace
}  // namespace tocsin::proto
