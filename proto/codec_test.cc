#include "proto/codec.h"

#include <doctest/doctest.h>
#include <snappy.h>

#include <cmath>
#include <limits>

#include "remote_write.pb.h"
#include "remote_write_v2.pb.h"

namespace tocsin::proto {
namespace {

using base::ErrorCode;
using model::Labels;
using model::LabelView;
using model::WriteBatch;

std::string squeeze(const std::string& message) {
  std::string body;
  snappy::Compress(message.data(), message.size(), &body);
  return body;
}

Labels labels_of(const WriteBatch& batch, std::size_t series) {
  return Labels::from_sorted(batch.labels(batch.series()[series]));
}

WriteBatch example() {
  WriteBatch batch;
  batch.add(Labels{{"__name__", "load1"}, {"host", "db1"}}, {1000, 0.5});
  batch.add_sample({2000, std::nan("")});
  batch.add(Labels{{"__name__", "requests_total"}, {"path", "/ü"}, {"host", "db1"}},
            {-5, std::numeric_limits<double>::infinity()});
  batch.add(Labels{{"__name__", "load1"}, {"host", "db2"}}, {3000, model::stale_marker()});
  batch.add_metadata({"requests", model::MetricType::Counter, "Requests served.", "requests"});
  return batch;
}

void require_same(const WriteBatch& a, const WriteBatch& b) {
  REQUIRE(a.series_count() == b.series_count());
  for (std::size_t i = 0; i < a.series_count(); ++i) {
    CHECK(labels_of(a, i) == labels_of(b, i));
    const auto left = a.samples(a.series()[i]);
    const auto right = b.samples(b.series()[i]);
    REQUIRE(left.size() == right.size());
    for (std::size_t k = 0; k < left.size(); ++k) {
      CHECK(left[k].timestamp_ms == right[k].timestamp_ms);
      CHECK(std::bit_cast<std::uint64_t>(left[k].value) ==
            std::bit_cast<std::uint64_t>(right[k].value));
    }
  }
}

struct V1Builder {
  prometheus::WriteRequest request;
  prometheus::TimeSeries* series(std::initializer_list<LabelView> labels) {
    auto* made = request.add_timeseries();
    for (const auto& label : labels) {
      auto* one = made->add_labels();
      one->set_name(std::string(label.name));
      one->set_value(std::string(label.value));
    }
    auto* sample = made->add_samples();
    sample->set_timestamp(1000);
    sample->set_value(1);
    return made;
  }
  std::string body() const { return squeeze(request.SerializeAsString()); }
};

void refuses(const std::string& body, ErrorCode code, std::string_view text, Limits limits = {}) {
  const auto batch = decode_v1(body, limits);
  REQUIRE(!batch);
  CHECK(batch.error().code == code);
  CHECK_MESSAGE(batch.error().message.find(text) != std::string::npos, batch.error().message);
}

void refuses_v2(const std::string& body, ErrorCode code, std::string_view text,
                Limits limits = {}) {
  const auto batch = decode_v2(body, limits);
  REQUIRE(!batch);
  CHECK(batch.error().code == code);
  CHECK_MESSAGE(batch.error().message.find(text) != std::string::npos, batch.error().message);
}

TEST_CASE("a batch survives both versions") {
  const WriteBatch batch = example();
  const auto v1 = decode_v1(encode_v1(batch), {});
  REQUIRE(v1);
  require_same(batch, *v1);
  REQUIRE(v1->metadata().size() == 1);
  CHECK(v1->metadata()[0].help == "Requests served.");
  const auto v2 = decode_v2(encode_v2(batch), {});
  REQUIRE(v2);
  require_same(batch, *v2);
  REQUIRE(v2->metadata().size() == 1);
  CHECK(v2->metadata()[0].metric_name == "requests_total");
  CHECK(v2->metadata()[0].type == model::MetricType::Counter);
  CHECK(v2->metadata()[0].unit == "requests");
}

TEST_CASE("generated code reads what we write") {
  const WriteBatch batch = example();
  std::string message;
  const std::string body = encode_v1(batch);
  REQUIRE(snappy::Uncompress(body.data(), body.size(), &message));
  prometheus::WriteRequest v1;
  REQUIRE(v1.ParseFromString(message));
  REQUIRE(v1.timeseries_size() == 3);
  CHECK(v1.timeseries(0).labels(1).value() == "db1");
  CHECK(v1.timeseries(0).samples(1).timestamp() == 2000);
  CHECK(v1.timeseries(1).samples(0).timestamp() == -5);
  CHECK(v1.metadata(0).type() == prometheus::MetricMetadata::COUNTER);

  const std::string body2 = encode_v2(batch);
  REQUIRE(snappy::Uncompress(body2.data(), body2.size(), &message));
  io::prometheus::write::v2::Request v2;
  REQUIRE(v2.ParseFromString(message));
  CHECK(v2.symbols(0).empty());
  const auto& series = v2.timeseries(2);
  REQUIRE(series.labels_refs_size() == 4);
  CHECK(v2.symbols(static_cast<int>(series.labels_refs(3))) == "db2");
  CHECK(model::is_stale(series.samples(0).value()));
  CHECK(v2.symbols(static_cast<int>(v2.timeseries(1).metadata().help_ref())) == "Requests served.");
}

TEST_CASE("we read what generated code writes, and count what is not stored") {
  V1Builder builder;
  auto* series = builder.series({{"zone", "a"}, {"__name__", "up"}, {"empty", ""}, {"host", "h"}});
  series->add_exemplars()->set_value(1);
  series->add_histograms()->set_sum(2);
  auto* only_histogram = builder.request.add_timeseries();
  auto* name = only_histogram->add_labels();
  name->set_name("__name__");
  name->set_value("latency");
  only_histogram->add_histograms()->set_count_int(7);
  const auto batch = decode_v1(builder.body(), {});
  REQUIRE(batch);
  REQUIRE(batch->series_count() == 1);
  CHECK(labels_of(*batch, 0) == Labels{{"__name__", "up"}, {"host", "h"}, {"zone", "a"}});
  CHECK(batch->exemplars == 1);
  CHECK(batch->native_histograms == 2);

  io::prometheus::write::v2::Request v2;
  for (const char* symbol : {"", "__name__", "up", "help text"}) v2.add_symbols(symbol);
  auto* made = v2.add_timeseries();
  made->add_labels_refs(1);
  made->add_labels_refs(2);
  made->add_samples()->set_timestamp(5);
  made->mutable_metadata()->set_help_ref(3);
  made->add_exemplars();
  made->set_created_timestamp(77);
  const auto decoded = decode_v2(squeeze(v2.SerializeAsString()), {});
  REQUIRE(decoded);
  CHECK(labels_of(*decoded, 0) == Labels{{"__name__", "up"}});
  CHECK(decoded->exemplars == 1);
  CHECK(decoded->metadata()[0].help == "help text");
  CHECK(decode_v1(squeeze(""), {})->empty());
}

TEST_CASE("malformed bodies, version 1") {
  const std::string good = encode_v1(example());
  refuses("", ErrorCode::InvalidArgument, "not in snappy block format");
  refuses(good.substr(0, good.size() / 2), ErrorCode::InvalidArgument, "snappy cannot decompress");
  // Truncated inside the message, then compressed properly.
  std::string message;
  REQUIRE(snappy::Uncompress(good.data(), good.size(), &message));
  refuses(squeeze(message.substr(0, message.size() - 3)), ErrorCode::InvalidArgument,
          "not a valid protobuf message");
  refuses(squeeze("\x0b\x01"), ErrorCode::InvalidArgument, "not a valid protobuf message");
  // The liar: a varint header that declares 4 GiB - 1 in seven bytes of body.
  refuses(std::string("\xff\xff\xff\xff\x0f\x00\x00", 7), ErrorCode::LimitExceeded,
          "declared size after decompression in bytes: 4294967295, limit 16777216");
  // Declares 1 MiB with a body of ten bytes: below the absolute limit, above what snappy can do.
  refuses(std::string("\x80\x80\x40\x00\x00\x00\x00\x00\x00\x00", 10), ErrorCode::LimitExceeded,
          "declared size for a body of 10 bytes: 1048576, limit 284");
  refuses(std::string(100, 'x'), ErrorCode::LimitExceeded, "compressed body bytes: 100, limit 64",
          {.body_bytes_max = 64});
}

TEST_CASE("sixteen million empty series cost nothing") {
  // 0x0a 0x00 is an empty TimeSeries; 8 Mi of them are 16 MiB, compressed below 800 KiB.
  std::string message;
  message.reserve(16 << 20);
  for (int i = 0; i < (8 << 20); ++i) message.append("\x0a\x00", 2);
  const std::string body = squeeze(message);
  REQUIRE(body.size() < 900'000);
  refuses(body, ErrorCode::InvalidArgument, "series 1: has no metric name");
  // With a name but no sample: the limit counts what was seen, not what was kept.
  V1Builder builder;
  for (int i = 0; i < 11; ++i) builder.series({{"__name__", "a"}})->clear_samples();
  refuses(builder.body(), ErrorCode::LimitExceeded, "series in request: 11, limit 10",
          {.series_max = 10});
}

TEST_CASE("label rules") {
  const auto with = [](std::initializer_list<LabelView> labels) {
    V1Builder builder;
    builder.series(labels);
    return builder.body();
  };
  refuses(with({{"host", "a"}}), ErrorCode::InvalidArgument, "series 1: has no metric name");
  refuses(with({{"__name__", ""}}), ErrorCode::InvalidArgument, "has no metric name");
  refuses(with({{"__name__", "up"}, {"", "x"}}), ErrorCode::InvalidArgument,
          "a label has an empty name");
  refuses(with({{"__name__", "up"}, {"b", "1"}, {"a", "2"}, {"b", "1"}}),
          ErrorCode::InvalidArgument, "label 'b' is there twice");
  refuses(with({{"__name__", "up"}, {"a\nb", "1"}}), ErrorCode::InvalidArgument,
          "label name 'a\\nb' has a control character");
  refuses(with({{"__name__", "u\x1bp"}}), ErrorCode::InvalidArgument,
          "metric name 'u\\x1bp' has a control character");
  refuses(with({{"__name__", "up"}, {std::string(300, 'n'), "1"}}), ErrorCode::LimitExceeded,
          "label name is 300 bytes, limit 256");
  refuses(with({{"__name__", "up"}, {"path", std::string(70000, 'v')}}), ErrorCode::LimitExceeded,
          "label value of 'path' is 70000 bytes, limit 4096");
  V1Builder many;
  auto* series = many.series({{"__name__", "up"}});
  for (int i = 0; i < 64; ++i) series->add_labels()->set_name("l" + std::to_string(i));
  refuses(many.body(), ErrorCode::LimitExceeded, "series 1: labels: 65, limit 64");
  V1Builder samples;
  auto* long_one = samples.series({{"__name__", "up"}});
  for (int i = 0; i < 5; ++i) long_one->add_samples();
  refuses(samples.body(), ErrorCode::LimitExceeded, "samples in request: 6, limit 5",
          {.samples_max = 5});
}

TEST_CASE("bad UTF-8") {
  // protoc's code refuses to make such strings, so the bytes are written by hand:
  // TimeSeries { Label { name "__name__" value "\xff" } }.
  const std::string label = std::string("\x0a\x08__name__\x12\x01\xff", 13);
  const std::string series = std::string("\x0a\x0d", 2) + label;
  refuses(squeeze(std::string("\x0a\x0f", 2) + series), ErrorCode::InvalidArgument,
          "label value of '__name__' is not UTF-8");
  const std::string name = std::string("\x0a\x02\xc3\x28\x12\x01v", 7);
  refuses(squeeze(std::string("\x0a\x09\x0a\x07", 4) + name), ErrorCode::InvalidArgument,
          "a label name is not UTF-8");
}

TEST_CASE("malformed bodies, version 2") {
  const auto with = [](std::initializer_list<const char*> symbols,
                       std::initializer_list<std::uint32_t> references) {
    io::prometheus::write::v2::Request request;
    for (const char* symbol : symbols) request.add_symbols(symbol);
    auto* series = request.add_timeseries();
    for (const std::uint32_t reference : references) series->add_labels_refs(reference);
    series->add_samples()->set_value(1);
    return squeeze(request.SerializeAsString());
  };
  CHECK(decode_v2(with({"", "__name__", "up"}, {1, 2}), {}));
  refuses_v2(with({"", "__name__", "up"}, {1, 3}), ErrorCode::InvalidArgument,
             "series 1: symbol 3 is out of range: the table has 3");
  refuses_v2(with({"", "__name__", "up"}, {1, 4294967295U}), ErrorCode::InvalidArgument,
             "symbol 4294967295 is out of range");
  refuses_v2(with({"", "__name__", "up"}, {1, 2, 1}), ErrorCode::InvalidArgument,
             "odd number of label references");
  refuses_v2(with({"__name__", "up"}, {0, 1}), ErrorCode::InvalidArgument,
             "the first symbol must be empty");
  refuses_v2(with({"", "__name__", "up"}, {1, 2, 1, 2}), ErrorCode::InvalidArgument,
             "label '__name__' is there twice");
  refuses_v2(with({"", "__name__", "up"}, {1, 2, 0, 2}), ErrorCode::InvalidArgument,
             "a label has an empty name");
  refuses_v2(with({}, {}), ErrorCode::InvalidArgument, "has no metric name");
  refuses_v2(with({"", "a", "b", "c"}, {}), ErrorCode::LimitExceeded,
             "symbols in request: 4, limit 3", {.symbols_max = 3});
  // A 1.0 body read as 2.0 holds nothing: field 1 is reserved there.
  CHECK(decode_v2(encode_v1(example()), {})->empty());
}

TEST_CASE("content negotiation") {
  CHECK(*negotiate("application/x-protobuf", "snappy") == Version::V1);
  CHECK(*negotiate(kContentTypeV1, "snappy") == Version::V1);
  CHECK(*negotiate(kContentTypeV2, "Snappy") == Version::V2);
  CHECK(
      *negotiate("Application/X-Protobuf; charset=utf-8; Proto=\"io.prometheus.write.v2.Request\"",
                 "snappy") == Version::V2);
  CHECK(negotiate("text/plain", "snappy").error().message.find("'text/plain' is not supported") !=
        std::string::npos);
  CHECK(negotiate("", "snappy").error().message.find("no content type") != std::string::npos);
  CHECK(negotiate("application/x-protobuf;proto=other", "snappy")
            .error()
            .message.find("message 'other'") != std::string::npos);
  CHECK(negotiate("application/x-protobuf", "gzip").error().message.find("'gzip'") !=
        std::string::npos);
  CHECK(!negotiate("application/x-protobuf", ""));
  const HeaderList sent = request_headers(Version::V2);
  CHECK(*negotiate(sent[0].second, sent[1].second) == Version::V2);
  CHECK(written_headers({3, 0, 1})[0].second == "3");
}

}  // namespace
}  // namespace tocsin::proto
